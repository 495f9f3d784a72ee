import { setMaxListeners } from 'node:events';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createSlotTimer } from '../../src/limiter/slot-timer.js';

beforeEach(() => vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
afterEach(() => vi.useRealTimers());

const monotonic = () => performance.now();
const never = new AbortController().signal;
// As the worker does for its own: a thousand may wait for one signal.
setMaxListeners(0, never);

/** Waits for all instants at once; gives back which came when, in the order in which they came. */
function waitFor(instants: readonly number[], timer = createSlotTimer(monotonic)) {
  const came: { at: number; now: number }[] = [];
  for (const at of instants) {
    void timer.until(at, never).then(() => came.push({ at, now: monotonic() }));
  }
  return came;
}

describe('waiting for an instant', () => {
  test('ends at it, and not a millisecond before', async () => {
    const start = monotonic();
    const came = waitFor([start + 100]);
    await vi.advanceTimersByTimeAsync(99);
    expect(came).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(came).toEqual([{ at: start + 100, now: start + 100 }]);
  });

  test.each([0, -1, -60_000])('that is over (%d ms ago) ends at once', async (ago) => {
    const came = waitFor([monotonic() + ago]);
    await vi.advanceTimersByTimeAsync(0);
    expect(came).toHaveLength(1);
  });

  test('that is over ends at once, though others wait for later ones', async () => {
    const start = monotonic();
    const timer = createSlotTimer(monotonic);
    const later = waitFor([start + 1_000, start + 2_000], timer);
    const over = waitFor([start - 5], timer);
    await vi.advanceTimersByTimeAsync(0);
    expect(over).toHaveLength(1);
    expect(later).toEqual([]);
  });

  test('a timer that fires early lets nobody through early', async () => {
    // This clock goes at half the speed of the timers.
    const slow = () => performance.now() / 2;
    const start = slow();
    const ends: number[] = [];
    void createSlotTimer(slow)
      .until(start + 100, never)
      .then(() => ends.push(slow() - start));
    await vi.advanceTimersByTimeAsync(190);
    expect(ends).toEqual([]);
    await vi.advanceTimersByTimeAsync(20);
    expect(ends).toHaveLength(1);
    expect(ends[0]).toBeGreaterThanOrEqual(99.5);
  });
});

describe('many who wait', () => {
  test('go in the order of their instants, whatever the order in which they came', async () => {
    const start = monotonic();
    const came = waitFor([30, 10, 20, 10.4, 5].map((after) => start + after));
    await vi.advanceTimersByTimeAsync(100);
    expect(came.map(({ at }) => Math.round((at - start) * 10) / 10)).toEqual([5, 10, 10.4, 20, 30]);
  });

  test('of the same instant go in the order in which they came', async () => {
    const at = monotonic() + 10;
    const timer = createSlotTimer(monotonic);
    const came: number[] = [];
    for (const n of [1, 2, 3]) void timer.until(at, never).then(() => came.push(n));
    await vi.advanceTimersByTimeAsync(10);
    expect(came).toEqual([1, 2, 3]);
  });

  test('share one timer, and leave none behind', async () => {
    const start = monotonic();
    const came = waitFor(Array.from({ length: 1_000 }, (_, slot) => start + slot * 5.1));
    expect(vi.getTimerCount()).toBe(1);
    await vi.advanceTimersByTimeAsync(2_550);
    expect(came).toHaveLength(501);
    expect(vi.getTimerCount()).toBe(1);
    await vi.advanceTimersByTimeAsync(2_550);
    expect(came).toHaveLength(1_000);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('whatever their instants: each within a millisecond after its own, half of one before it', async () => {
    const instants = fc.array(fc.double({ min: -50, max: 500, noNaN: true }), { maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(instants, async (offsets) => {
        const start = monotonic();
        const came = waitFor(offsets.map((offset) => start + offset));
        await vi.advanceTimersByTimeAsync(501);
        expect(came).toHaveLength(offsets.length);
        for (const { at, now } of came) {
          const due = Math.max(at, start);
          expect(now).toBeGreaterThanOrEqual(due - 0.5);
          expect(now).toBeLessThanOrEqual(due + 1);
        }
        expect(came.map(({ at }) => at)).toEqual(came.map(({ at }) => at).sort((a, b) => a - b));
      }),
      { numRuns: 50 },
    );
  });
});

describe('an abort', () => {
  const reason = new Error('the line is stopped');

  test('before the wait rejects it with its reason, and starts no timer', async () => {
    const timer = createSlotTimer(monotonic);
    await expect(timer.until(monotonic() + 10, AbortSignal.abort(reason))).rejects.toBe(reason);
    expect(vi.getTimerCount()).toBe(0);
  });

  test.each(['first', 'middle', 'last'] as const)(
    'of the %s one rejects it at once, and the others wait on',
    async (which) => {
      const start = monotonic();
      const timer = createSlotTimer(monotonic);
      const controller = new AbortController();
      const others = waitFor([start + 10, start + 30], timer);
      const at = start + { first: 5, middle: 20, last: 40 }[which];
      const aborted = timer.until(at, controller.signal);
      const rejected = expect(aborted).rejects.toBe(reason);
      controller.abort(reason);
      await rejected;
      expect(monotonic()).toBe(start);
      await vi.advanceTimersByTimeAsync(100);
      expect(others.map(({ now }) => now - start)).toEqual([10, 30]);
      expect(vi.getTimerCount()).toBe(0);
    },
  );

  test('of all leaves no timer behind', async () => {
    const timer = createSlotTimer(monotonic);
    const controller = new AbortController();
    const waits = [10, 20, 20, 30].map((ms) => timer.until(monotonic() + ms, controller.signal));
    controller.abort(reason);
    for (const wait of await Promise.allSettled(waits)) {
      expect(wait).toEqual({ status: 'rejected', reason });
    }
    expect(vi.getTimerCount()).toBe(0);
  });

  test('after the wait takes nobody else out', async () => {
    const start = monotonic();
    const timer = createSlotTimer(monotonic);
    const controller = new AbortController();
    void timer.until(start + 10, controller.signal);
    const others = waitFor([start + 20, start + 30], timer);
    await vi.advanceTimersByTimeAsync(10);
    controller.abort(reason);
    await vi.advanceTimersByTimeAsync(100);
    expect(others).toHaveLength(2);
  });
});
