import { createHmac, timingSafeEqual } from 'node:crypto';
import { inflateSync } from 'node:zlib';

export interface Signatures {
  /**
   * ErrorCode for `text` presented by `identifier` for `sdkAppId` at `nowMs`; 0 when it is
   * good. An app that does not exist has no key to check with, so 70020 comes first.
   */
  check(text: string, sdkAppId: number, identifier: string, nowMs: number): number;
  invalidate(nowMs: number): void;
}

/** Verified UserSigs that are remembered; a worker uses one for many hours. */
const mostRemembered = 1_024;

/**
 * Judges UserSigs for one app.
 *
 * Making signatures invalid (what `im_open_login_svc/kick` does) refuses every UserSig made
 * in an earlier second, and of this second every one that was used already. So a UserSig
 * made anew works even within the same second, provided its text differs: the generator
 * is deterministic, and the same second and validity give the same text.
 */
export function createSignatures(app: { sdkAppId: number; secretKey: string }): Signatures {
  const verified = new Map<string, UserSig>();
  const invalidated = new Set<string>();
  let validFromSecond = Number.NEGATIVE_INFINITY;

  function verify(text: string): UserSig | number {
    const userSig = readUserSig(text);
    if (typeof userSig === 'number') return userSig;
    if (userSig.sdkAppId !== app.sdkAppId) return 70014;
    if (!isMadeWith(userSig, app.secretKey)) return 70009;
    const [oldest = ''] = verified.keys();
    if (verified.size >= mostRemembered) verified.delete(oldest);
    verified.set(text, userSig);
    return userSig;
  }

  return {
    check(text, sdkAppId, identifier, nowMs) {
      if (text === '') return 70002;
      if (sdkAppId !== app.sdkAppId) return 70020;
      const userSig = verified.get(text) ?? verify(text);
      if (typeof userSig === 'number') return userSig;
      if (userSig.identifier !== identifier) return 70013;
      if (nowMs >= (userSig.time + userSig.expire) * 1_000) return 70001;
      if (userSig.time < validFromSecond || invalidated.has(text)) return 70052;
      return 0;
    },
    invalidate(nowMs) {
      validFromSecond = Math.floor(nowMs / 1_000);
      for (const [text, { time }] of verified) {
        if (time >= validFromSecond) invalidated.add(text);
      }
    },
  };
}

/** The fields of a UserSig of version 2.0. */
interface UserSig {
  identifier: string;
  sdkAppId: number;
  /** When it was made, seconds since 1970. */
  time: number;
  /** How long it is valid, seconds. */
  expire: number;
  sig: string;
}

/** Takes a UserSig apart without judging it, or says why not: 70002 empty, 70005 truncated, 70003 anything else. */
export function readUserSig(text: string): UserSig | number {
  if (text === '') return 70002;
  if (!/^[A-Za-z0-9*_-]+$/.test(text)) return 70003;
  const base64 = text.replaceAll('*', '+').replaceAll('-', '/').replaceAll('_', '=');
  let fields: unknown;
  try {
    const json = inflateSync(Buffer.from(base64, 'base64'), { maxOutputLength: 4_096 });
    fields = JSON.parse(json.toString('utf8'));
  } catch (error) {
    const isUnexpectedEnd =
      error instanceof Error && 'code' in error && error.code === 'Z_BUF_ERROR';
    return isUnexpectedEnd ? 70005 : 70003;
  }
  return toUserSig(fields) ?? 70003;
}

/** Whether `userSig` was made with this key. Takes the same time wherever they differ. */
function isMadeWith(userSig: UserSig, secretKey: string): boolean {
  const signed =
    `TLS.identifier:${userSig.identifier}\n` +
    `TLS.sdkappid:${userSig.sdkAppId}\n` +
    `TLS.time:${userSig.time}\n` +
    `TLS.expire:${userSig.expire}\n`;
  const expected = createHmac('sha256', secretKey).update(signed).digest();
  const actual = Buffer.from(userSig.sig, 'base64');
  return actual.length === expected.length && timingSafeEqual(actual, expected);
}

function toUserSig(fields: unknown): UserSig | undefined {
  if (typeof fields !== 'object' || fields === null) return undefined;
  const read = fields as Record<string, unknown>;
  const identifier = read['TLS.identifier'];
  const sdkAppId = read['TLS.sdkappid'];
  const time = read['TLS.time'];
  const expire = read['TLS.expire'];
  const sig = read['TLS.sig'];
  if (read['TLS.ver'] !== '2.0' || typeof identifier !== 'string' || typeof sig !== 'string') {
    return undefined;
  }
  if (!isInteger(sdkAppId) || !isInteger(time) || !isInteger(expire)) return undefined;
  return { identifier, sdkAppId, time, expire, sig };
}

function isInteger(value: unknown): value is number {
  return Number.isSafeInteger(value);
}
