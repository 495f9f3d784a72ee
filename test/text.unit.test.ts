import { describe, expect, test } from 'vitest';
import { clockTime, count, duration, instant, rooms } from '../src/text.js';

test.each<[value: number | bigint, shown: string]>([
  [0, '0'],
  [999, '999'],
  [2_000, '2,000'],
  [1_234_567, '1,234,567'],
  [9_007_199_254_740_993n, '9,007,199,254,740,993'],
])('the number %s is shown as %s', (value, shown) => {
  expect(count(value)).toBe(shown);
});

test.each<[value: number, shown: string]>([
  [0, '0 rooms'],
  [1, '1 room'],
  [2, '2 rooms'],
  [100_000, '100,000 rooms'],
])('%d: %s', (value, shown) => {
  expect(rooms(value)).toBe(shown);
});

describe('a duration', () => {
  test.each<[seconds: number, shown: string]>([
    [-5, '0 s'],
    [0, '0 s'],
    [0.4, '0 s'],
    [8, '8 s'],
    [59.4, '59 s'],
    [59.5, '1 min 00 s'],
    [61, '1 min 01 s'],
    [1530, '25 min 30 s'],
    [3599.4, '59 min 59 s'],
    [3599.5, '1 h 00 min'],
    [3600, '1 h 00 min'],
    [11_100, '3 h 05 min'],
    [90_000, '25 h 00 min'],
  ])('%d s is shown as %s', (seconds, shown) => {
    expect(duration(seconds)).toBe(shown);
  });
});

test('a time is shown as the clock on the wall does', () => {
  expect(clockTime(new Date(2026, 10, 23, 2, 31, 7).getTime())).toBe('02:31:07 UTC+8');
});

test.each<[rule: string, at: Date, milliseconds: boolean, shown: string]>([
  ['an instant of today is a time', new Date(2026, 10, 23, 2, 31, 7, 5), false, '02:31:07 UTC+8'],
  [
    'with milliseconds, where asked',
    new Date(2026, 10, 23, 2, 31, 7, 5),
    true,
    '02:31:07.005 UTC+8',
  ],
  [
    'one of another day has its day',
    new Date(2026, 8, 3, 2, 31, 7),
    false,
    '2026-09-03 02:31:07 UTC+8',
  ],
  [
    'one beyond every calendar is said to be so',
    new Date(NaN),
    true,
    'no time that a calendar has',
  ],
])('%s', (_rule, at, milliseconds, shown) => {
  expect(instant(at.getTime(), new Date(2026, 10, 23, 12).getTime(), milliseconds)).toBe(shown);
});
