/**
 * UserSigs: made with Tencent's `tls-sig-api-v2`, kept, and renewed at half their life.
 * Source: https://trtc.io/document/60027; validity of at least 24 h is recommended.
 */
import tlsSigApi from 'tls-sig-api-v2';
import type { Credentials } from '../config.js';

/** Life of a UserSig, in seconds. Renewed at half, so that each one used has a day left. */
export const userSigLifeSeconds = 48 * 3600;

export interface UserSig {
  readonly text: string;
  /** Whether it replaced one that the API had called stale. */
  readonly renewed: boolean;
}

export interface Signer {
  /** The signature to use now. */
  current(): UserSig;
  /**
   * The API called `used` stale. Makes a new one, unless that has happened already.
   *
   * @returns false where `used` was itself such a renewed one and nothing has succeeded
   *   since: renewing does not heal this.
   */
  renew(used: UserSig): boolean;
  /** The API took `used`: a later staleness is a new event. */
  accepted(used: UserSig): void;
}

/**
 * @param now - milliseconds since the epoch; the signature itself is dated by the system clock.
 */
export function createSigner(credentials: Credentials, now: () => number = Date.now): Signer {
  // The package checks nothing: a wrong type would give a signature with null fields, silently.
  // The configuration has checked both.
  const api = new tlsSigApi.Api(credentials.sdkAppId, credentials.secretKey);
  let generation = 0;
  let sig: UserSig | undefined;
  let renewAt = 0;
  let healed = true;

  function make(renewed: boolean): UserSig {
    // A signature is dated to the second. One made in the same second as its stale
    // predecessor would be the same text, so each generation lives a second longer.
    const text = api.genSig(credentials.adminIdentifier, userSigLifeSeconds + (generation % 3600));
    generation += 1;
    renewAt = now() + (userSigLifeSeconds / 2) * 1000;
    sig = { text, renewed };
    return sig;
  }

  return {
    current() {
      if (sig === undefined || now() >= renewAt) return make(false);
      return sig;
    },
    renew(used) {
      if (sig !== undefined && used !== sig) return true;
      if (used.renewed && !healed) return false;
      make(true);
      healed = false;
      return true;
    },
    accepted(used) {
      if (used === sig) healed = true;
    },
  };
}
