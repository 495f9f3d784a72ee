import { createHmac } from 'node:crypto';
import { inflateSync } from 'node:zlib';
import type { CountingServerOptions } from './counting-server.js';

/** The ErrorCode for this signature, 0 where it is good; and what is wrong with a good one. */
export function checkSignature(
  text: string,
  options: Pick<CountingServerOptions, 'adminIdentifier' | 'sdkAppId' | 'secretKey'>,
): { code: number; problem?: string } {
  let fields: Record<string, unknown>;
  try {
    const base64 = text.replaceAll('*', '+').replaceAll('-', '/').replaceAll('_', '=');
    fields = JSON.parse(inflateSync(Buffer.from(base64, 'base64')).toString()) as typeof fields;
  } catch {
    return { code: 70003 };
  }
  const time = Number(fields['TLS.time']);
  const expire = Number(fields['TLS.expire']);
  const signed =
    `TLS.identifier:${options.adminIdentifier}\nTLS.sdkappid:${options.sdkAppId}\n` +
    `TLS.time:${time}\nTLS.expire:${expire}\n`;
  const expected = createHmac('sha256', options.secretKey).update(signed).digest('base64');
  if (fields['TLS.ver'] !== '2.0') return { code: 70003 };
  if (fields['TLS.identifier'] !== options.adminIdentifier) return { code: 70013 };
  if (fields['TLS.sdkappid'] !== options.sdkAppId) return { code: 70014 };
  if (fields['TLS.sig'] !== expected) return { code: 70009 };
  const age = Date.now() / 1000 - time;
  if (age < -60 || age > expire) return { code: 70001 };
  if (expire - age < 24 * 3600)
    return { code: 0, problem: `signature with ${expire - age} s left` };
  return { code: 0 };
}
