import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { earliest, epochNow, watchStalls } from '../support/stalls.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** The process does not run meanwhile: its clock goes on, and its timers are late. */
function standStill(ms: number): void {
  const late = performance.now() + ms;
  const now = vi.spyOn(performance, 'now').mockReturnValue(late);
  vi.runOnlyPendingTimers();
  now.mockRestore();
}

test('while something comes, a time in which the process did not run is noticed', () => {
  const watch = watchStalls();
  watch.start();
  watch.stamped();
  vi.advanceTimersByTime(500);
  const before = watch.stalls.length;
  vi.advanceTimersByTime(100);
  expect(watch.stalls).toHaveLength(before);

  standStill(40);

  expect(watch.stalls).toHaveLength(before + 1);
  const [stall] = watch.stalls.slice(-1);
  expect((stall?.untilMs ?? NaN) - (stall?.fromMs ?? NaN)).toBeGreaterThanOrEqual(40);
  watch.stop();
});

test('what comes first after a pause may have come sooner, what follows it may not; nobody looks at the clock meanwhile', () => {
  const watch = watchStalls();
  watch.start();
  expect(vi.getTimerCount()).toBe(0);
  watch.stamped();
  vi.advanceTimersByTime(2_000);
  expect(vi.getTimerCount()).toBe(0);

  watch.stamped();
  const first = epochNow();
  vi.advanceTimersByTime(20);
  watch.stamped();
  const next = epochNow();

  expect(first - earliest(first, watch.stalls)).toBeCloseTo(100);
  expect(earliest(next, watch.stalls)).toBe(next);
  watch.stop();
  expect(vi.getTimerCount()).toBe(0);
});
