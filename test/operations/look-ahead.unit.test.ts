import { expect, test } from 'vitest';
import { paceOf } from '../../src/operations/look-ahead.js';

test('a line that no worker has made yet is taken to go at the full rate', () => {
  expect(paceOf(undefined, 5, 1.5, false)).toMatchObject({
    ...{ ratePerSecond: 200, fullRatePerSecond: 200, requestsPerRoom: 1.5, held: undefined },
  });
  expect(paceOf(undefined, 5, 1, true).held).toBe('paused');
});
