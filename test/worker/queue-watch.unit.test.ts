import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ReaperError } from '../../src/errors.js';
import { watchQueue } from '../../src/worker/queue-watch.js';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const minutes = (count: number) => vi.advanceTimersByTimeAsync(count * 60_000);

test('the queue is looked at once a minute; a store that is away ends nothing', async () => {
  let looks = 0;
  const watching = watchQueue(
    () => {
      looks += 1;
      return Promise.reject(new Error('away'));
    },
    () => expect.unreachable(),
  );
  await minutes(3);
  watching.stop();
  await minutes(3);
  expect(looks).toBe(3);
});

test('one look that does not end is not followed by others', async () => {
  let looks = 0;
  const watching = watchQueue(
    () => {
      looks += 1;
      return new Promise(() => undefined);
    },
    () => expect.unreachable(),
  );
  await minutes(5);
  watching.stop();
  expect(looks).toBe(1);
});

test('that it belongs to another ledger is told once', async () => {
  const told: ReaperError[] = [];
  const reason = new ReaperError('INVALID', 'another ledger');
  watchQueue(
    () => Promise.reject(reason),
    (each) => told.push(each),
  );
  await minutes(5);
  expect(told).toEqual([reason]);
});
