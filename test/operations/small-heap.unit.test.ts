import { getHeapStatistics } from 'node:v8';
import { expect, test } from 'vitest';
import { createHeapKeeper } from '../../src/operations/small-heap.js';

const usedBytes = () => getHeapStatistics().used_heap_size;

/** Makes garbage that was alive for a while, as rooms under way are. */
function litter(megabytes: number): void {
  const kept = Array.from({ length: megabytes * 128 }, (_, index) => ({
    text: `${index}`.repeat(5),
    fields: Array.from({ length: 800 }, (_value, at) => index + at),
  }));
  kept.length = 0;
}

test('above the limit garbage is collected, and below it nothing is done', () => {
  const keepsNothing = createHeapKeeper(Number.MAX_SAFE_INTEGER);
  // What other files left behind.
  createHeapKeeper(0)();
  const before = usedBytes();
  const collects = createHeapKeeper(before + 2 ** 20);
  litter(40);
  const littered = usedBytes();
  keepsNothing();
  expect(usedBytes()).toBeGreaterThanOrEqual(littered);
  collects();
  expect(usedBytes()).toBeLessThan(before + (littered - before) / 2);
});
