/** Ledgers of another version than the program, and `room-reaper migrate`. */
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { latestMigration } from '../../src/ledger/schema.js';
import { createFreshDatabase, withPostgres } from '../support/servers.js';
import { folderWith, run, startInside } from './room-reaper.js';
import { lines, openStage, readDestructions, redisAndPostgres, roomIds } from './stage.js';

const newest = latestMigration();

/** As if a newer program had opened it. */
const makeNewer = (url: string) =>
  withPostgres(url, (client) =>
    client.query('insert into room_reaper.migrations (version) values (999)'),
  );

test('a ledger that is not made yet: what reads says what to do, migrate makes it', async () => {
  const { env, sdkAppId } = await openStage();
  const options = { env: { ...env, ...(await redisAndPostgres(createFreshDatabase)) } };

  const notMade =
    /the ledger at postgres:\S+ is not made yet: nothing was destroyed through it; run `room-reaper migrate`, or start a worker\n/;
  for (const args of [
    ['explain', 'a'],
    ['report', 'b'],
    ['audit'],
    ['replay', '--all', '--dry-run'],
  ]) {
    const ended = await run(args, options);
    expect(ended).toMatchObject({ code: 2, stdout: '' });
    expect(ended.stderr).toMatch(notMade);
  }
  // It shows the queue all the same.
  const status = await run(['status'], options);
  expect(status).toMatchObject({ code: 2, stdout: expect.stringMatching(notMade) as string });
  expect(status.stdout).toMatch(/^0 rooms waiting/m);
  const made = await run(['migrate', '--json'], options);
  expect(JSON.parse(made.stdout)).toEqual({
    ...{ ledger: { from: null, to: newest }, queue: null, adopted: false },
  });
  expect(await run(['migrate'], options)).toMatchObject({
    ...{ code: 0, stdout: `the ledger is at version ${newest} already\n`, stderr: '' },
  });
  expect(await run(['status'], options)).toMatchObject({ code: 0 });
  // Written down, once: the second changed nothing.
  const { rows } = await withPostgres(options.env.DATABASE_URL, (client) =>
    client.query('select sdk_app_id::int, what, way, counts, outcome from room_reaper.actions'),
  );
  expect(rows).toEqual([
    {
      ...{ sdk_app_id: sdkAppId, what: 'ledger.migrate', way: 'cli', outcome: 'done' },
      counts: { ledger: { from: null, to: newest }, queue: null },
    },
  ]);
});

/** All that look, or work on what was asked for before. */
const lookers = [
  ['explain', 'a'],
  ['report', 'b'],
  ['audit'],
  ['replay', '--all', '--yes'],
  ['replay', '--all', '--dry-run'],
  ['cancel', 'b'],
  ['prune', '--older-than', '90d', '--yes'],
];

test('in a directory where nothing is, looking makes nothing, and says where it looked', async () => {
  const { env } = await openStage();
  const cwd = folderWith();
  const ended = await run(['status'], { env, cwd });
  expect(ended.code, ended.stderr).toBe(0);
  expect(ended.stdout).toMatch(/^app \d+ at 127\.0\.0\.1:\d+\nthere is nothing here/);
  expect(ended.stdout).toContain(join(cwd, '.room-reaper'));
  for (const args of [...lookers, ['pause'], ['resume']]) {
    expect(await run(args, { env, cwd })).toMatchObject({
      ...{ code: 2, stdout: '' },
      stderr: expect.stringMatching(/there is nothing here.*ROOM_REAPER_DATA_DIR/) as string,
    });
  }
  await run(['doctor'], { env, cwd });
  await run(['destroy', '--room', 'a', '--dry-run'], { env, cwd });
  const many = { env, cwd, stdin: lines(roomIds(1_001)) };
  for (const verb of ['destroy', 'enqueue'])
    expect(await run([verb, '-', '--deadline', '9999-12-01T00:00:00Z'], many)).toMatchObject({
      ...{ code: 2, stdout: '' },
      stderr: expect.stringMatching(/1,001 rooms need consent/) as string,
    });
  expect(readdirSync(cwd)).toEqual([]);
  // Left by a process that was killed while it made one.
  mkdirSync(join(cwd, '.room-reaper', 'postgres.new'), { recursive: true });
  expect((await run(['status'], { env, cwd })).stdout).toMatch(/there is nothing here/);
  expect(readdirSync(join(cwd, '.room-reaper'))).toEqual(['postgres.new']);
});

test('where only the ledger is not made, the queue on a server is shown all the same', async () => {
  const { env } = await openStage();
  const { QUEUE_URL } = await redisAndPostgres(createFreshDatabase);
  const cwd = folderWith();
  const ended = await run(['status'], {
    env: { ...env, QUEUE_URL, DATABASE_URL: 'embedded' },
    cwd,
  });
  expect(ended).toMatchObject({
    code: 2,
    stdout: expect.stringMatching(/there is nothing here[^]*^0 rooms waiting/m) as string,
  });
  expect(readdirSync(cwd)).toEqual([]);
});

