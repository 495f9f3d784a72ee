/**
 * UserSigs: made with Tencent's `tls-sig-api-v2`, kept, and renewed after a day.
 * Source: https://trtc.io/document/60027; validity of at least 24 h is recommended.
 */
import tlsSigApi from 'tls-sig-api-v2';
import type { Credentials } from './credentials.js';

/** A UserSig is replaced after so long, in milliseconds. */
export const userSigRenewAfterMs = 24 * 3_600_000;

/**
 * Life of a UserSig, in seconds: each one used has a day left, and an hour more for the
 * request's way and for clocks that differ.
 */
export const userSigLifeSeconds = 49 * 3600;

/**
 * So many renewed signatures in a row called stale, and no success: renewing does not help.
 * One is not enough: it may be about one room only.
 */
const hopelessAfter = 10;

export interface UserSig {
  readonly text: string;
  /** Whether it replaced a stale one. */
  readonly renewed: boolean;
  /** Whether the API has taken it: if it turns stale later, that is a new event. */
  proven: boolean;
}

export interface Signer {
  /** The signature to use now. */
  current(): UserSig;
  /**
   * The API called `used` stale. Makes a new one, unless that has happened already.
   *
   * @returns false where renewing does not help.
   */
  renew(used: UserSig): boolean;
  /** The API took `used`. */
  accepted(used: UserSig): void;
}

/** Takes the signature out of a text. */
export type Hide = (text: string) => string;

/** So many characters at its beginning tell a signature from all other text. */
const tellingLength = 24;

/**
 * For text that comes from outside and may repeat the signed URL: whole or cut, as it was sent
 * or percent-encoded.
 */
export function hideSignature(sig: string): Hide {
  const beginning = sig
    .slice(0, tellingLength)
    .replace(/[*_-]/g, (sign) => `(?:[${sign}]|%${sign.charCodeAt(0).toString(16)})`);
  const known = new RegExp(`${beginning}(?:[\\w*-]|%[0-9a-f]{2})*`, 'gi');
  return (text) => {
    if (text.length < tellingLength && !/usersig/i.test(text)) return text;
    return text.replace(/(usersig=)[^&\s"'<>]*/gi, '$1…').replace(known, '…');
  };
}

/**
 * @param now - milliseconds since the epoch; the signature itself is dated by the system clock.
 * @param monotonic - milliseconds of a clock that never jumps: a system clock that is set back
 *   must not make a signature last longer.
 */
export function createSigner(
  credentials: Credentials,
  now: () => number = Date.now,
  monotonic: () => number = () => performance.now(),
): Signer {
  // The package checks nothing: a wrong type would give a signature with null fields, silently.
  // The configuration has checked both.
  const api = new tlsSigApi.Api(credentials.sdkAppId, credentials.secretKey);
  let generation = 0;
  let sig: UserSig | undefined;
  let madeAt = { now: 0, monotonic: 0 };
  let staleInARow = 0;

  function make(renewed: boolean): UserSig {
    // A signature is dated to the second. One made in the same second as its stale
    // predecessor would be the same text, so each generation lives a second longer.
    const text = api.genSig(credentials.adminIdentifier, userSigLifeSeconds + (generation % 3600));
    generation += 1;
    madeAt = { now: now(), monotonic: monotonic() };
    sig = { text, renewed, proven: false };
    return sig;
  }

  /** Too old by either clock, or dated in the future since the system clock was set back. */
  function isOver(): boolean {
    const age = now() - madeAt.now;
    return (
      age < 0 || age >= userSigRenewAfterMs || monotonic() - madeAt.monotonic >= userSigRenewAfterMs
    );
  }

  return {
    current() {
      return sig === undefined || isOver() ? make(false) : sig;
    },
    renew(used) {
      // Many requests in flight can carry one old signature: that is one event.
      if (used !== sig) return true;
      if (used.renewed && !used.proven) staleInARow += 1;
      if (staleInARow >= hopelessAfter) return false;
      make(true);
      return true;
    },
    accepted(used) {
      used.proven = true;
      staleInARow = 0;
    },
  };
}
