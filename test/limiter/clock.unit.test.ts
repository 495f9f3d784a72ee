import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  createDatabaseClock,
  type DatabaseClock,
  openLedgerClock,
} from '../../src/limiter/clock.js';

/** What the database's clock is ahead of this machine's monotonic one. */
const offset = 1_800_000_000_000;

let local: number;
let clock: DatabaseClock;

beforeEach(() => {
  local = 1_000;
  clock = createDatabaseClock(() => local);
});
afterEach(() => vi.useRealTimers());

/** Asks the database: the way there and the way back take this long, in milliseconds. */
function ask(there: number, back: number, ahead = offset): void {
  const askedAt = local;
  local += there + back;
  clock.observe({ askedAt, answeredAt: local, databaseMs: askedAt + there + ahead });
}

const error = (ahead = offset) => clock.now() - local - ahead;

test('before its first sample it does not know the time, and says so', () => {
  expect(() => clock.now()).toThrow('before its first sample');
  expect(() => clock.toLocal(offset)).toThrow('before its first sample');
});

test('ways of the same length are no error', () => {
  ask(40, 40);
  expect(error()).toBe(0);
});

test('it goes on with the monotonic clock, and back', () => {
  ask(1, 1);
  local += 12_345.5;
  expect(clock.now()).toBe(offset + local);
  expect(clock.toLocal(clock.now() + 5.1)).toBeCloseTo(local + 5.1, 3);
});

describe('the fastest of the recent trips wins', () => {
  test.each<[rule: string, trips: [there: number, back: number][], error: number]>([
    [
      'a faster one at once',
      [
        [50, 0],
        [2, 0],
      ],
      1,
    ],
    [
      'against a slower one that came later',
      [
        [2, 0],
        [50, 0],
      ],
      1,
    ],
    [
      'in whatever order',
      [
        [30, 0],
        [2, 0],
        [0, 80],
        [20, 0],
      ],
      1,
    ],
  ])('%s', (_rule, trips, expected) => {
    for (const [there, back] of trips) ask(there, back);
    expect(error()).toBeCloseTo(expected, 3);
  });

  test('until it is 30 s old', () => {
    ask(2, 0);
    local += 29_000;
    ask(20, 0);
    expect(error()).toBeCloseTo(1, 3);
    local += 1_000;
    ask(20, 0);
    expect(error()).toBeCloseTo(10, 3);
  });

  test('the error is never more than half of the fastest trip', () => {
    const trips = fc.array(fc.tuple(fc.nat(200), fc.nat(200)), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(trips, (all) => {
        local = 1_000;
        clock = createDatabaseClock(() => local);
        for (const [there, back] of all) ask(there, back);
        const fastest = Math.min(...all.map(([there, back]) => there + back));
        expect(Math.abs(error())).toBeLessThanOrEqual(fastest / 2 + 1e-3);
      }),
    );
  });
});

describe('a jump of the database clock', () => {
  test.each([60_000, -60_000, 50, -50])('of %d ms voids what was known before', (jump) => {
    for (let sample = 0; sample < 5; sample++) ask(1, 1);
    ask(10, 10, offset + jump);
    expect(error(offset + jump)).toBe(0);
    ask(40, 0, offset + jump);
    expect(error(offset + jump)).toBeCloseTo(0, 3);
  });

  test('is not seen in a slow trip, which could hide it: the fast one stands', () => {
    ask(1, 1);
    ask(300, 300, offset + 200);
    expect(error()).toBe(0);
  });

  test('clocks that drift as clocks do are no jump', () => {
    ask(1, 1);
    local += 10_000;
    // 50 ppm, and a slower trip: the fast one is still the better one.
    ask(2, 2, offset + 0.5);
    expect(error()).toBe(0);
  });
});

test('a jump of this machine’s wall clock moves nothing', () => {
  vi.useFakeTimers({ toFake: ['Date'] });
  ask(1, 1);
  const slot = clock.now() + 100;
  const due = clock.toLocal(slot);
  vi.setSystemTime(Date.now() + 3_600_000);
  expect(error()).toBe(0);
  ask(1, 1);
  expect(clock.toLocal(slot)).toBe(due);
});

describe('the clock of an open ledger', () => {
  /** Both clocks of this machine, and the database's, at the test's command. */
  async function openClock() {
    const time = { monotonic: 1_000, wall: 500_000, reads: 0 };
    const opened = await openLedgerClock(
      {
        query: () => {
          time.reads += 1;
          return Promise.resolve([{ now: time.monotonic + offset }] as never[]);
        },
        close: () => Promise.resolve(),
      },
      { monotonic: () => time.monotonic, wall: () => time.wall },
    );
    return { time, opened };
  }

  test('it is read several times before it is used, and every second from then on', async () => {
    vi.useFakeTimers();
    const { time, opened } = await openClock();
    expect(time.reads).toBe(5);
    await vi.advanceTimersByTimeAsync(3_000);
    expect(time.reads).toBe(8);
    opened.close();
    await vi.advanceTimersByTimeAsync(3_000);
    expect(time.reads).toBe(8);
  });

  test('a machine that slept is known by its wall clock, until the database’s has been read anew', async () => {
    const { time, opened } = await openClock();
    time.wall += 200;
    expect(opened.wasSuspended()).toBe(false);
    time.wall += 3_600_000;
    expect(opened.wasSuspended()).toBe(true);
    expect(opened.wasSuspended()).toBe(true);
    // However often it is asked, it is read once.
    expect(time.reads).toBe(6);
    await vi.waitFor(() => expect(opened.wasSuspended()).toBe(false));
    opened.close();
  });
});
