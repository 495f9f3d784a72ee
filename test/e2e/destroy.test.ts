import { existsSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parse } from 'lossless-json';
import { expect, test } from 'vitest';
import type { ServerReport } from '../support/counting-server.js';
import { assertQuotaKept } from '../support/quota-kept.js';
import { epochNow } from '../support/stalls.js';
import { withRedis } from '../support/servers.js';
import { openTestQueue } from './queue.js';
import { afterThisTest, folderWith, run, startInside } from './room-reaper.js';
import {
  folderWithDatabase,
  lines,
  openStage,
  postgresOnly,
  readDestructions,
  redisAndPostgres,
  roomIds,
  totalsInLedger,
} from './stage.js';

/** Spaces count and colons are legal, also at the ends. */
const oddRooms = [
  ...roomIds(20, 'live room: number'),
  ...roomIds(20, 'a:b'),
  ...roomIds(17, ' leading'),
  'trailing ',
  ':',
  'x'.repeat(48),
];

const reportKeys = [
  'batchId',
  'requested',
  'unique',
  'duplicates',
  'invalid',
  'outcomes',
  'attempts',
  'seconds',
  'worstWindow',
  'warnings',
  'statistics',
  'statisticsFrom',
];
const outcomeKeys = [
  'destroyed',
  'destroyed_statistics_lost',
  'already_gone',
  'recreated',
  'rejected',
  'failed',
  'expired',
  'cancelled',
];

interface DestroyJson {
  batchId: string;
  requested: number;
  unique: number;
  duplicates: number;
  invalid: number;
  outcomes: Record<string, number>;
  attempts: number;
  seconds: number;
  worstWindow: number;
  statistics: Record<string, bigint>;
}

/** The one JSON object on stdout; totals come as bigints, since they may be beyond 2⁵³. */
function readJson(stdout: string): DestroyJson {
  expect(stdout.trimEnd().split('\n'), 'stdout is one line').toHaveLength(1);
  return parse(stdout, (key, value) => (key.startsWith('total') ? BigInt(value as never) : value), {
    parseNumber: (text) => (/^-?\d{16,}$/.test(text) ? BigInt(text) : Number(text)),
  }) as DestroyJson;
}

/** The sums over the rooms whose totals the server told. */
function sumsOf(report: ServerReport): Record<string, bigint> {
  const sums = {
    totalViewers: 0n,
    totalGiftsSent: 0n,
    totalGiftCoins: 0n,
    totalUniqueGiftSenders: 0n,
    totalLikesReceived: 0n,
  };
  for (const { toldTotals, roomId } of report.requests) {
    if (!toldTotals || roomId === undefined) continue;
    const totals = report.rooms[roomId]?.totals;
    sums.totalViewers += BigInt(totals?.TotalViewers ?? 0);
    sums.totalGiftsSent += BigInt(totals?.TotalGiftsSent ?? 0);
    sums.totalGiftCoins += BigInt(totals?.TotalGiftCoins ?? 0);
    sums.totalUniqueGiftSenders += BigInt(totals?.TotalUniqueGiftSenders ?? 0);
    sums.totalLikesReceived += BigInt(totals?.TotalLikesReceived ?? 0);
  }
  return sums;
}

