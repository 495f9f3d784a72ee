import { createHash } from 'node:crypto';

/** What signs the requests of one app. */
export interface Credentials {
  sdkAppId: number;
  /** Never shown, logged or stored. */
  secretKey: string;
  /** An app admin account. */
  adminIdentifier: string;
}

/** Tells whether two workers have the same key, and nothing of the key. */
export function fingerprintOf({ sdkAppId, secretKey }: Credentials): string {
  return createHash('sha256')
    .update(`room-reaper ${sdkAppId} ${secretKey}`)
    .digest('hex')
    .slice(0, 8);
}
