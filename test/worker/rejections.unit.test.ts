import { expect, test } from 'vitest';
import { createRejections } from '../../src/worker/rejections.js';

function rejectedUntilStop(rejections: ReturnType<typeof createRejections>): number {
  for (let rooms = 1; rooms <= 1_000; rooms++) if (rejections.saw(true)) return rooms;
  return Number.POSITIVE_INFINITY;
}

test('fifty rejections in a row stop the line', () => {
  expect(rejectedUntilStop(createRejections())).toBe(50);
});

test('a success between begins the count anew', () => {
  const rejections = createRejections();
  for (let rooms = 0; rooms < 49; rooms++) expect(rejections.saw(true)).toBe(false);
  expect(rejections.saw(false)).toBe(false);
  expect(rejectedUntilStop(rejections)).toBe(50);
});

test('once the line was stopped for it, a probe that is rejected stops it again', () => {
  const rejections = createRejections();
  rejections.trip();
  expect(rejections.saw(true)).toBe(true);
});

test('a probe that succeeds clears it', () => {
  const rejections = createRejections();
  rejections.trip();
  expect(rejections.saw(false)).toBe(false);
  expect(rejectedUntilStop(rejections)).toBe(50);
});

test('resumed by hand, fifty more may be rejected', () => {
  const rejections = createRejections();
  rejectedUntilStop(rejections);
  rejections.reset();
  expect(rejectedUntilStop(rejections)).toBe(50);
});
