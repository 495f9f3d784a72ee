/** The rooms of batches that wait on the queue. */
import type { Destruction } from '../destruction.js';
import { type DestroyQueue, readDestruction } from './job.js';

/** Jobs read by one call. */
const pageSize = 1_000;

/** How much two pages overlap: as many jobs may be added before a page while it is read. */
const overlap = 100;

/**
 * In the order in which a job goes through them, so that one that moves on while they are
 * read is found in the next.
 */
const states = ['delayed', 'prioritized', 'wait', 'active'] as const;

/**
 * Reads what is on the queue for a batch. Each list is read from its end: jobs leave it at
 * its beginning, and what moves up meanwhile comes again rather than being passed over. So
 * a room may come more than once, and while the queue moves one may be missed.
 *
 * @throws the queue's error where it cannot be reached.
 */
export async function* waitingOfBatch(
  queue: DestroyQueue,
  batchId: string,
): AsyncGenerator<Destruction[]> {
  for (const state of states) {
    let end = (await queue.getJobCountByTypes(state)) - 1;
    while (end >= 0) {
      const start = Math.max(0, end - pageSize + 1);
      const jobs = await queue.getJobs([state], start, end, true);
      const found = jobs.flatMap((job) => {
        const destruction = readDestruction(job.id, job.data, job.timestamp);
        return destruction?.batchId === batchId ? [destruction] : [];
      });
      if (found.length > 0) yield found;
      end = start === 0 ? -1 : start - 1 + overlap;
    }
  }
}

/** Jobs of each list that are looked at where only its front is. */
const frontSize = 500;

/** What goes next, is due next or is in hand, of all batches: at most so many of each. */
export async function readFront(queue: DestroyQueue): Promise<Destruction[]> {
  const jobs = await queue.getJobs([...states], 0, frontSize - 1, true);
  return jobs.flatMap((job) => readDestruction(job.id, job.data, job.timestamp) ?? []);
}
