import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { attemptsPerRun, laterRetryDelayMs, quickRetryDelayMs } from '../../src/worker/backoff.js';

const almostOne = 1 - Number.EPSILON / 2;
const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

const seconds = (ms: number) => `${(ms / 1000).toFixed(3).replace(/\.?0+$/, '')} s`;

test('one run of a job makes up to three attempts', () => {
  expect(attemptsPerRun).toBe(3);
});

test('quick retries: full jitter, over 250 ms and its double', () => {
  const rows = [1, 2].map(
    (failures) =>
      `${failures}: ${seconds(quickRetryDelayMs(failures, 0))} to ${seconds(quickRetryDelayMs(failures, almostOne))}`,
  );
  expect(rows).toEqual(['1: 0 s to 0.25 s', '2: 0 s to 0.5 s']);
});

test('later retries: 5 s doubling to 10 min, half of it certain and half jitter', () => {
  const rows = Array.from({ length: 10 }, (_, index) => {
    const [from, to] = [0, almostOne].map((r) => seconds(laterRetryDelayMs(index + 1, r)));
    return `${index + 1}: ${from ?? ''} to ${to ?? ''}`;
  });
  expect(rows).toEqual([
    '1: 2.5 s to 5 s',
    '2: 5 s to 10 s',
    '3: 10 s to 20 s',
    '4: 20 s to 40 s',
    '5: 40 s to 80 s',
    '6: 80 s to 160 s',
    '7: 160 s to 320 s',
    '8: 300 s to 600 s',
    '9: 300 s to 600 s',
    '10: 300 s to 600 s',
  ]);
});

describe('whatever the chance', () => {
  test('a quick retry never waits longer than its step', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: attemptsPerRun }), random, (failures, chance) => {
        const delay = quickRetryDelayMs(failures, chance);
        expect(delay).toBeGreaterThanOrEqual(0);
        expect(delay).toBeLessThan(250 * 2 ** (failures - 1));
      }),
    );
  });

  test('a later retry waits 2.5 s at least and 10 min at most, in whole milliseconds', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100_000 }), random, (runs, chance) => {
        const delay = laterRetryDelayMs(runs, chance);
        expect(Number.isInteger(delay)).toBe(true);
        expect(delay).toBeGreaterThanOrEqual(2_500);
        expect(delay).toBeLessThanOrEqual(600_000);
      }),
    );
  });

  test('a later failure never comes back sooner, at the same chance', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2_000 }), random, (runs, chance) => {
        const [earlier, later] = [
          laterRetryDelayMs(runs, chance),
          laterRetryDelayMs(runs + 1, chance),
        ];
        expect(later).toBeGreaterThanOrEqual(earlier);
      }),
    );
  });

  test('rooms that failed together do not come back together', () => {
    const delays = Array.from({ length: 100 }, (_, index) => laterRetryDelayMs(1, index / 100));
    expect(new Set(delays).size).toBe(100);
    expect(Math.max(...delays) - Math.min(...delays)).toBeGreaterThan(2_000);
  });
});