test('destroy on the embedded default ends every room and reports the sums that the server told', async () => {
  const { server, env } = await openStage();
  const cwd = await folderWithDatabase({ 'rooms.txt': lines(oddRooms) });
  const perSecond = 40;

  const askedAtMs = epochNow();
  const ended = await run(['destroy', 'rooms.txt', '--format', 'lines', '--json'], {
    cwd,
    env: { ...env, RATE_LIMIT_PER_SECOND: String(perSecond) },
  });
  const endedAtMs = epochNow();

  expect(ended.stderr).not.toMatch(/error|at .*\.js:/i);
  expect(ended.code).toBe(0);
  const report = await server.report();
  const json = readJson(ended.stdout);
  expect(Object.keys(json)).toEqual(reportKeys);
  expect(Object.keys(json.outcomes)).toEqual(outcomeKeys);
  expect(json).toMatchObject({
    requested: 60,
    unique: 60,
    duplicates: 0,
    invalid: 0,
    outcomes: { destroyed: 60 },
    attempts: 60,
  });
  expect(json.batchId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f-]{21}$/);
  expect(Object.values(json.outcomes).reduce((sum, each) => sum + each)).toBe(60);
  expect(json.statistics).toEqual(sumsOf(report));
  // From the command to its report, and so longer than from the first arrival to the last.
  const [firstMs = NaN, lastMs = NaN] = [report.requests[0]?.atMs, report.requests.at(-1)?.atMs];
  expect(json.seconds * 1_000).toBeGreaterThan(lastMs - firstMs);
  expect(json.seconds * 1_000).toBeLessThan(endedAtMs - askedAtMs);
  // The fullest of the seconds is as full as they are on average.
  expect(json.worstWindow).toBeGreaterThanOrEqual(60 / Math.ceil(json.seconds));
  expect(json.worstWindow).toBeLessThanOrEqual(perSecond);

  expect(report.problems).toEqual([]);
  expect(Object.keys(report.rooms).sort()).toEqual([...oddRooms].sort());
  expect(report.requests).toHaveLength(60);
  assertQuotaKept(report, perSecond);
  expect(report.differentRandoms).toBe(60);
});

test('every statistic in the ledger is the one that the server told for that room', async () => {
  const { server, env } = await openStage();
  const stores = await postgresOnly();
  const cwd = folderWith({ 'rooms.txt': lines(oddRooms) });

  const ended = await run(
    ['destroy', 'rooms.txt', '--format', 'lines', '--batch', 'odd rooms', '--json'],
    {
      cwd,
      env: { ...env, ...stores },
    },
  );

  expect(ended.stderr).toBe('');
  expect(ended.code).toBe(0);
  const report = await server.report();
  const rows = await readDestructions(stores.DATABASE_URL);
  const json = readJson(ended.stdout);
  expect([...rows.keys()].sort()).toEqual([...oddRooms].sort());
  for (const request of report.requests) {
    const room = report.rooms[request.roomId ?? ''];
    expect(rows.get(request.roomId ?? '')).toMatchObject({
      ...(room && totalsInLedger(room)),
      outcome: 'destroyed',
      statistics_source: 'response',
      attempts: 1,
      request_id: request.requestId,
      batch_id: json.batchId,
    });
  }
  // Some rooms have totals that no double holds.
  expect([...rows.values()].some((row) => BigInt(row.total_gift_coins ?? 0) > 2n ** 53n)).toBe(
    true,
  );
  expect(json.statistics).toEqual(sumsOf(report));
});

test('a room that the API refuses makes exit code 1, and the others are destroyed', async () => {
  const { env } = await openStage({ scripts: { 'not mine': [{ kind: 'code', code: 100006 }] } });
  const stores = await redisAndPostgres();

  const ended = await run(['destroy', '--room', 'mine', '--room', 'not mine'], {
    env: { ...env, ...stores },
  });

  expect(ended.code).toBe(1);
  expect(ended.stdout).toMatch(/2 rooms in/);
  expect(ended.stdout).toMatch(
    /Not gone\n\s+rejected 100006: said code 100006 \(1 room, such as not mine\)/,
  );
});

test('--dry-run sends nothing, needs no credentials and opens no stores', async () => {
  const cwd = folderWith({ 'rooms.txt': lines([...roomIds(1_960), 'room-0001', 'bad\troom']) });

  const text = await run(['destroy', 'rooms.txt', '--dry-run'], { cwd });
  const json = await run(['destroy', 'rooms.txt', '--dry-run', '--json'], { cwd });

  // As the run would, because of the bad line.
  expect(text).toMatchObject({
    code: 2,
    stdout: expect.stringMatching(
      /^1,960 rooms valid, 1 duplicate, 1 bad: 10 s, done \d\d:/,
    ) as string,
  });
  expect(json.code).toBe(2);
  expect(JSON.parse(json.stdout)).toEqual({
    dryRun: true,
    requested: 1_962,
    unique: 1_960,
    duplicates: 1,
    invalid: 1,
    seconds: 10,
    doneAt: expect.stringMatching(/^\d{4}-.*Z$/) as string,
  });
  expect(existsSync(join(cwd, '.room-reaper'))).toBe(false);
});

