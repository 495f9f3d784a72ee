/**
 * Jobs that no worker has in hand: finding them and taking them off the queue.
 *
 * Everything here goes in pages of one thousand and in commands of microseconds each: BullMQ's
 * `drain`, which is one command, would block Redis for as long as the queue is long. Measured
 * with 100,000 waiting rooms on Redis 7.0: 0.2 s to read all ids, 2.5 s to read the jobs, 3.2 s
 * to remove them. `remove` is logarithmic for jobs with a priority, and all of ours have one.
 */
import { readDestruction, type Destruction } from './job.js';
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

/** The destructions of these jobs that are still there. A job of another program is left out. */
export async function readJobs(
  queue: DestroyQueue,
  ids: readonly string[],
): Promise<Destruction[]> {
  const jobs = await Promise.all(ids.map((id) => queue.getJob(id)));
  return jobs.flatMap((job) => {
    const destruction = job && readDestruction(job.id, job.data, job.timestamp);
    return destruction === undefined ? [] : [destruction];
  });
}

/** Which of these jobs are on the queue, waiting, in hand or failed. */
export async function existing(queue: DestroyQueue, ids: readonly string[]): Promise<Set<string>> {
  const jobs = await Promise.all(ids.map((id) => queue.getJob(id)));
  return new Set(ids.filter((_, index) => jobs[index] !== undefined));
}

/**
 * Takes these jobs off the queue, and frees their rooms to be asked for again.
 *
 * @returns those that are off it; the others are in a worker's hand.
 */
export async function removeJobs(
  queue: DestroyQueue,
  ids: readonly string[],
): Promise<Set<string>> {
  const codes = await Promise.all(ids.map((id) => queue.remove(id, { removeChildren: false })));
  const left = ids.filter((_, index) => codes[index] !== 1);
  // On Postgres a job that is not there any more is not told from one in hand.
  const there = left.length > 0 ? await existing(queue, left) : new Set<string>();
  return new Set(ids.filter((id, index) => codes[index] === 1 || !there.has(id)));
}
