import { expect, test } from 'vitest';
import { createSlowdown } from '../../src/server/slowdown.js';

test('three failures are answered at once, each further one later, up to five seconds', () => {
  const fail = createSlowdown(() => 0);
  const waits = Array.from({ length: 12 }, fail);
  expect(waits).toEqual([0, 0, 0, 250, 500, 1_000, 2_000, 4_000, 5_000, 5_000, 5_000, 5_000]);
});

test('a failure is forgotten after ten seconds, however many there were', () => {
  let nowMs = 0;
  const fail = createSlowdown(() => nowMs);
  for (let count = 0; count < 1_000; count += 1) fail();
  nowMs += 10_000;
  expect(fail()).toBe(5_000);
  nowMs += 60_000;
  expect(fail()).toBe(1_000 / 2);
  nowMs += 100_000;
  expect(fail()).toBe(0);
});
