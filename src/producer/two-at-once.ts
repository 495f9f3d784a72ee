/**
 * Uses items one after another, the next one begun while the one before it is under way:
 * while the queue stores a chunk, the next is being encoded. Waiting for each would leave
 * one of the two idle at any time.
 *
 * After a failure no more are begun; it fails when all that was under way has ended.
 *
 * @param signal - aborted, no more are begun either.
 */
export async function twoAtOnce<T>(
  items: AsyncIterable<T>,
  use: (item: T) => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  let before: Promise<void> = Promise.resolve();
  let last: Promise<void> = Promise.resolve();
  try {
    for await (const item of items) {
      if (signal?.aborted) break;
      await before;
      before = last;
      last = use(item);
      // Each is awaited later; until then its failure must not end the process.
      last.catch(() => undefined);
    }
    await before;
    await last;
  } finally {
    await Promise.allSettled([before, last]);
  }
}
