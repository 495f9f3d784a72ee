import { expect } from 'vitest';

export interface SlidingWindow {
  /** Most instants in one window. */
  slots: number;
  /**
   * How far the last of `slots` + 1 instants in a row lies behind the first, at least, in
   * milliseconds; as a function, of the index of the last.
   */
  spanMs: number | ((last: number) => number);
  /** Two may be at the same instant: slots that were used late. */
  mayCoincide?: boolean;
}

/** Milliseconds since the epoch are doubles: what they cannot tell apart is not an error. */
const precisionMs = 0.001;

/**
 * The promise of the limiter, for any instants: those granted, those used, or those at
 * which requests arrived. They ascend, and no window holds more of them than it may.
 */
export function assertSlidingWindow(
  instants: readonly number[],
  { slots, spanMs, mayCoincide = false }: SlidingWindow,
): void {
  const spanOf = typeof spanMs === 'number' ? () => spanMs : spanMs;
  const broken: string[] = [];
  for (let last = 1; last < instants.length; last++) {
    const instant = instants[last] ?? NaN;
    const before = instants[last - 1] ?? NaN;
    if (!(instant > before || (mayCoincide && instant === before)))
      broken.push(`number ${last} at ${instant} follows ${before}`);
    const first = instants[last - slots];
    if (first === undefined) continue;
    const least = spanOf(last);
    if (instant - first < least - precisionMs)
      broken.push(
        `number ${last} is ${instant - first} ms behind number ${last - slots}, must be ${least}`,
      );
  }
  expect(broken, `windows of ${slots} in ${instants.length} instants`).toEqual([]);
}
