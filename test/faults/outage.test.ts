/** The API goes away under workers that have rooms in hand, and comes back. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Queue } from 'bullmq';
import { beforeAll, expect, test } from 'vitest';
import { queueName } from '../../src/queue/job.js';
import { run, start } from '../e2e/room-reaper.js';
import {
  lines,
  openStage,
  readDestructions,
  redisAndPostgres,
  roomIds,
  type StoreVariables,
} from '../e2e/stage.js';
import type { ScriptedAnswer, ServerRequest } from '../support/counting-server.js';
import { assertQuotaKept, sentSlots } from '../support/quota-kept.js';
import { sideBySide, until } from './scene.js';

/** How long the API is out, in milliseconds. */
const outageMs = Number(process.env['OUTAGE_SECONDS'] ?? 12) * 1000;

const between = (requests: ServerRequest[], fromMs: number, toMs: number) =>
  requests.filter(({ atMs }) => atMs >= fromMs && atMs < toMs).length;

async function jobsLeft(stores: StoreVariables, sdkAppId: number) {
  const queue = new Queue(queueName(sdkAppId), { connection: { url: stores.QUEUE_URL } });
  try {
    return await queue.getJobCounts('wait', 'prioritized', 'active', 'delayed', 'failed');
  } finally {
    await queue.close();
  }
}

const none = { wait: 0, prioritized: 0, active: 0, delayed: 0, failed: 0 };

async function outage(answer: ScriptedAnswer): Promise<void> {
  const { server, env, sdkAppId } = await openStage({ latencyMs: 50 });
  const stores = await redisAndPostgres();
  const options = { env: { ...env, ...stores, REQUEST_TIMEOUT_MS: '5000' } };
  const rooms = roomIds(1_500);
  await run(['enqueue', '-', '--yes'], { ...options, stdin: lines(rooms) });
  const workers = [start(['worker'], options), start(['worker'], options)];
  await server.reached(400);

  await server.setFaults({ seed: 1, shares: [{ answer, share: 1 }] });
  const outSince = Date.now();
  await workers[0]?.said(/the API does not work/);
  await sleep(outageMs / 2);
  const status = JSON.parse((await run(['status', '--json'], options)).stdout) as {
    lines: unknown[];
    queue: { delayed: number; failed: number };
  };
  await sleep(outageMs / 2);
  const backSince = Date.now();
  await server.setFaults(undefined);
  await server.reached(rooms.length);
  await until('no job is left', 60_000, async () => {
    const counts = await jobsLeft(stores, sdkAppId);
    return Object.values(counts).some((count) => count > 0) ? JSON.stringify(counts) : undefined;
  });
  for (const worker of workers) worker.kill('SIGTERM');
  for (const worker of workers) expect((await worker.ended).code).toBe(0);

  expect(status.lines).toMatchObject([
    { state: 'braked', outage: { reason: expect.any(String) as string } },
  ]);
  expect(status.queue).toMatchObject({ delayed: 0, failed: 0 });
  const report = await server.report();
  const { requests, startedAtMs } = report;
  const [outAt, backAt] = [outSince - startedAtMs, backSince - startedAtMs];
  assertQuotaKept(report, 200, await sentSlots(stores.DATABASE_URL));
  // Braked within five seconds: one probe every two seconds, over both workers.
  const braked = between(requests, outAt + 5_000, backAt);
  expect(braked).toBeLessThanOrEqual((backAt - outAt - 5_000) / 2_000 + 2);
  expect(braked).toBeGreaterThan(0);
  // At its full rate again within ten, as fast as before on the same busy machine.
  const before = between(requests, outAt - 2_000, outAt) / 2;
  const soonAfter = between(requests, backAt, backAt + 15_000);
  expect(soonAfter).toBeGreaterThan(Math.min(1_000, before * 0.5 * 5));
  const ledger = await readDestructions(stores.DATABASE_URL);
  const outcomes = new Set(rooms.map((room) => ledger.get(room)?.outcome));
  expect(outcomes).toEqual(new Set(['destroyed']));
}

