/** What a run is told before it begins: --dry-run and --deadline. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { folderWith, run } from './room-reaper.js';
import { lines, openStage, redisAndPostgres, roomIds } from './stage.js';
import { createFreshDatabase, withPostgres, withRedis } from '../support/servers.js';

/** A time so many seconds from now, as a flag takes it. */
const inSeconds = (seconds: number) => new Date(Date.now() + seconds * 1000).toISOString();

test('a dry run counts what waits ahead on a queue that can be reached, and changes nothing', async () => {
  const { env } = await openStage();
  const options = {
    cwd: folderWith({ 'first.txt': lines(roomIds(392)), 'rooms.txt': lines(roomIds(196, 'more')) }),
    env: { ...env, ...(await redisAndPostgres()) },
  };
  await run(['enqueue', 'first.txt'], options);
  const keys = () => withRedis(options.env.QUEUE_URL, (redis) => redis.dbsize());
  const before = await keys();

  const list = await run(['destroy', 'rooms.txt', '--dry-run', '--json'], options);
  const single = await run(['enqueue', '--room', 'a', '--dry-run'], options);

  expect(list.code, list.stderr).toBe(0);
  // 250 of the first list go before it and 142 beside it, in the same turn.
  expect(JSON.parse(list.stdout)).toMatchObject({
    dryRun: true,
    unique: 196,
    waitingAhead: 392,
    seconds: 3,
  });
  expect(single.stdout).toMatch(
    /^1 room valid, .*: 0 s, done \d\d:\d\d:\d\d UTC\S* if begun now\n$/,
  );
  expect(await keys()).toBe(before);
});

test('what is done before rooms are destroyed is said, and goes into their jobs', async () => {
  const { env, sdkAppId } = await openStage();
  const options = {
    cwd: folderWith({ 'rooms.txt': lines(roomIds(392)) }),
    env: { ...env, ...(await redisAndPostgres()) },
  };
  const flags = ['--only-created-before', '2026-01-02T03:04:05Z', '--snapshot'];
  const dry = await run(['destroy', 'rooms.txt', '--dry-run', '--json', ...flags], options);
  const enqueued = await run(['enqueue', 'rooms.txt', ...flags], options);
  const words =
    /^rooms created after 2026-01-02 11:04:05 UTC\+8 are left alone\nstatistics are read before each room is destroyed\n/;
  expect([dry.stderr, enqueued.stderr]).toEqual([
    expect.stringMatching(words),
    expect.stringMatching(words),
  ]);
  expect(JSON.parse(dry.stdout)).toMatchObject({
    ...{ onlyCreatedBefore: '2026-01-02T03:04:05.000Z', snapshot: true },
    // Of 100 snapshots a second, less the allowance for the way; without them it takes 2 s.
    seconds: 4,
  });
  const [status, ended] = await Promise.all([
    run(['status'], options),
    run(['destroy', '--room', 'a', '--only-created-before', '2999-01-01T00:00:00Z'], options),
  ]);
  expect(status.stdout).toMatch(/ {2}rooms created after 2026-01-02 .* are left alone\n {2}stat/);
  expect(ended).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(
      /--only-created-before must be over when the rooms are due/,
    ) as string,
  });
  const data = await withRedis(options.env.QUEUE_URL, async (redis) => {
    const [id = ''] = await redis.zrange(`bull:room-reaper-${sdkAppId}:prioritized`, '0', '0');
    return redis.hget(`bull:room-reaper-${sdkAppId}:${id}`, 'data');
  });
  expect(JSON.parse(data ?? '')).toMatchObject({ g: Date.UTC(2026, 0, 2, 3, 4, 5), s: 1 });
});

test('a dry run makes no tables where the ledger has none', async () => {
  const { env } = await openStage();
  const stores = await redisAndPostgres(createFreshDatabase);
  const ended = await run(['destroy', '--room', 'a', '--dry-run'], { env: { ...env, ...stores } });
  expect(ended.code, ended.stderr).toBe(0);
  const { rows } = await withPostgres(stores.DATABASE_URL, (client) =>
    client.query("select 1 from pg_namespace where nspname in ('room_reaper', 'bullmq')"),
  );
  expect(rows).toEqual([]);
});

test('a dry run says that what waits is not counted where the queue does not answer', async () => {
  const { env } = await openStage();
  const ended = await run(['destroy', '--room', 'a', '--dry-run'], {
    env: { ...env, QUEUE_URL: 'redis://127.0.0.1:1' },
  });
  expect(ended.code).toBe(0);
  expect(ended.stderr).toMatch(
    /^app \d+ at 127\.0\.0\.1:\d+\nwhat waits ahead is not counted: Redis at redis:\/\/127\.0\.0\.1:1 cannot be used/,
  );
  expect(ended.stdout).toMatch(/if begun now and nothing else waits\n$/);
});

test('a dry run with a deadline says whether it holds, and exits 1 where it does not', async () => {
  const cwd = folderWith({ 'rooms.txt': lines(roomIds(19_600)) });
  const dry = (deadline: string, ...more: string[]) =>
    run(['destroy', 'rooms.txt', '--dry-run', '--deadline', deadline, ...more], { cwd });

  const kept = await dry(inSeconds(3_600));
  const missed = await dry(inSeconds(90), '--json');

  expect(kept.code).toBe(0);
  expect(kept.stdout).toMatch(/; 5\d min \d\d s before the deadline\n$/);
  expect(missed.code).toBe(1);
  expect(JSON.parse(missed.stdout)).toMatchObject({ seconds: 100, deadline: { missed: true } });
});

test('a run whose deadline cannot be kept begins only with --yes', async () => {
  const { server, env } = await openStage();
  const stores = await redisAndPostgres();
  const options = {
    cwd: folderWith({ 'rooms.txt': lines(roomIds(3_000)) }),
    env: { ...env, ...stores },
  };

  const refused = await run(['destroy', 'rooms.txt', '--deadline', inSeconds(12)], options);
  expect(refused.code).toBe(2);
  expect(refused.stderr).toMatch(/the deadline is missed by .*; nothing was sent\. Add --yes/);
  expect((await server.report()).requests).toEqual([]);
  expect(existsSync(join(options.cwd, '.room-reaper'))).toBe(false);

  const taken = await run(['enqueue', 'rooms.txt', '--deadline', inSeconds(12), '--yes'], options);
  expect(taken.code, taken.stderr).toBe(0);
  expect(taken.stderr).toMatch(/the deadline is missed by/);
  expect(taken.stdout).toMatch(/^3,000 rooms on the queue/);
});