test('--dry-run with everything configured sends nothing', async () => {
  const { server, env } = await openStage();

  const ended = await run(['destroy', '--room', 'a', '--dry-run'], { env });

  expect(ended.code).toBe(0);
  expect((await server.report()).requests).toEqual([]);
});

test('--simulate needs no credentials and touches neither queue, ledger nor endpoint', async () => {
  let connections = 0;
  const listener = createServer((socket) => {
    connections += 1;
    socket.destroy();
  });
  const port = await new Promise<number>((resolve) => {
    listener.listen(0, '127.0.0.1', () => resolve((listener.address() as { port: number }).port));
  });
  afterThisTest(() => new Promise((resolve) => listener.close(() => resolve())));

  const ended = await run(['destroy', '--room', 'a', '--room', 'b', '--simulate', '--json'], {
    env: {
      QUEUE_URL: `redis://127.0.0.1:${port}`,
      DATABASE_URL: `postgres://user@127.0.0.1:${port}/ledger`,
      TENCENT_ENDPOINT: `http://127.0.0.1:${port}`,
    },
  });

  expect(ended.stderr).toMatch(/simulated: .* nothing reaches Tencent/);
  expect(ended.code).toBe(0);
  expect(readJson(ended.stdout).outcomes['destroyed']).toBe(2);
  expect(connections).toBe(0);
});

test('with --yes more than 1,000 rooms are not asked about', async () => {
  const { server, env } = await openStage();
  const stores = await redisAndPostgres();

  const running = startInside(['destroy', '-', '--yes', '--json'], {
    env: { ...env, ...stores, RATE_LIMIT_PER_SECOND: '5' },
    stdin: lines(roomIds(1_001)),
  });
  await server.reached(1);
  running.kill('SIGINT');

  const ended = await running.ended;
  expect(ended.code, ended.stderr).toBe(130);
  expect(readJson(ended.stdout)).toMatchObject({ requested: 1_001, unique: 1_001 });
});

test('a list is read from stdin, as CSV and as NDJSON, with and without its format told', async () => {
  const { server, env } = await openStage();
  const stores = await redisAndPostgres();
  const options = { env: { ...env, ...stores } };
  const cwd = folderWith({
    'rooms.csv': 'host,room_id\r\nAnn,"csv, quoted"\r\nBob,csv-2\r\n\r\n',
    'rooms.ndjson': '{"roomId":"nd json"}\n\n{"roomId":"nd:2","host":1}\n',
  });

  const runs = await Promise.all([
    run(['destroy', '-', '--json'], { ...options, stdin: 'stdin 1\r\n\r\nstdin 2' }),
    run(['destroy', 'rooms.csv', '--json'], { ...options, cwd }),
    run(['destroy', 'rooms.ndjson', '--json'], { ...options, cwd }),
    run(['destroy', '-', '--format', 'csv', '--json'], {
      ...options,
      stdin: 'RoomId\nfrom a pipe\nsecond\n',
    }),
  ]);

  expect(runs.map(({ code }) => code)).toEqual([0, 0, 0, 0]);
  for (const { stdout } of runs) {
    expect(readJson(stdout)).toMatchObject({ unique: 2, outcomes: { destroyed: 2 } });
  }
  expect(Object.keys((await server.report()).rooms).sort()).toEqual(
    [
      'stdin 1',
      'stdin 2',
      'csv, quoted',
      'csv-2',
      'nd json',
      'nd:2',
      'from a pipe',
      'second',
    ].sort(),
  );
});

test('a room that is named twice is asked for once', async () => {
  const { server, env } = await openStage();
  const stores = await redisAndPostgres();

  const ended = await run(['destroy', '-', '--room', 'b', '--json'], {
    env: { ...env, ...stores },
    stdin: 'a\nb\na\na a\n',
  });

  expect(ended.code).toBe(0);
  expect(readJson(ended.stdout)).toMatchObject({
    requested: 5,
    unique: 3,
    duplicates: 2,
    attempts: 3,
  });
  expect((await server.report()).requests.map(({ roomId }) => roomId).sort()).toEqual([
    'a',
    'a a',
    'b',
  ]);
});

