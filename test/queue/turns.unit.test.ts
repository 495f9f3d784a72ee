import { expect, test } from 'vitest';
import { turnOf } from '../../src/queue/turns.js';

test.each([
  [0, 4, 4],
  [124, 4, 4],
  [125, 4, 5],
  [249, 4, 5],
  [250, 5, 6],
  [1_000, 8, 12],
])('room number %i is in turn %i, and in %i where it needs a snapshot', (position, turn, later) => {
  expect(turnOf(4, position)).toBe(turn);
  expect(turnOf(4, position, true)).toBe(later);
});

test('no turn is behind the last priority that BullMQ takes', () => {
  expect(turnOf(4, 1e12)).toBe(2 ** 21 - 1);
});
