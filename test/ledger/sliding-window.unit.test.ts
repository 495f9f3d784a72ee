import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createSlidingWindow } from '../../src/ledger/sliding-window.js';

function worstOf(instants: readonly number[]) {
  const window = createSlidingWindow();
  for (const at of instants) window.add(at);
  return window.worst;
}

test('without instants there is no window', () => {
  expect(worstOf([])).toEqual({ requests: 0, fromUs: 0, toUs: 0 });
});

test('two exactly a second apart are never in one window, a microsecond less and they are', () => {
  expect(worstOf([5, 1_000_005]).requests).toBe(1);
  expect(worstOf([5, 1_000_004])).toEqual({ requests: 2, fromUs: 5, toUs: 1_000_004 });
});

test('of windows that are equally full the first is named, by its first and last instant', () => {
  const instants = [0, 900_000, 950_000, 5_000_000, 5_000_001, 5_000_002];
  expect(worstOf(instants)).toEqual({ requests: 3, fromUs: 0, toUs: 950_000 });
});

test('it is the fullest of all windows, as counted one by one', () => {
  const instants = fc.array(fc.integer({ min: 0, max: 30_000 }), { maxLength: 300 });
  fc.assert(
    fc.property(instants, fc.integer({ min: 1, max: 400 }), (some, scale) => {
      const ascending = some.map((each) => each * scale).sort((a, b) => a - b);
      const counts = ascending.map(
        (last) => ascending.filter((each) => each <= last && each > last - 1_000_000).length,
      );
      const worst = worstOf(ascending);
      expect(worst.requests).toBe(Math.max(0, ...counts));
      const inside = ascending.filter((each) => each >= worst.fromUs && each <= worst.toUs);
      expect(inside).toHaveLength(worst.requests);
    }),
  );
});

test('among a million it forgets what has left the window, and still counts right', () => {
  const window = createSlidingWindow();
  for (let n = 0; n < 1_000_000; n++) window.add(n * 5_100);
  expect(window.worst).toEqual({ requests: 197, fromUs: 0, toUs: 196 * 5_100 });
});
