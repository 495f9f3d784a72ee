/** Failures: after a few, each is answered later, so that trying on takes long. */

/** How many are answered at once. */
const free = 3;

/** How long the first of the others waits, each further one twice as long, and the longest. */
const firstMs = 250;
const longestMs = 5_000;

/** More are not counted: what is over must be forgotten in the end. */
const most = 10;

/** So long without another, and one is forgotten, in milliseconds. */
const forgetMs = 10_000;

/**
 * @param now - milliseconds of a clock that is never set.
 * @returns counts a failure, and gives how long it waits, in milliseconds.
 */
export function createSlowdown(now: () => number = () => performance.now()): () => number {
  let failures = 0;
  let lastAtMs = now();
  return () => {
    const nowMs = now();
    const forgotten = Math.floor((nowMs - lastAtMs) / forgetMs);
    failures = Math.min(most, Math.max(0, failures - forgotten) + 1);
    lastAtMs = nowMs;
    return failures <= free ? 0 : Math.min(longestMs, firstMs * 2 ** (failures - free - 1));
  };
}
