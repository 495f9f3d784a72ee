import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { StoppedLine } from '../../src/ledger/grant.js';
import { createLineGuard, Halted } from '../../src/worker/line-guard.js';

beforeEach(() => vi.useFakeTimers({ toFake: ['setTimeout', 'setInterval', 'clearInterval'] }));
afterEach(() => vi.useRealTimers());

const cause = { code: 70003, reason: 'wrong key', remedy: 'set the right one' };
const stoppedUntil = (probeAtMs: number): StoppedLine => ({
  ...{ ...cause, outage: false, by: 'box-8:1' },
  probeAtMs,
});

/** A guard whose ledger has this row, on a clock that goes with the fake timers. */
function openGuard() {
  const done: string[] = [];
  const statements: string[] = [];
  const ledger = {
    nowMs: 1_000_000,
    isAway: false,
    /** When the next probe of the stopped line is due; undefined: it runs. */
    probeAtMs: undefined as number | undefined,
    othersLive: false,
    othersSucceed: false,
  };
  const guard = createLineGuard({
    database: {
      query: (name: string, _sql: string, parameters: readonly unknown[]) => {
        statements.push(name);
        if (ledger.isAway)
          return Promise.reject(Object.assign(new Error('away'), { code: 'ECONNREFUSED' }));
        const [, , , , , , unlessOthersLive, unlessOthersSucceedSince] = parameters;
        if (name === 'line-stop') {
          if (unlessOthersLive === true && ledger.othersLive) return Promise.resolve([]);
          if (unlessOthersSucceedSince !== null && ledger.othersSucceed) return Promise.resolve([]);
        }
        const { probeAtMs } = ledger;
        const row = {
          ...{ id: 'line', interval_ms: 5.1, braked_rate: 50, rate: 50 },
          stopped_at: probeAtMs === undefined ? null : 0,
          ...{
            outage: false,
            stop_code: 70003,
            stop_reason: 'wrong key',
            stop_remedy: null,
            stop_worker: null,
          },
          probe_at: probeAtMs ?? null,
        };
        return Promise.resolve([row] as never[]);
      },
      close: () => Promise.resolve(),
    },
    lineId: 'line',
    sdkAppId: 1,
    intervalMs: 5.1,
    worker: { workerId: 'me', name: 'box-7:4123' },
    log: pino({ level: 'silent' }),
    now: () => ledger.nowMs,
    pause: () => done.push('pause'),
    resume: (probing) => done.push(probing ? 'resume with one' : 'resume'),
    onStopped: (line) => done.push(`stopped: ${line.reason}`),
    onDatabase: (error) => done.push(`ledger ${error.message}`),
  });
  const pass = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += 1_000) {
      ledger.nowMs += 1_000;
      await vi.advanceTimersByTimeAsync(1_000);
    }
  };
  return { guard, ledger, done, statements, pass };
}

describe('a stop', () => {
  test('halts this worker at once, aborts what waits, and is written for the others', async () => {
    const { guard, done, statements } = openGuard();
    const { signal } = guard;
    const waiting = guard.wait(10_000);
    guard.stop(cause);
    await expect(waiting).rejects.toThrow(Halted);
    expect(signal.reason).toEqual(new Halted('this worker is refused: wrong key'));
    expect(guard.phase).toBe('halted');
    await vi.advanceTimersByTimeAsync(0);
    expect(done).toEqual(['pause', 'stopped: wrong key']);
    expect(guard.doing).toEqual({ state: 'stopped', reason: undefined });
    expect(statements).toEqual(['line-stop']);
    guard.close();
  });

  test('is the trouble of this worker alone where others succeed: it holds back, and tries one job again', async () => {
    const { guard, ledger, done, pass } = openGuard();
    ledger.othersLive = ledger.othersSucceed = true;
    for (const seconds of [5, 10]) {
      guard.stop(cause);
      expect(guard.phase).toBe('halted');
      await pass(4_000);
      expect(guard.doing).toEqual({ state: 'holding_back', reason: 'wrong key (70003)' });
      await pass((seconds - 1) * 1_000);
      expect(guard.phase).toBe('probing');
    }
    expect(done).toEqual(['pause', 'resume with one', 'pause', 'resume with one']);
  });

  test('is everybody’s where others live and do not succeed', async () => {
    const { guard, ledger, done, pass, statements } = openGuard();
    ledger.othersLive = true;
    guard.stop(cause);
    await pass(2_000);
    expect(done).toEqual(['pause']);
    expect(guard.doing).toEqual({ state: 'holding_back', reason: 'wrong key (70003)' });
    await vi.advanceTimersByTimeAsync(1_000);
    expect(guard.doing).toEqual({ state: 'stopped', reason: undefined });
    expect(done).toEqual(['pause', 'stopped: wrong key']);
    expect(statements.filter((name) => name === 'line-stop')).toHaveLength(2);
    guard.close();
  });

  test('that is certain is everybody’s although others succeed', async () => {
    const { guard, ledger, done } = openGuard();
    ledger.othersLive = ledger.othersSucceed = true;
    guard.stop(cause, 'certain');
    await vi.advanceTimersByTimeAsync(0);
    expect(done).toEqual(['pause', 'stopped: wrong key']);
    guard.close();
  });

  test('that many answers ask for is decided once', async () => {
    const { guard, statements } = openGuard();
    for (let answer = 0; answer < 5; answer++) guard.stop(cause);
    await vi.advanceTimersByTimeAsync(0);
    expect(statements).toEqual(['line-stop']);
    guard.close();
  });

  test('is written as soon as the ledger is back, and nothing is read before: the row would say that it runs', async () => {
    const { guard, ledger, statements, pass } = openGuard();
    ledger.isAway = true;
    guard.stop(cause);
    await pass(3_000);
    expect(new Set(statements)).toEqual(new Set(['line-stop']));
    expect(guard.phase).toBe('halted');
    ledger.isAway = false;
    ledger.probeAtMs = ledger.nowMs + 3_600_000;
    await expect
      .poll(async () => {
        await pass(1_000);
        return statements.at(-1);
      })
      .toBe('line-state');
    expect(guard.phase).toBe('halted');
    guard.close();
  });

  test('that is found, by many jobs at once, is told once', () => {
    const { guard, done } = openGuard();
    for (let job = 0; job < 5; job++) guard.foundStopped(stoppedUntil(2_000_000));
    expect(done).toEqual(['pause', 'stopped: wrong key']);
    guard.close();
  });
});

