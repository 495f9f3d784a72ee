/** The stores go away under a worker that has rooms in hand. */
import { Queue } from 'bullmq';
import { beforeAll, expect, test } from 'vitest';
import { queueName } from '../../src/queue/job.js';
import { afterThisTest, run, start, type Ended, type Process } from '../e2e/room-reaper.js';
import { lines, openStage, readDestructions, roomIds, totalsInLedger } from '../e2e/stage.js';
import {
  createDatabase,
  freshRedis,
  startPostgresServer,
  startRedisServer,
} from '../support/servers.js';
import { startHangingProxy } from './hanging-proxy.js';
import { sideBySide, until } from './scene.js';

/** Servers of the test's own, which it may kill; gone after it. */
async function ownRedis() {
  // With everysec it puts writing off while its disk is busy, and a kill takes that along.
  const settings = { appendfsync: 'always' };
  const [redis, database] = [await startRedisServer({ settings }), await createDatabase()];
  afterThisTest(async () => {
    await redis.stop();
    await database.drop();
  });
  return { redis, stores: { QUEUE_URL: redis.url, DATABASE_URL: database.url } };
}

async function ownPostgres() {
  const [postgres, redis] = [await startPostgresServer(), await freshRedis()];
  afterThisTest(async () => {
    await postgres.stop();
    await redis.drop();
  });
  return { postgres, stores: { QUEUE_URL: redis.url, DATABASE_URL: postgres.url } };
}

/** How many jobs hold a result that the ledger does not have. */
async function keptResults(queueUrl: string, sdkAppId: number): Promise<number> {
  const queue = new Queue<{ u?: string }>(queueName(sdkAppId), { connection: { url: queueUrl } });
  try {
    return (await queue.getActive()).filter((job) => job.data.u !== undefined).length;
  } finally {
    await queue.close();
  }
}

async function statisticsOutlive(signal: NodeJS.Signals): Promise<void> {
  // Long enough for Postgres to be gone before the answers come.
  const { server, env, sdkAppId } = await openStage({ latencyMs: 3_000 });
  const { postgres, stores } = await ownPostgres();
  const options = { env: { ...env, ...stores } };
  const rooms = roomIds(8);
  const first = start(['worker'], options);
  await run(['enqueue', '-'], { ...options, stdin: lines(rooms) });
  await server.reached(rooms.length);
  await postgres.kill('SIGKILL');
  // The answers come when nobody can save them; then the worker goes.
  await first.said(/ledger unreachable/);
  if (signal === 'SIGKILL') {
    await until('every result is in its job', 10_000, async () => {
      const kept = await keptResults(stores.QUEUE_URL, sdkAppId);
      return kept === rooms.length ? undefined : `${kept} are`;
    });
  }
  first.kill(signal);
  const ended = await first.ended;
  expect(ended.signal ?? ended.code, ended.stderr).toBe(signal === 'SIGKILL' ? signal : 0);

  await postgres.restart();
  const second = start(['worker'], options);
  await until('every room is destroyed', 40_000, async () => {
    const rows = [...(await readDestructions(postgres.url)).values()];
    const destroyed = rows.filter((row) => row.outcome === 'destroyed').length;
    return destroyed === rooms.length ? undefined : `${destroyed} are`;
  });
  second.kill('SIGTERM');
  expect((await second.ended).code).toBe(0);

  const report = await server.report();
  const ledger = await readDestructions(postgres.url);
  for (const room of rooms) {
    expect(report.rooms[room]?.requests).toBe(1);
    const truth = report.rooms[room];
    expect(ledger.get(room)).toMatchObject(truth ? totalsInLedger(truth) : {});
  }
}

/** Ends in order, within the deadline. */
async function toldToStop(worker: Process): Promise<Ended> {
  const toldAt = performance.now();
  worker.kill('SIGTERM');
  const ended = await worker.ended;
  expect(ended.code, ended.stderr).toBe(0);
  expect(performance.now() - toldAt).toBeLessThan(15_000);
  return ended;
}

