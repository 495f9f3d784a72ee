/** A Redis that is nearly full: adding stops before it is. */
import { beforeAll, afterAll, expect, test } from 'vitest';
import { folderWith, run } from './room-reaper.js';
import { lines, openStage, roomIds } from './stage.js';
import { createDatabase, startRedisServer, withRedis, type OwnServer } from '../support/servers.js';

let redis: OwnServer;
let database: { url: string; drop: () => Promise<void> };

beforeAll(async () => {
  [redis, database] = await Promise.all([
    startRedisServer({ settings: { maxmemory: '9500kb' } }),
    createDatabase(),
  ]);
});
afterAll(() => Promise.all([redis.stop(), database.drop()]));

async function listOf(rooms: number) {
  const { env } = await openStage();
  return {
    cwd: folderWith({ 'rooms.txt': lines(roomIds(rooms)) }),
    env: { ...env, QUEUE_URL: redis.url, DATABASE_URL: database.url },
  };
}

interface Status {
  queue: { waiting: number };
  batches: { total: number }[];
}

test('a list that cannot fit is refused before its first room', async () => {
  const options = await listOf(40_000);
  const ended = await run(['enqueue', 'rooms.txt', '--yes'], options);
  expect(ended.code).toBe(2);
  expect(ended.stderr).toMatch(
    /Redis must have space for 40,000 more rooms below its maxmemory of 9 MB, got space for about 1\d,\d{3}; nothing was added\./,
  );
  const status = JSON.parse((await run(['status', '--json'], options)).stdout) as Status;
  expect(status).toMatchObject({ queue: { waiting: 0 }, batches: [] });
});

test('where it fills while rooms are added, adding stops, and the same command adds the rest later', async () => {
  const options = await listOf(12_000);
  const stopped = await run(['enqueue', 'rooms.txt', '--yes'], options);
  expect(stopped.code).toBe(2);
  expect(stopped.stderr).toMatch(
    /; 1\d,\d{3} rooms are on the queue or done\. .*the same command again/,
  );
  const between = JSON.parse((await run(['status', '--json'], options)).stdout) as Status;
  expect(between.queue.waiting).toBeGreaterThanOrEqual(10_000);
  expect(between.queue.waiting).toBeLessThan(12_000);

  await withRedis(redis.url, (client) => client.config('SET', 'maxmemory', '0'));
  const again = await run(['enqueue', 'rooms.txt', '--yes'], options);
  expect(again.code, again.stderr).toBe(0);
  const after = JSON.parse((await run(['status', '--json'], options)).stdout) as Status;
  expect(after).toMatchObject({ queue: { waiting: 12_000 }, batches: [{ total: 12_000 }] });
});
