import { describe, expect, test } from 'vitest';
import { isPassing, patiently } from '../src/passing.js';

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
});
