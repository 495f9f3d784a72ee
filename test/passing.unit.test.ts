import { describe, expect, test } from 'vitest';
import { doublingPauseMs, isPassing, patiently } from '../src/passing.js';

const passing = Object.assign(new Error('terminating connection'), { code: '57P01' });
const lasting = Object.assign(new Error('relation does not exist'), { code: '42P01' });

function failing(error: Error, times: number) {
  let attempts = 0;
  return {
    attempt: () => {
      attempts += 1;
      return attempts <= times ? Promise.reject(error) : Promise.resolve('done');
    },
    attempts: () => attempts,
  };
}

test.each([
  ['57P01', true],
  ['42P01', false],
  ['ECONNRESET', true],
  ['EAI_AGAIN', true],
  ['EPIPE', true],
  ['ERR_INVALID_ARG_TYPE', false],
])('%s passes by itself: %s', (code, passes) => {
  expect(isPassing(Object.assign(new Error('of some kind'), { code }))).toBe(passes);
});

test.each([
  ['Connection terminated unexpectedly', true],
  ['Client has encountered a connection error and is not queryable', true],
  ['timeout exceeded when trying to connect', true],
  ['Cannot use a pool after calling end on the pool', false],
])('the driver says "%s": that passes by itself: %s', (message, passes) => {
  expect(isPassing(new Error(message))).toBe(passes);
});

describe('patiently', () => {
  test('tries again while the reason passes', async () => {
    const { attempt, attempts } = failing(passing, 2);
    expect(await patiently(5_000, attempt)).toBe('done');
    expect(attempts()).toBe(3);
  });

  test('throws at once what does not pass', async () => {
    const { attempt, attempts } = failing(lasting, 2);
    await expect(patiently(5_000, attempt)).rejects.toBe(lasting);
    expect(attempts()).toBe(1);
  });

  test('throws what passes once its time is over; without any time, at once', async () => {
    const long = failing(passing, 1_000);
    await expect(patiently(600, long.attempt)).rejects.toBe(passing);
    expect(long.attempts()).toBeGreaterThan(1);
    const short = failing(passing, 1_000);
    await expect(patiently(0, short.attempt)).rejects.toBe(passing);
    expect(short.attempts()).toBe(1);
  });

  test('throws what passes after its last try', async () => {
    const { attempt, attempts } = failing(passing, 1_000);
    await expect(patiently({ tries: 3, pauseMs: () => 0 }, attempt)).rejects.toBe(passing);
    expect(attempts()).toBe(3);
  });

  test('asks how long to pause by how many tries have failed, and what passes', async () => {
    const { attempt } = failing(lasting, 2);
    const asked: number[] = [];
    const pauseMs = (failures: number) => {
      asked.push(failures);
      return 0;
    };
    expect(await patiently({ pauseMs, passes: () => true }, attempt)).toBe('done');
    expect(asked).toEqual([1, 2]);
  });

  test('tells each failure that it tries again after, and that the trouble is over', async () => {
    const told: unknown[] = [];
    const onTrouble = (error: Error | undefined) => void told.push(error);
    const patience = { pauseMs: () => 0, onTrouble };
    await patiently(patience, failing(passing, 2).attempt);
    expect(told).toEqual([passing, passing, undefined]);
    await patiently(patience, failing(passing, 0).attempt);
    expect(told).toHaveLength(3);
  });

  test('ends its pause when its signal aborts, and throws what the last try threw', async () => {
    const { attempt, attempts } = failing(passing, 1_000);
    const controller = new AbortController();
    const onTrouble = () => controller.abort();
    const patience = { pauseMs: () => 60_000, signal: controller.signal, onTrouble };
    await expect(patiently(patience, attempt)).rejects.toBe(passing);
    expect(attempts()).toBe(1);
  });
});

test('doubling pauses begin with 50 ms and end with two seconds', () => {
  expect([1, 2, 3, 6, 7, 8, 100].map(doublingPauseMs)).toEqual([
    50, 100, 200, 1_600, 2_000, 2_000, 2_000,
  ]);
});
