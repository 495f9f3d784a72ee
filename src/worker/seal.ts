/**
 * What a worker writes into a job for a later one is sealed: whoever else can write the queue has
 * not the app's key, and so cannot make up an outcome or statistics.
 */
import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';

export interface Seal {
  seal(text: string): string;
  /** The text; undefined: not sealed, or with another key or for another app. */
  open(sealed: string): string | undefined;
}

/** The key of the seal tells nothing about the secret key that it is made from. */
export function createSeal({ secretKey, sdkAppId }: { secretKey: string; sdkAppId: number }): Seal {
  const purpose = `room-reaper: results in jobs of ${sdkAppId}`;
  const key = Buffer.from(hkdfSync('sha256', secretKey, '', purpose, 32));
  const codeOf = (text: string) => createHmac('sha256', key).update(text).digest('base64url');
  return {
    seal: (text) => `${codeOf(text)}.${text}`,
    open(sealed) {
      const [code = ''] = sealed.split('.', 1);
      const text = sealed.slice(code.length + 1);
      const [given, expected] = [Buffer.from(code), Buffer.from(codeOf(text))];
      return given.length === expected.length && timingSafeEqual(given, expected)
        ? text
        : undefined;
    },
  };
}
