import { expect, test } from 'vitest';
import { createLostWatch } from '../../src/operations/destroy.js';

test('rooms are looked for on the queue where none ends for five seconds, then ever more seldom', () => {
  const isDue = createLostWatch();
  const looks: number[] = [];
  for (let second = 0; second < 3_600; second++) {
    if (isDue(second < 10 ? second : 10, second * 1_000)) looks.push(second);
  }
  expect(looks).toEqual([15, 25, 45, 85, 165, 325, 645, 1_245, 1_845, 2_445, 3_045]);
});

test('a room that ends makes it wait anew', () => {
  const isDue = createLostWatch();
  isDue(0, 0);
  expect(isDue(0, 5_000)).toBe(true);
  expect(isDue(1, 14_000)).toBe(false);
  expect(isDue(1, 18_999)).toBe(false);
  expect(isDue(1, 19_000)).toBe(true);
});
