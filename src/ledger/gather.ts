/**
 * Group calls: while one call is under way, and for a moment after it began, new items
 * gather for the next. So a busy process makes few large statements, and an idle one
 * makes a small one at once.
 */

export interface Gather<T, R> {
  /** Resolves with the result of its own item. */
  add(item: T): Promise<R>;
  /** How many items wait for the next call. */
  readonly waiting: number;
  /** Resolves when nothing gathered is left. */
  idle(): Promise<void>;
}

interface Waiter<T, R> {
  item: T;
  resolve(result: R): void;
  reject(error: unknown): void;
}

/**
 * @param call - gets at least one item, returns a result for each, in the same order.
 * @param options.isPassing - whether a failed call may succeed later, for all its items; after
 *   any other failure of a group each item is called alone.
 * @param options.maximum - most items in one call.
 * @param options.everyMs - two calls begin at least this far apart, in milliseconds,
 * @param options.enough - or as soon as so many wait.
 * @param options.order - the order in which waiting items go.
 */
export function gather<T, R>(
  call: (items: readonly T[]) => Promise<readonly R[]>,
  options: {
    maximum: number;
    everyMs: number;
    enough?: number;
    isPassing: (error: unknown) => boolean;
    order?: (a: T, b: T) => number;
  },
): Gather<T, R> {
  const { maximum, everyMs, enough = Number.POSITIVE_INFINITY, isPassing, order } = options;
  const waiting: Waiter<T, R>[] = [];
  let running: Promise<void> | undefined;
  let lastBegan = Number.NEGATIVE_INFINITY;
  let endPause: (() => void) | undefined;

  async function pause(ms: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      endPause = resolve;
      timer = setTimeout(resolve, ms);
    });
    clearTimeout(timer);
    endPause = undefined;
  }

  async function run(): Promise<void> {
    // What was added in this same turn of the event loop goes together.
    await Promise.resolve();
    while (waiting.length > 0) {
      const pauseMs = lastBegan + everyMs - performance.now();
      if (pauseMs > 0 && waiting.length < enough) await pause(Math.ceil(pauseMs));
      lastBegan = performance.now();
      if (order) waiting.sort((a, b) => order(a.item, b.item));
      const group = waiting.splice(0, maximum);
      try {
        const results = await call(group.map((waiter) => waiter.item));
        for (const [index, waiter] of group.entries()) waiter.resolve(results[index] as R);
      } catch (error) {
        // One bad item must not take the others with it.
        if (group.length > 1 && !isPassing(error)) await runAlone(group);
        else for (const waiter of group) waiter.reject(error);
      }
    }
    running = undefined;
  }

  async function runAlone(group: readonly Waiter<T, R>[]): Promise<void> {
    for (const waiter of group) {
      try {
        const [result] = await call([waiter.item]);
        waiter.resolve(result as R);
      } catch (error) {
        waiter.reject(error);
      }
    }
  }

  return {
    add(item) {
      return new Promise((resolve, reject) => {
        waiting.push({ item, resolve, reject });
        if (waiting.length >= enough) endPause?.();
        running ??= run();
      });
    },
    get waiting() {
      return waiting.length;
    },
    async idle() {
      while (running) await running;
    },
  };
}
