/**
 * Jobs that no worker has in hand: finding them, to take them off the queue (./many-jobs.ts).
 *
 * Both go in pages of one thousand and in commands of microseconds each: BullMQ's
 * `drain`, which is one command, would block Redis for as long as the queue is long. Measured
 * with 100,000 waiting rooms on Redis 7.0: 0.2 s to read all ids, 2.5 s to read the jobs, 3.2 s
 * to remove them. `remove` is logarithmic for jobs with a priority, and all of ours have one.
 */
import type { DestroyQueue } from './job.js';

/** Ids or jobs in one round of commands. */
export const waitingPage = 1_000;

/**
 * In the order in which a job passes through them: it is found in the next where it left the
 * one before meanwhile. `wait` holds what other tools retried without its priority.
 */
const waitingStates = ['delayed', 'wait', 'prioritized'] as const;

/** Ids that are held at once: some ten megabytes. */
const idsAtOnce = 50_000;

/**
 * Ids of the jobs that wait, or are delayed, in groups of at most `atOnce`. `visit` may take
 * jobs off the queue, and says how many it took; the next group is read after it. From the back
 * of the queue to its front: workers take from the front, so they do not shift what is read.
 * What is given back meanwhile is missed: look again until there is nothing left.
 *
 * @param signal - aborted, nothing more is read.
 */
export async function visitWaiting(
  queue: DestroyQueue,
  visit: (ids: string[]) => Promise<number>,
  signal: AbortSignal,
  atOnce = idsAtOnce,
): Promise<void> {
  for (const state of waitingStates) {
    for (let from = 0; !signal.aborted;) {
      const ids = await readIds(queue, state, from, atOnce);
      if (ids.length === 0) break;
      from += ids.length - (await visit(ids));
    }
  }
}

async function readIds(
  queue: DestroyQueue,
  state: (typeof waitingStates)[number],
  from: number,
  atMost: number,
): Promise<string[]> {
  const ids: string[] = [];
  for (let more = true; more && ids.length < atMost;) {
    const first = from + ids.length;
    const last = Math.min(first + waitingPage, from + atMost) - 1;
    const page = await queue.getRanges([state], first, last, false);
    ids.push(...page);
    more = page.length > 0;
  }
  return ids;
}

/** Ids of the jobs that workers have in hand. */
export function idsInHand(queue: DestroyQueue): Promise<string[]> {
  return queue.getRanges(['active'], 0, -1);
}
