/**
 * Jobs that no worker has in hand: finding them, to take them off the queue (./many-jobs.ts).
 *
 * Both go in pages of one thousand and in commands of microseconds each: BullMQ's
 * `drain`, which is one command, would block Redis for as long as the queue is long. Measured
 * with 100,000 waiting rooms on Redis 7.0: 0.2 s to read all ids, 2.5 s to read the jobs, 3.2 s
 * to remove them. `remove` is logarithmic for jobs with a priority, and all of ours have one.
 */
import type { DestroyQueue } from './open.js';

/** Ids or jobs in one round of commands. */
export const waitingPage = 1_000;

/**
 * In the order in which a job passes through them: it is found in the next where it left the
 * one before meanwhile. `wait` holds what other tools retried without its priority.
 */
const waitingStates = ['delayed', 'wait', 'prioritized'] as const;

/**
 * Ids of the jobs that wait, or are delayed. From the back of the queue to its front: workers
 * take from the front, so they do not shift the pages. What is given back meanwhile is missed:
 * look again until there is nothing left.
 */
export async function* waitingIds(queue: DestroyQueue): AsyncGenerator<string[]> {
  for (const state of waitingStates) {
    for (let from = 0; ;) {
      const page = await queue.getRanges([state], from, from + waitingPage - 1, false);
      if (page.length === 0) break;
      from += page.length;
      yield page;
    }
  }
}

/** Ids of the jobs that workers have in hand. */
export function idsInHand(queue: DestroyQueue): Promise<string[]> {
  return queue.getRanges(['active'], 0, -1);
}
