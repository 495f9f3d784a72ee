/** What a worker tells Prometheus of what it did, on real stores. */
import { execFileSync } from 'node:child_process';
import { pino } from 'pino';
import { expect, inject, test } from 'vitest';
import { openProducer } from '../../src/producer/index.js';
import { readConfig, startWorker } from '../../src/worker/index.js';
import { afterThisTest } from '../e2e/room-reaper.js';
import { openStage, redisAndPostgres } from '../e2e/stage.js';
import { freePort } from '../support/program.js';
import { startProxy } from '../support/proxy.js';

const log = pino({ level: 'silent' });
const { promtool = '' } = inject('servers');

async function fetchText(port: number, path: string) {
  const response = await fetch(`http://127.0.0.1:${port}${path}`);
  return { status: response.status, text: await response.text() };
}

/** The samples of an exposition, by name and labels. */
function samplesOf(text: string): Map<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const space = line.lastIndexOf(' ');
      return [line.slice(0, space), Number(line.slice(space + 1))];
    }),
  );
}

/** A worker with its metrics, and what it is asked for. */
async function openWorker(scripts: NonNullable<Parameters<typeof openStage>[0]>['scripts'] = {}) {
  const { env, sdkAppId } = await openStage({ scripts });
  const stores = await redisAndPostgres();
  const database = new URL(stores.DATABASE_URL);
  const proxy = await startProxy(Number(database.port));
  afterThisTest(() => proxy.close());
  database.port = String(proxy.port);
  const port = await freePort();
  const variables = {
    ...{ ...env, ...stores, DATABASE_URL: database.href },
    METRICS_PORT: String(port),
  };
  const worker = await startWorker(readConfig(variables), { log });
  afterThisTest(() => worker.close());
  const producer = await openProducer({ queueUrl: stores.QUEUE_URL, sdkAppId });
  afterThisTest(() => producer.close());
  return { variables, worker, producer, proxy, port };
}

test('attempts, ends, slots and what is in hand are counted, each once, and no room is named', async () => {
  const { producer, port } = await openWorker({
    slow: [{ kind: 'code', code: 100001 }],
    refused: [{ kind: 'code', code: 100006 }],
    gone: [{ kind: 'code', code: 100004 }],
    lost: [{ kind: 'cut' }, { kind: 'code', code: 100004 }],
  });
  const before = samplesOf((await fetchText(port, '/metrics')).text);
  expect(before.get('room_reaper_attempts_total{verdict="destroyed"}')).toBe(0);
  expect(before.get('room_reaper_outcomes_total{outcome="expired"}')).toBe(0);

  for (const room of ['live-1', 'live-2', 'slow', 'refused', 'gone', 'lost'])
    await producer.destroy(room);
  const outcome = (samples: Map<string, number>, word: string) =>
    samples.get(`room_reaper_outcomes_total{outcome="${word}"}`) ?? 0;
  let text = '';
  await expect
    .poll(
      async () => {
        ({ text } = await fetchText(port, '/metrics'));
        const samples = samplesOf(text);
        return ['destroyed', 'destroyed_statistics_lost', 'rejected', 'already_gone'].map((word) =>
          outcome(samples, word),
        );
      },
      { timeout: 60_000 },
    )
    .toEqual([3, 1, 1, 1]);

  const samples = samplesOf(text);
  const attempts = (verdict: string) =>
    samples.get(`room_reaper_attempts_total{verdict="${verdict}"}`);
  expect(attempts('destroyed')).toBe(3);
  expect(attempts('transient')).toBe(2);
  expect(attempts('rejected')).toBe(1);
  expect(attempts('gone')).toBe(2);
  expect(samples.get('room_reaper_attempt_duration_seconds_count')).toBe(8);
  const slots = (use: string) => samples.get(`room_reaper_slots_total{use="${use}"}`) ?? 0;
  expect(slots('in_time') + slots('late')).toBe(8);
  expect(samples.get('room_reaper_statistics_lost_total')).toBe(1);
  expect(samples.get('room_reaper_unsaved_results_total')).toBe(0);
  expect(samples.get('room_reaper_ledger_round_trip_seconds_count')).toBeGreaterThan(0);
  expect(samples.get('room_reaper_jobs_in_hand')).toBe(0);
  expect(text).toMatch(/room_reaper_worker_info\{version="[^"]+"\} 1/);
  expect(text).toContain('room_reaper_nodejs_eventloop_lag_seconds');
  for (const name of samples.keys()) expect(name).toMatch(/^room_reaper_/);
  expect(text).not.toMatch(/live-1|live-2|slow"|refused"/);
  if (promtool !== '') execFileSync(promtool, ['check', 'metrics'], { input: text });
});

test('a worker whose ledger is away lives and is not ready, until it is back; one that ended answers no more', async () => {
  const { worker, proxy, port } = await openWorker();
  expect((await fetchText(port, '/readyz')).status).toBe(200);
  await proxy.set({ kind: 'refuse' });
  await expect
    .poll(async () => (await fetchText(port, '/readyz')).text, { timeout: 60_000 })
    .toMatch(/"ledger: /);
  expect((await fetchText(port, '/livez')).status).toBe(200);
  await proxy.set({ kind: 'none' });
  await expect
    .poll(async () => (await fetchText(port, '/readyz')).status, { timeout: 60_000 })
    .toBe(200);
  await worker.close();
  await expect(fetchText(port, '/livez')).rejects.toThrow();
});

test('a port that is taken is said, and nothing is left open', async () => {
  const { variables } = await openWorker();
  await expect(startWorker(readConfig(variables), { log })).rejects.toMatchObject({
    code: 'INVALID',
    message: expect.stringContaining(
      `a port that is free, got ${variables.METRICS_PORT}`,
    ) as string,
  });
});
