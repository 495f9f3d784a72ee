/** An app, and a server that answers for the API: it has no quota of its own, and counts. */
import { randomBytes } from 'node:crypto';
import {
  startCountingServer,
  type CountingServer,
  type ServerReport,
} from '../../test/support/counting-server.js';

export interface App {
  sdkAppId: number;
  secretKey: string;
  server: CountingServer;
  /** Its variables. */
  env: Record<string, string>;
}

export async function openApp(latencyMs: number): Promise<App> {
  const sdkAppId = 1_400_000_000 + Math.floor(Math.random() * 100_000_000);
  const secretKey = randomBytes(32).toString('hex');
  const server = await startCountingServer({
    sdkAppId,
    secretKey,
    adminIdentifier: 'administrator',
    latencyMs,
  });
  return {
    sdkAppId,
    secretKey,
    server,
    env: {
      TENCENT_SDK_APP_ID: String(sdkAppId),
      TENCENT_SECRET_KEY: secretKey,
      TENCENT_ENDPOINT: server.url,
      LOG_LEVEL: 'info',
    },
  };
}

/** `count` different RoomIds. */
export function roomIds(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `room-${String(index).padStart(7, '0')}`);
}

/** @throws Error unless each room was destroyed with one request, and every request was in order. */
export function assertEachOnce(report: ServerReport, rooms: number): void {
  const destroyed = Object.values(report.rooms).filter((room) => room.destroyed).length;
  if (destroyed !== rooms) throw new Error(`${rooms} rooms must be destroyed, got ${destroyed}`);
  const requests = report.requests.length;
  if (requests !== rooms) throw new Error(`${rooms} requests must arrive, got ${requests}`);
  if (report.problems.length > 0) throw new Error(report.problems.slice(0, 3).join(', '));
}
