import { expect, test } from 'vitest';
import { lanes } from '../../src/queue/job.js';
import { probeOrder } from '../../src/worker/attempt.js';

const inTurn = (lane: number, failedProbes: number) => lane + probeOrder(failedProbes);

test.each([1, 2, 3])('after %i tries a room goes before the others of its lane', (tries) => {
  expect(inTurn(lanes.bulk, tries)).toBeLessThan(inTurn(lanes.bulk, 0));
  expect(inTurn(lanes.bulk, tries)).toBeGreaterThan(inTurn(lanes.normal, 0));
});

test('after four tries it goes behind rooms of any lane that have tried less often', () => {
  const furthest = 2 ** 21;
  expect(inTurn(lanes.urgent, 4)).toBeGreaterThan(inTurn(furthest, 0));
  expect(inTurn(lanes.urgent, 7)).toBeGreaterThan(inTurn(furthest, 3));
  expect(inTurn(lanes.urgent, 8)).toBeGreaterThan(inTurn(furthest, 7));
});

test('where all have tried as often the lanes count again', () => {
  expect(inTurn(lanes.urgent, 4)).toBeLessThan(inTurn(lanes.bulk, 4));
});