async function stopsWithoutRedis(): Promise<void> {
  const { server, env } = await openStage({ latencyMs: 1_000 });
  const { redis, stores } = await ownRedis();
  const options = { env: { ...env, ...stores } };
  const worker = start(['worker'], options);
  await run(['enqueue', '-'], { ...options, stdin: lines(roomIds(3)) });
  await server.reached(3);
  await redis.kill('SIGKILL');
  await toldToStop(worker);
  // What was answered is saved all the same.
  const outcomes = [...(await readDestructions(stores.DATABASE_URL)).values()].map(
    (row) => row.outcome,
  );
  expect(outcomes).toEqual(['destroyed', 'destroyed', 'destroyed']);
}

async function stopsWithoutBoth(): Promise<void> {
  const { server, env } = await openStage({ latencyMs: 2_000 });
  const { redis, stores } = await ownRedis();
  const url = new URL(stores.DATABASE_URL);
  const proxy = await startHangingProxy(Number(url.port));
  afterThisTest(() => proxy.close());
  url.hostname = '127.0.0.1';
  url.port = String(proxy.port);
  const options = { env: { ...env, ...stores, DATABASE_URL: url.href } };
  const rooms = roomIds(3);
  await run(['enqueue', '-'], { ...options, stdin: lines(rooms) });
  const worker = start(['worker'], options);
  await server.reached(rooms.length);
  proxy.hang();
  await redis.kill('SIGKILL');
  const { stderr } = await toldToStop(worker);

  const logged = stderr
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as { msg: string; result?: string });
  const results = logged
    .filter(({ msg }) => msg === 'result not saved to the ledger; it goes into the job')
    .map(({ result = '' }) => JSON.parse(result) as { end: { statistics: object } });
  const kept = results.map(({ end }) => Object.values(end.statistics).map(String));
  const told = Object.values((await server.report()).rooms).map((room) =>
    Object.values(totalsInLedger(room)).map(String),
  );
  expect(kept.sort()).toEqual(told.sort());
  expect(kept).toHaveLength(rooms.length);
}

const scenarios = {
  'that is told to stop': () => statisticsOutlive('SIGTERM'),
  'that is killed': () => statisticsOutlive('SIGKILL'),
  'without Redis': stopsWithoutRedis,
  'without both': stopsWithoutBoth,
} as const;

type Name = keyof typeof scenarios;
let over: (name: Name) => unknown;

beforeAll(async () => {
  over = await sideBySide<Name, unknown>(scenarios);
}, 180_000);

test.each<Name>(['that is told to stop', 'that is killed'])(
  'statistics that arrive while Postgres is down outlive a worker %s, and no room is asked twice',
  (how) => {
    over(how);
  },
);

test('a worker that is told to stop while Redis is down exits within the deadline', () => {
  over('without Redis');
});

test('a worker that is told to stop while Redis is down and Postgres says nothing exits within the deadline, and its log holds the statistics', () => {
  over('without both');
});

test('destroy that is interrupted while Postgres is down says how to go on', async () => {
  const { server, env } = await openStage();
  const { postgres, stores } = await ownPostgres();
  const options = { env: { ...env, ...stores } };
  const destroying = start(['destroy', '-'], { ...options, stdin: lines(roomIds(900)) });
  await server.reached(20);
  await postgres.kill('SIGKILL');
  await destroying.said(/ledger unreachable/);
  destroying.kill('SIGINT');
  const ended = await destroying.ended;
  expect(ended.code, ended.stderr).toBe(130);
  expect(ended.stderr).toMatch(/the ledger cannot be reached: room-reaper report [0-9a-f-]{36} /);
  expect(ended.stderr).toContain('run the same command again to go on');
});

test('a list is put on the queue although Redis goes away meanwhile: it says so, and goes on', async () => {
  const { env, sdkAppId } = await openStage();
  const { redis, stores } = await ownRedis();
  const queue = new Queue(queueName(sdkAppId), { connection: { url: redis.url } });
  queue.on('error', () => undefined);
  afterThisTest(() => queue.disconnect());
  const options = { env: { ...env, ...stores } };
  const rooms = roomIds(100_000);
  const enqueuing = start(['enqueue', '-', '--yes'], { ...options, stdin: lines(rooms) });
  await expect.poll(() => queue.count(), { timeout: 20_000, interval: 5 }).toBeGreaterThan(0);
  await redis.kill('SIGKILL');
  await enqueuing.said(/Redis went away \([A-Z]+\); this goes on when it is back/);
  await redis.restart();
  const ended = await enqueuing.ended;
  expect(ended.code, ended.stderr).toBe(0);
  expect(await queue.count()).toBe(rooms.length);
});
