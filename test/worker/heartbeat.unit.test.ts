import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { latestMigration } from '../../src/ledger/schema.js';
import type { Database } from '../../src/ledger/database.js';
import type { WorkerBeat } from '../../src/ledger/workers.js';
import { startHeartbeat } from '../../src/worker/heartbeat.js';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const never = () => expect.unreachable();

/** A ledger that keeps the states it was told, and may be away. */
function openLedger() {
  const told: string[] = [];
  const ledger = { isAway: false, version: latestMigration() };
  const database: Database = {
    query: <Row>(name: string, _sql: string, parameters: readonly unknown[]) => {
      if (name !== 'worker-beat') return Promise.resolve([]);
      if (ledger.isAway) return Promise.reject(new Error('away'));
      told.push(String(parameters[7]));
      return Promise.resolve([{ version: ledger.version } as Row]);
    },
    close: () => Promise.resolve(),
  };
  return { ledger, told, database };
}

const worker: WorkerBeat = {
  ...{ id: 'worker', lineId: 'line', sdkAppId: 1, host: 'box-7', pid: 4123, version: '1.0.0' },
  ...{ keyFingerprint: '3fa9c1d2', state: 'running', reason: undefined, inHand: 0 },
};

test('it beats at once, every five seconds with what is so then, and says its end', async () => {
  const { told, database } = openLedger();
  let state: WorkerBeat['state'] = 'running';
  const heartbeat = await startHeartbeat(database, () => ({ ...worker, state }), never);
  expect(told).toEqual(['running']);
  state = 'probing';
  await vi.advanceTimersByTimeAsync(4_999);
  expect(told).toEqual(['running']);
  await vi.advanceTimersByTimeAsync(1);
  heartbeat.stop();
  await vi.advanceTimersByTimeAsync(20_000);
  await heartbeat.end();
  expect(told).toEqual(['running', 'probing', 'ended']);
});

test('a ledger that is away stops neither the worker nor its later beats', async () => {
  const { ledger, told, database } = openLedger();
  ledger.isAway = true;
  const heartbeat = await startHeartbeat(database, () => worker, never);
  await vi.advanceTimersByTimeAsync(5_000);
  ledger.isAway = false;
  await vi.advanceTimersByTimeAsync(5_000);
  ledger.isAway = true;
  heartbeat.stop();
  await heartbeat.end();
  expect(told).toEqual(['running']);
});

test('the first beat that finds the ledger newer than this program tells it, once', async () => {
  const { ledger, database } = openLedger();
  const newer: number[] = [];
  const heartbeat = await startHeartbeat(
    database,
    () => worker,
    (version) => newer.push(version),
  );
  await vi.advanceTimersByTimeAsync(10_000);
  expect(newer).toEqual([]);
  ledger.version = latestMigration() + 1;
  await vi.advanceTimersByTimeAsync(60_000);
  heartbeat.stop();
  expect(newer).toEqual([latestMigration() + 1]);
});
