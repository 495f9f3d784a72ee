/** What an end-to-end test plays on: an app, a counting server that knows it, stores, a ledger to read. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type net from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { openEmbedded } from '../../src/embedded/open-embedded.js';
import {
  type CountingServer,
  type CountingServerOptions,
  type ServerReport,
  startCountingServer,
} from '../support/counting-server.js';
import { makeDataDirectory } from '../support/data-directory.js';
import { createDatabase, freshRedis, freshSdkAppId, withPostgres } from '../support/servers.js';
import { afterThisTest, folderWith } from './room-reaper.js';

export interface Stage {
  sdkAppId: number;
  secretKey: string;
  server: CountingServer;
  /** The variables of an app whose API is the counting server. */
  env: Record<string, string>;
}

export async function openStage(
  options: Omit<Partial<CountingServerOptions>, 'sdkAppId' | 'secretKey' | 'adminIdentifier'> = {},
): Promise<Stage> {
  const sdkAppId = freshSdkAppId();
  const secretKey = randomBytes(32).toString('hex');
  const server = await startCountingServer({
    sdkAppId,
    secretKey,
    adminIdentifier: 'administrator',
    ...options,
  });
  afterThisTest(() => server.close());
  return {
    sdkAppId,
    secretKey,
    server,
    env: {
      TENCENT_SDK_APP_ID: String(sdkAppId),
      TENCENT_SECRET_KEY: secretKey,
      TENCENT_ENDPOINT: server.url,
    },
  };
}

export interface StoreVariables extends Record<string, string> {
  QUEUE_URL: string;
  DATABASE_URL: string;
}

/**
 * A queue in a Redis and a ledger in a Postgres that nobody else uses.
 *
 * @param create - `createFreshDatabase` where no schema must have been made yet.
 */
export async function redisAndPostgres(create = createDatabase): Promise<StoreVariables> {
  const [redis, database] = await Promise.all([freshRedis(), create()]);
  afterThisTest(async () => {
    await Promise.all([redis.drop(), database.drop()]);
  });
  return { QUEUE_URL: redis.url, DATABASE_URL: database.url };
}

/** Listens on loopback until the test's end. @returns its port. */
export async function listen(server: net.Server): Promise<number> {
  const sockets = new Set<net.Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  afterThisTest(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as AddressInfo).port;
}

/** Queue and ledger in one Postgres database that nobody else uses. */
export async function postgresOnly(): Promise<StoreVariables> {
  const database = await createDatabase();
  afterThisTest(() => database.drop());
  return { QUEUE_URL: database.url, DATABASE_URL: database.url };
}

/** A folder whose embedded default is made already: for the tests that are not about making it. */
export async function folderWithDatabase(files: Record<string, string> = {}): Promise<string> {
  const folder = folderWith(files);
  await makeDataDirectory(join(folder, '.room-reaper'));
  return folder;
}

/** Keeps the embedded database of such a folder open until the test's end: each run joins it, and need not open it. */
export async function keepOpen(folder: string): Promise<void> {
  const embedded = await openEmbedded(join(folder, '.room-reaper'));
  afterThisTest(() => embedded.close());
}

/** The columns that are a contract. */
export interface DestructionRow {
  id: string;
  room_id: string;
  batch_id: string | null;
  requested_at: Date;
  outcome: string | null;
  error_code: number | null;
  error_info: string | null;
  request_id: string | null;
  attempts: number | null;
  finished_at: Date | null;
  total_viewers: string | null;
  total_gifts_sent: string | null;
  total_gift_coins: string | null;
  total_unique_gift_senders: string | null;
  total_likes_received: string | null;
  statistics_source: string | null;
}

export interface AttemptRow {
  room_id: string;
  attempt: number;
  slot_at: Date;
  sent_at: Date | null;
  ended_at: Date | null;
  http_status: number | null;
  error_code: number | null;
  verdict: string | null;
  request_id: string | null;
}

export async function readDestructions(databaseUrl: string): Promise<Map<string, DestructionRow>> {
  const { rows } = await withPostgres(databaseUrl, (client) =>
    client.query<DestructionRow>('select * from room_reaper.destructions'),
  );
  return new Map(rows.map((row) => [row.room_id, row]));
}

/** In the order in which they were made, by room. */
export async function readAttempts(databaseUrl: string): Promise<Map<string, AttemptRow[]>> {
  const { rows } = await withPostgres(databaseUrl, (client) =>
    client.query<AttemptRow>(
      `select d.room_id, a.* from room_reaper.attempts a
         join room_reaper.destructions d on d.id = a.destruction_id order by a.attempt`,
    ),
  );
  const byRoom = new Map<string, AttemptRow[]>();
  for (const row of rows) byRoom.set(row.room_id, [...(byRoom.get(row.room_id) ?? []), row]);
  return byRoom;
}

/** What the server says the totals of a room are, as the ledger would hold them. */
export function totalsInLedger(room: ServerReport['rooms'][string]) {
  return {
    total_viewers: room.totals.TotalViewers,
    total_gifts_sent: room.totals.TotalGiftsSent,
    total_gift_coins: room.totals.TotalGiftCoins,
    total_unique_gift_senders: room.totals.TotalUniqueGiftSenders,
    total_likes_received: room.totals.TotalLikesReceived,
  };
}

/** `count` different RoomIds. */
export function roomIds(count: number, name = 'room'): string[] {
  return Array.from({ length: count }, (_, index) => `${name}-${String(index).padStart(4, '0')}`);
}

export function lines(rooms: readonly string[]): string {
  return rooms.map((room) => `${room}\n`).join('');
}