type What = 'HTTP 502' | '100001' | 'no answer at all';
let over: (what: What) => unknown;

beforeAll(async () => {
  over = await sideBySide<What, unknown>({
    'HTTP 502': () => outage({ kind: 'status', status: 502 }),
    '100001': () => outage({ kind: 'code', code: 100001 }),
    'no answer at all': () => outage({ kind: 'hang' }),
  });
}, 180_000);

test.each<What>(['HTTP 502', '100001', 'no answer at all'])(
  'an outage (%s) brakes all workers to probes, spends nothing, and is over within 10 s',
  (what) => {
    over(what);
  },
);

test('a fifth of the answers failing brakes nothing', async () => {
  const { server, env, sdkAppId } = await openStage({ latencyMs: 50 });
  const stores = await redisAndPostgres();
  const options = { env: { ...env, ...stores } };
  const rooms = roomIds(1_000);
  await server.setFaults({
    seed: 1,
    shares: [{ answer: { kind: 'status', status: 502 }, share: 0.2 }],
  });
  await run(['enqueue', '-', '--yes'], { ...options, stdin: lines(rooms) });
  const worker = start(['worker'], options);
  await expect
    .poll(() => jobsLeft(stores, sdkAppId), { timeout: 60_000, interval: 250 })
    .toEqual(none);
  worker.kill('SIGTERM');
  const ended = await worker.ended;
  expect(ended.stderr).not.toMatch(/the API does not work|braked|holding back/);
  const ledger = await readDestructions(stores.DATABASE_URL);
  expect(new Set(rooms.map((room) => ledger.get(room)?.outcome))).toEqual(new Set(['destroyed']));
});

test.each<[what: string, endpoint: string, code: string]>([
  ['refused connections', 'http://127.0.0.1:1', 'ECONNREFUSED'],
  ['a host that no DNS knows', 'https://api.invalid', 'ENOTFOUND|EAI_AGAIN'],
])('%s spend nothing, also for a single room', async (_what, endpoint, code) => {
  const { env, sdkAppId } = await openStage();
  const stores = await redisAndPostgres();
  const options = { env: { ...env, ...stores, TENCENT_ENDPOINT: endpoint, LATER_RETRIES: '0' } };
  await run(['enqueue', '--room', 'live-1'], options);
  const worker = start(['worker'], options);
  await worker.said(/the API does not work/);
  await sleep(3_000);
  const explained = await run(['status'], options);
  expect(explained.stdout).toMatch(new RegExp(`(${code}).*nothing is spent`));
  worker.kill('SIGTERM');
  expect((await worker.ended).code).toBe(0);
  expect(await jobsLeft(stores, sdkAppId)).toEqual({ ...none, prioritized: 1 });
});

test('a worker that alone cannot reach the API holds back, and slows nobody', async () => {
  const { server, env, sdkAppId } = await openStage({ latencyMs: 50 });
  const stores = await redisAndPostgres();
  const options = { env: { ...env, ...stores } };
  const rooms = roomIds(2_400);
  const preload = new URL('no-connections.mjs', import.meta.url).href;
  await run(['enqueue', '-', '--yes'], { ...options, stdin: lines(rooms) });
  const well = start(['worker'], options);
  await server.reached(100);
  const alone = start(['worker'], {
    env: {
      ...options.env,
      NODE_OPTIONS: `--import ${preload}`,
      BLOCKED_PORT: new URL(server.url).port,
    },
  });
  await alone.said(/this worker cannot reach the API, others can: holding back/);
  await expect
    .poll(() => jobsLeft(stores, sdkAppId), { timeout: 60_000, interval: 250 })
    .toEqual(none);
  for (const worker of [well, alone]) worker.kill('SIGTERM');
  expect((await alone.ended).code).toBe(0);
  expect((await well.ended).stderr).not.toMatch(/the API does not work|braked/);
  const ledger = await readDestructions(stores.DATABASE_URL);
  expect(new Set(rooms.map((room) => ledger.get(room)?.outcome))).toEqual(new Set(['destroyed']));
});
