import { createHmac, timingSafeEqual } from 'node:crypto';
import { inflateSync } from 'node:zlib';

/** The fields of a UserSig of version 2.0. */
export interface UserSig {
  identifier: string;
  sdkAppId: number;
  /** When it was made, seconds since 1970. */
  time: number;
  /** How long it is valid, seconds. */
  expire: number;
  sig: string;
}

export type ReadUserSig = { ok: true; userSig: UserSig } | { ok: false; code: number };

/** Takes a UserSig apart without judging it: 70002 empty, 70005 truncated, 70003 anything else. */
export function readUserSig(text: string): ReadUserSig {
  if (text === '') return { ok: false, code: 70002 };
  if (!/^[A-Za-z0-9*_-]+$/.test(text)) return { ok: false, code: 70003 };
  const base64 = text.replaceAll('*', '+').replaceAll('-', '/').replaceAll('_', '=');
  let fields: unknown;
  try {
    const json = inflateSync(Buffer.from(base64, 'base64'), { maxOutputLength: 4_096 });
    fields = JSON.parse(json.toString('utf8'));
  } catch (error) {
    return { ok: false, code: isUnexpectedEnd(error) ? 70005 : 70003 };
  }
  const userSig = toUserSig(fields);
  return userSig ? { ok: true, userSig } : { ok: false, code: 70003 };
}

/** Whether `userSig` was made with this key. Takes the same time wherever they differ. */
export function isMadeWith(userSig: UserSig, secretKey: string): boolean {
  const signed =
    `TLS.identifier:${userSig.identifier}\n` +
    `TLS.sdkappid:${userSig.sdkAppId}\n` +
    `TLS.time:${userSig.time}\n` +
    `TLS.expire:${userSig.expire}\n`;
  const expected = createHmac('sha256', secretKey).update(signed).digest();
  const actual = Buffer.from(userSig.sig, 'base64');
  return actual.length === expected.length && timingSafeEqual(actual, expected);
}

function isUnexpectedEnd(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'Z_BUF_ERROR';
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
