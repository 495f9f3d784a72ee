import { pino } from 'pino';
import { expect, test } from 'vitest';
import type { Database } from '../../src/ledger/database.js';
import type { StoppedLine } from '../../src/ledger/grant.js';
import type { LineGuard } from '../../src/worker/line-guard.js';
import { createReads } from '../../src/worker/read-line.js';

const startMs = 1_800_000_000_000;

/** The line of get_room_stats, on a clock that a test puts on. */
async function statsLine() {
  const done: string[] = [];
  const database: Database = {
    query: (name: string) => {
      done.push(name);
      return Promise.resolve([]);
    },
    close: () => Promise.resolve(),
  };
  const guard = {
    stop: () => void done.push('all stopped'),
    foundStopped: () => void done.push('app found stopped'),
    foundRunning: (probe: boolean) => Promise.resolve(void done.push(`app runs: ${probe}`)),
  } as unknown as LineGuard;
  let nowMs = startMs;
  const reads = createReads(100, {
    ...{ database, guard, workerId: 'worker-1', jitterMs: 20 },
    lineKey: { host: 'localhost', sdkAppId: 1_400_000_000, command: 'destroy_room' },
    worker: { workerId: 'worker-1', name: 'box:1' },
    clock: {
      now: () => nowMs,
      toLocal: (ms) => ms,
      monotonic: () => nowMs,
      wasSuspended: () => false,
    },
    timer: { until: () => Promise.resolve() },
    log: pino({ level: 'silent' }),
    onDatabase: () => undefined,
    onSlowLedger: () => undefined,
    onOutage: () => undefined,
    random: () => 0,
  });
  const line = await reads.stats();
  expect(await reads.stats()).toBe(line);
  done.length = 0;
  return {
    ...{ line, done },
    pass: (ms: number) => {
      nowMs += ms;
    },
    stoppedFor: (ms: number): StoppedLine => ({
      ...{ outage: false, code: 60009, reason: 'not found', remedy: undefined, by: undefined },
      probeAtMs: nowMs + ms,
    }),
  };
}

test('of a stopped command a job is put off until its probe, and at most for two minutes', async () => {
  const { line, stoppedFor } = await statsLine();
  expect(line.trouble()).toBeUndefined();
  for (const [ms, delayMs] of [
    [1_000, 10_000],
    [60_000, 60_000],
    [3_600_000, 120_000],
  ] as const) {
    line.foundStopped({ kind: 'stopped', isApp: false, line: stoppedFor(ms) });
    const reason = 'get_room_stats is stopped: not found';
    expect(line.trouble()).toEqual({ reason, delayMs });
  }
});

test('whether a stopped command runs again is asked within seconds, however late its probe is', async () => {
  const { line, pass, stoppedFor } = await statsLine();
  line.foundStopped({ kind: 'stopped', isApp: false, line: stoppedFor(3_600_000) });
  pass(4_999);
  expect(line.trouble()).toBeDefined();
  pass(1);
  expect(line.trouble()).toBeUndefined();
});

test('while it is braked a few jobs wait for it, and the others are put off', async () => {
  const { line, pass } = await statsLine();
  const leave = Array.from({ length: 10 }, () => line.enter());
  expect(line.trouble()).toBeUndefined();
  await line.brake('over quota');
  const reason = 'get_room_stats is braked';
  expect(line.trouble()).toEqual({ reason, delayMs: 10_000 });
  leave.pop()?.();
  expect(line.trouble()).toBeUndefined();
  line.enter();
  pass(30_000);
  expect(line.trouble()).toBeUndefined();
});

test('what is wrong with the app stops all; what is wrong with the command, it alone', async () => {
  const { line, done, stoppedFor } = await statsLine();
  const cause = { code: 70003, reason: 'illegal', remedy: undefined };
  await line.stop({ ...cause, holdsAll: true });
  expect(done).toEqual(['all stopped']);
  await line.stop({ ...cause, holdsAll: false });
  line.foundStopped({ kind: 'stopped', isApp: true, line: stoppedFor(1_000) });
  await line.foundRunning({ isApp: true });
  await line.foundRunning({ isApp: false });
  await line.foundRunning(undefined);
  expect(done.slice(1)).toEqual([
    'line-stop',
    ...['app found stopped', 'app runs: true', 'line-resume'],
  ]);
});
