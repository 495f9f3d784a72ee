import { expect, test } from 'vitest';
import type { Line } from '../../src/ledger/line.js';
import type { SeenWorker, WorkerState } from '../../src/ledger/workers.js';
import { standstillOf, type Movement } from '../../src/operations/standstill.js';

const nowMs = Date.UTC(2026, 10, 30);
const hourMs = 3_600_000;

function line(changes: Partial<Line> = {}): Line {
  return {
    ...{ id: 'id', host: 'host', ratePerSecond: 196, brakeReason: undefined },
    ...{ quotaFound: undefined, state: { kind: 'running' }, lastSlotMs: nowMs - 100 },
    ...{ databaseNowMs: nowMs, ...changes },
  };
}

function worker(state: WorkerState = 'running', changes: Partial<SeenWorker> = {}): SeenWorker {
  return {
    ...{ id: 'w', lineId: 'id', sdkAppId: 1, host: 'box', pid: 1, version: '1', state },
    ...{ keyFingerprint: 'aa', reason: undefined, inHand: 0, isAlive: true },
    ...{ startedAtMs: nowMs - hourMs, seenAtMs: nowMs - 2_000, ...changes },
  };
}

type Ledger = NonNullable<Movement['ledger']>;

const queue = { paused: false, readOnly: false, roomsAhead: 20_002 };

function ledger(changes: Partial<Ledger> = {}, of = line()): Ledger {
  return {
    ...{ lines: [of], configured: of, workers: [worker()], sentPerSecond: 100 },
    ...{ isStandby: false, ...changes },
  };
}

const halt = {
  ...{ code: 70009, reason: 'wrong key', remedy: undefined, by: undefined },
  ...{ sinceMs: nowMs, probeAtMs: nowMs, outage: false },
};
const idle = { sentPerSecond: 0 };
const silent = line({ lastSlotMs: nowMs - 20_000 });

test.each<[situation: string, movement: Movement, standstill: string | undefined]>([
  ['what is sent moves', { queue, ledger: ledger() }, undefined],
  ['the first slots were taken', { queue, ledger: ledger(idle) }, undefined],
  [
    'a worker was started a moment ago',
    {
      queue,
      ledger: ledger(
        { ...idle, workers: [worker('running', { startedAtMs: nowMs - 5_000 })] },
        silent,
      ),
    },
    undefined,
  ],
  [
    'a slow line waits for its next slot',
    { queue, ledger: ledger(idle, line({ ratePerSecond: 0.1, lastSlotMs: nowMs - 20_000 })) },
    undefined,
  ],
  [
    'nothing waits',
    { queue: { ...queue, roomsAhead: 0 }, ledger: ledger({ ...idle, workers: [] }, silent) },
    undefined,
  ],
  ['workers say nothing of use', { queue, ledger: ledger(idle, silent) }, 'nothing_sent'],
  [
    'the clock went back by an hour',
    { queue, ledger: ledger(idle, line({ lastSlotMs: nowMs + hourMs })) },
    'nothing_sent',
  ],
  ['there is no worker', { queue, ledger: ledger({ workers: [] }) }, 'no_worker'],
  [
    'the only worker was not heard of',
    { queue, ledger: ledger({ workers: [worker('running', { isAlive: false })] }) },
    'no_worker',
  ],
  [
    'every worker has an old key',
    { queue, ledger: ledger({ workers: [worker('holding_back'), worker('stopped')] }) },
    'workers_hold_back',
  ],
  [
    'one of two works',
    { queue, ledger: ledger({ workers: [worker('holding_back'), worker('probing')] }) },
    undefined,
  ],
  [
    'the line is stopped',
    { queue, ledger: ledger({}, line({ state: { kind: 'stopped', halt } })) },
    'line_stands',
  ],
  [
    'the API is out',
    { queue, ledger: ledger({}, line({ state: { kind: 'outage', halt } })) },
    'line_stands',
  ],
  ['people paused it', { queue: { ...queue, paused: true }, ledger: ledger() }, 'paused'],
  [
    'they did, and the ledger is away',
    { queue: { ...queue, paused: true }, ledger: undefined },
    'paused',
  ],
  [
    'the primary was demoted',
    { queue: { ...queue, readOnly: true }, ledger: ledger() },
    'queue_read_only',
  ],
  ['the ledger is a standby', { queue, ledger: ledger({ isStandby: true }) }, 'ledger_read_only'],
  ['the queue is away', { queue: undefined, ledger: ledger() }, 'queue_unknown'],
  ['the ledger is away', { queue, ledger: undefined }, 'ledger_unknown'],
])('%s', (_, movement, standstill) => {
  expect(standstillOf(movement)).toBe(standstill);
});