describe('a halted worker', () => {
  test('goes on once the row runs again, with a new signal', async () => {
    const { guard, ledger, done, pass } = openGuard();
    guard.foundStopped(stoppedUntil(2_000_000));
    ledger.probeAtMs = 2_000_000;
    await pass(2_000);
    expect(guard.phase).toBe('halted');
    ledger.probeAtMs = undefined;
    await pass(1_000);
    expect(guard.phase).toBe('running');
    expect(guard.signal.aborted).toBe(false);
    expect(done.at(-1)).toBe('resume');
  });

  test('takes one job once the probe is due', async () => {
    const { guard, ledger, done, pass } = openGuard();
    ledger.probeAtMs = ledger.nowMs + 5_000;
    guard.foundStopped(stoppedUntil(ledger.probeAtMs));
    await pass(4_000);
    expect(guard.phase).toBe('halted');
    await pass(1_000);
    expect(guard.phase).toBe('probing');
    expect(done.at(-1)).toBe('resume with one');
  });

  test('waits on where the ledger is away', async () => {
    const { guard, ledger, pass } = openGuard();
    guard.foundStopped(stoppedUntil(0));
    ledger.isAway = true;
    await pass(3_000);
    expect(guard.phase).toBe('halted');
    guard.close();
  });
});

describe('a probe', () => {
  test('that had an answer about its room has the line run for all', async () => {
    const { guard, statements, done } = openGuard();
    guard.probe();
    await guard.foundRunning(true);
    expect(statements).toEqual(['line-resume']);
    expect(guard.phase).toBe('running');
    expect(done).toEqual(['resume with one', 'resume']);
  });

  test('that fails halts the worker again', () => {
    const { guard } = openGuard();
    guard.probe();
    guard.stop(cause);
    expect(guard.phase).toBe('halted');
    guard.close();
  });

  test('an answer to an ordinary request writes nothing', async () => {
    const { guard, statements, done } = openGuard();
    await guard.foundRunning(false);
    expect(statements).toEqual([]);
    expect(done).toEqual([]);
  });
});

describe('a worker that alone cannot reach the API', () => {
  test('holds back for five seconds, doubling while it does not succeed, and begins with one job', async () => {
    const { guard, done, pass } = openGuard();
    for (const seconds of [5, 10, 20, 40, 60, 60]) {
      guard.holdBack('no answer');
      await pass((seconds - 1) * 1_000);
      expect(guard.phase).toBe('halted');
      await pass(1_000);
      expect(guard.phase).toBe('probing');
      expect(done.splice(0)).toEqual(['pause', 'resume with one']);
    }
    await guard.foundRunning(false);
    guard.holdBack('no answer');
    await pass(5_000);
    expect(guard.phase).toBe('probing');
  });

  test('does not stop the line for others', async () => {
    const { guard, statements, pass } = openGuard();
    guard.holdBack('no answer');
    await pass(3_000);
    expect(statements).toEqual([]);
    guard.close();
  });

  test('is told of a stop all the same', () => {
    const { guard, done } = openGuard();
    guard.holdBack('no answer');
    guard.foundStopped(stoppedUntil(2_000_000));
    expect(done).toEqual(['pause', 'stopped: wrong key']);
    guard.close();
  });
});

describe('a brake', () => {
  test('is written for all workers', async () => {
    const { guard, statements } = openGuard();
    await guard.brake('over quota');
    expect(statements).toEqual(['line-brake']);
  });

  test('that the ledger cannot take now is said, and the job goes on', async () => {
    const { guard, ledger, done } = openGuard();
    ledger.isAway = true;
    await guard.brake('over quota');
    expect(done).toEqual(['ledger away']);
  });
});

test('a closed guard aborts what waits, and nothing halts or resumes it any more', async () => {
  const { guard, done, statements, pass } = openGuard();
  const waiting = guard.wait(10_000);
  guard.close();
  await expect(waiting).rejects.toThrow('this worker is shutting down');
  guard.stop(cause);
  guard.foundStopped(stoppedUntil(0));
  guard.holdBack('no answer');
  guard.probe();
  await pass(5_000);
  expect(done).toEqual([]);
  expect(statements).toEqual([]);
});
