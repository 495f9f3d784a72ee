/**
 * Every arrival, and how many fell into the sliding window that ends with it.
 *
 * The window is half open: arrivals at t and t + windowMs are not in one window. The worst
 * window of all always ends with some arrival, so looking back at each arrival is exact.
 * A pointer to the oldest arrival still in the window makes that O(1) on average.
 *
 * The newest `keep` arrivals stay for plots (32 MB at the default); when they are full the
 * older half is dropped. Counts and the worst window cover the whole run nevertheless.
 */
export function createArrivals(windowMs = 1_000, keep = 4_000_000) {
  let times = new Float64Array(1_024);
  let length = 0;
  let windowStart = 0;
  let count = 0;
  let worst = 0;
  let first: number | undefined;

  const at = (index: number): number => times[index] ?? 0;

  function makeRoom(): void {
    const dropped = Math.floor(length / 2);
    // What the current window still needs is never dropped.
    if (length >= keep && dropped <= windowStart) {
      times.copyWithin(0, dropped, length);
      length -= dropped;
      windowStart -= dropped;
      return;
    }
    const larger = new Float64Array(times.length * 2);
    larger.set(times);
    times = larger;
  }

  return {
    /** Takes an arrival at `now` (ms, never going back) and returns how many its window holds. */
    record(now: number): number {
      if (length === times.length) makeRoom();
      times[length++] = now;
      first ??= now;
      count++;
      while (now - at(windowStart) >= windowMs) windowStart++;
      const inWindow = length - windowStart;
      if (inWindow > worst) worst = inWindow;
      return inWindow;
    },
    count: () => count,
    /** Most arrivals in any sliding window. */
    worstWindow: () => worst,
    /** From the first arrival to the last. */
    spanMs: () => (first === undefined ? 0 : at(length - 1) - first),
    /** The newest arrivals, oldest first: ms since the first arrival of all. */
    times(): Float64Array {
      const since = first ?? 0;
      return times.slice(0, length).map((time) => time - since);
    },
  };
}