test('a mistyped app: what makes nothing leaves no key and no row, and says which apps there are', async () => {
  const { env, sdkAppId } = await openStage();
  // In one that was used before the tables of a queue may be there.
  const stores = await redisAndPostgres(createFreshDatabase);
  const onPostgres = { ...stores, QUEUE_URL: stores.DATABASE_URL };
  expect((await run(['cancel', '--all'], { env: { ...env, ...onPostgres } })).stderr).toMatch(
    /the queue at \S+ is not made yet: nothing waits there; run `room-reaper migrate`/,
  );
  for (const places of [stores, onPostgres]) {
    const put = await run(['enqueue', '--room', 'a'], { env: { ...env, ...places } });
    expect(put.code, put.stderr).toBe(0);
  }
  const redis = new Redis(stores.QUEUE_URL);
  const contents = async () => {
    const rows = await withPostgres(stores.DATABASE_URL, async (client) => {
      const tables = await client.query<{ name: string }>(
        `select schemaname || '.' || tablename as name from pg_tables
          where schemaname in ('room_reaper', 'bullmq') order by name`,
      );
      const counts: Record<string, unknown> = {};
      for (const { name } of tables.rows)
        counts[name] = (await client.query(`select count(*) from ${name}`)).rows;
      return counts;
    });
    return { rows, keys: (await redis.keys('*')).sort() };
  };
  const before = await contents();
  const own = { rooms: lines(roomIds(1_001)), deadline: ['--deadline', '9999-12-01T00:00:00Z'] };
  for (const places of [stores, onPostgres]) {
    const mistyped = { ...env, ...places, TENCENT_SDK_APP_ID: String(sdkAppId + 1) };
    for (const args of [['status'], ['doctor'], ...lookers, ['replay', '--room', 'a']])
      await run(args, { env: mistyped });
    const needQueue = [['pause'], ['resume'], ['cancel', 'b'], ['cancel', '--room', 'a']];
    for (const args of [...needQueue, ['cancel', '--all'], ['migrate', '--adopt-queue']]) {
      const ended = await run(args, { env: mistyped });
      expect(ended, args.join(' ')).toMatchObject({ code: 2, stdout: '' });
      expect(ended.stderr).toContain(
        `must be an app for which rooms were asked for here, got ${sdkAppId + 1}, which has no queue; the ledger knows app ${sdkAppId}\n`,
      );
    }
    // Nobody agrees to these.
    for (const verb of ['destroy', 'enqueue']) {
      const ended = await run([verb, '-', ...own.deadline], { env: mistyped, stdin: own.rooms });
      expect(ended).toMatchObject({ code: 2, stdout: '' });
      expect(ended.stderr).toMatch(/1,001 rooms need consent/);
    }
  }
  expect(await contents()).toEqual(before);
  redis.disconnect();
});

test('of an app that was never used, looking makes nothing on servers either', async () => {
  const { env } = await openStage();
  const stores = await redisAndPostgres(createFreshDatabase);
  const options = { env: { ...env, ...stores } };
  for (const args of [['status'], ...lookers.slice(0, 3), ['replay', '--all', '--dry-run']])
    await run(args, options);
  await run(['doctor'], options);
  const redis = new Redis(stores.QUEUE_URL);
  expect(await redis.keys('bull*')).toEqual([]);
  redis.disconnect();
  const made = await withPostgres(stores.DATABASE_URL, (client) =>
    client.query(`select nspname from pg_namespace where nspname in ('room_reaper', 'bullmq')`),
  );
  expect(made.rows).toEqual([]);
});

test('a worker whose ledger becomes newer finishes what is in flight, gives the rest back, and says what to do', async () => {
  const { env, server } = await openStage({ latencyMs: 1_500 });
  const stores = await redisAndPostgres(createFreshDatabase);
  const options = { env: { ...env, ...stores, RATE_LIMIT_PER_SECOND: '5' } };
  await run(['enqueue', '-', '--yes'], { ...options, stdin: lines(roomIds(100)) });
  const working = startInside(['worker'], options);
  await working.said(/worker started/);

  await makeNewer(stores.DATABASE_URL);

  const { code, stderr } = await working.ended;
  expect(code, stderr).toBe(2);
  expect(stderr).toMatch(/ending in order/);
  expect(stderr).toContain(
    `room-reaper: the ledger has schema version 999 now, this worker knows ${newest}; start the newer room-reaper in its place`,
  );
  const ended = [...(await readDestructions(stores.DATABASE_URL)).values()].filter(
    ({ outcome }) => outcome === 'destroyed',
  );
  expect(ended.length).toBe((await server.report()).requests.length);
  const states = await withPostgres(stores.DATABASE_URL, (client) =>
    client.query('select state from room_reaper.workers'),
  );
  expect(states.rows).toEqual([{ state: 'ended' }]);
});

test('a destroy whose ledger becomes newer ends likewise, with what is left', async () => {
  const { env } = await openStage({ latencyMs: 1_500 });
  const stores = await redisAndPostgres(createFreshDatabase);
  const options = { env: { ...env, ...stores, RATE_LIMIT_PER_SECOND: '5', LOG_LEVEL: 'info' } };
  const destroying = startInside(['destroy', '-', '--yes'], {
    ...options,
    stdin: lines(roomIds(100)),
  });
  await destroying.said(/worker started/);

  await makeNewer(stores.DATABASE_URL);

  const { code, stderr } = await destroying.ended;
  expect(code, stderr).toBe(2);
  expect(stderr).toMatch(
    /start the newer room-reaper in its place\. \d+ rooms still to do: run the same command again then\./,
  );
});
