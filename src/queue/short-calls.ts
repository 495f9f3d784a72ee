import type { DestroyJob, DestroyQueue } from './job.js';

/**
 * Most jobs in one statement on the embedded database, which runs one at a time: while it adds 250,
 * a tenth of a second, no worker is granted a slot.
 */
export const jobsAtOnce = 25;

/** Adds jobs in calls between which others get their turn. Some of them may be there where it fails. */
export function addInShortCalls(queue: DestroyQueue): void {
  const addAll = queue.addBulk.bind(queue);
  queue.addBulk = async (jobs) => {
    const added: DestroyJob[] = [];
    for (let from = 0; from < jobs.length; from += jobsAtOnce)
      added.push(...(await addAll(jobs.slice(from, from + jobsAtOnce))));
    return added;
  };
}