test('a list of which no room exists, nor is known to have existed, is asked about', async () => {
  const wrong = roomIds(11, 'wrong');
  const { env } = await openStage({
    scripts: Object.fromEntries(
      wrong.map((room) => [room, [{ kind: 'unknown' }, { kind: 'unknown' }]]),
    ),
  });
  const options = { env: { ...env, ...(await redisAndPostgres()) } };
  const destroy = (rooms: string[], ...flags: string[]) =>
    run(['destroy', '-', ...flags], { ...options, stdin: lines(rooms) });
  const question =
    'none of these 11 rooms exists: is it the right list, and the right app? (such as "wrong-0000", "wrong-0001", "wrong-0002")';

  const text = await destroy(wrong);
  expect(text.code).toBe(0);
  expect(text.stdout.split('\n')[0]).toBe(question);
  const json = await destroy(wrong, '--json');
  expect(json.code).toBe(0);
  expect(readJson(json.stdout)).toMatchObject({ warnings: ['all_already_gone'] });
  expect(json.stderr).toContain(question);
  const { batchId } = readJson(json.stdout);
  expect((await run(['report', batchId, '--summary'], options)).stderr).toContain(question);

  // Few may have ended by themselves, and what was destroyed before was there.
  const few = await destroy(wrong.slice(1), '--json');
  expect(readJson(few.stdout)).toMatchObject({ unique: 10, warnings: [] });
  const right = [...roomIds(11, 'right')];
  expect(readJson((await destroy(right, '--json')).stdout)).toMatchObject({ warnings: [] });
  expect(readJson((await destroy(right, '--json')).stdout)).toMatchObject({
    outcomes: { already_gone: 11 },
    warnings: [],
  });
});

test('--skip-invalid leaves bad lines out, and says so', async () => {
  const { server, env } = await openStage();
  const stores = await redisAndPostgres();

  const ended = await run(['destroy', '-', '--skip-invalid', '--json'], {
    env: { ...env, ...stores },
    stdin: 'good\nb\u0001d\nfine\n',
  });

  expect(ended.code).toBe(0);
  expect(ended.stderr).toMatch(/line 2\b/);
  expect(readJson(ended.stdout)).toMatchObject({ requested: 3, unique: 2, invalid: 1 });
  expect(Object.keys((await server.report()).rooms).sort()).toEqual(['fine', 'good']);
});

test('a variable of .env counts, and the environment goes over it', async () => {
  const { server, env } = await openStage();
  const stores = await redisAndPostgres();
  const variables = { ...env, ...stores, TENCENT_ADMIN_IDENTIFIER: 'somebody' };
  const cwd = folderWith();
  writeFileSync(
    join(cwd, '.env'),
    lines(Object.entries(variables).map(([name, value]) => `${name}=${value}`)),
  );

  const ended = await run(['destroy', '--room', 'a'], {
    cwd,
    env: { TENCENT_ADMIN_IDENTIFIER: 'administrator' },
  });

  expect(ended.code).toBe(0);
  expect((await server.report()).problems).toEqual([]);
});

test.each([
  ['removed with the button of a dashboard', 'remove'],
  ['evicted', 'evict'],
])('a room that was %s while it waited is not waited for without end', async (_how, loss) => {
  const { server, env, sdkAppId } = await openStage();
  const stores = await redisAndPostgres();
  const queue = await openTestQueue(sdkAppId, stores.QUEUE_URL);
  await queue.pause();
  const running = startInside(['destroy', '--room', 'a', '--room', 'b', '--room', 'c', '--json'], {
    env: { ...env, ...stores },
  });
  while ((await queue.getPrioritizedCount()) < 3) await sleep(50);
  const [job] = await queue.getPrioritized(1, 1);
  if (loss === 'remove') await job?.remove();
  else await withRedis(stores.QUEUE_URL, (redis) => redis.del(queue.toKey(job?.id ?? '')));
  await queue.resume();

  const ended = await running.ended;

  expect(ended.code, ended.stderr).toBe(0);
  expect(ended.stderr).toMatch(/1 room had disappeared from the queue/);
  expect(readJson(ended.stdout).outcomes['destroyed']).toBe(3);
  expect((await server.report()).requests).toHaveLength(3);
});
