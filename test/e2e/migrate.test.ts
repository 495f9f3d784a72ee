/** Ledgers of another version than the program, and `room-reaper migrate`. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { latestMigration } from '../../src/ledger/schema.js';
import { createFreshDatabase, withPostgres } from '../support/servers.js';
import { folderWith, run, start } from './room-reaper.js';
import { lines, openStage, readDestructions, redisAndPostgres, roomIds } from './stage.js';

const newest = latestMigration();

/** As if a newer program had opened it. */
const makeNewer = (url: string) =>
  withPostgres(url, (client) =>
    client.query('insert into room_reaper.migrations (version) values (999)'),
  );

test('a ledger that is not made yet: what reads says what to do, migrate makes it', async () => {
  const { env } = await openStage();
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
  expect(readdirSync(cwd)).toEqual([]);
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
  const working = start(['worker'], options);
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
  const destroying = start(['destroy', '-', '--yes'], { ...options, stdin: lines(roomIds(100)) });
  await destroying.said(/worker started/);

  await makeNewer(stores.DATABASE_URL);

  const { code, stderr } = await destroying.ended;
  expect(code, stderr).toBe(2);
  expect(stderr).toMatch(
    /start the newer room-reaper in its place\. \d+ rooms still to do: run the same command again then\./,
  );
});
