/**
 * Jobs that come back from BullMQ's failed set, because a person or a tool retried them
 * there (`job.retry()`, `queue.retryJobs()`, the button of a dashboard).
 *
 * The ledger says that such a destruction has ended. So it says of a job that runs once more
 * because its worker died between recording the end and telling BullMQ; that one must not be
 * sent again. What tells the two apart is the deduplication key of the room: BullMQ frees it
 * in the same script that puts the job into the failed set. A job that still owns its key was
 * never there. (`attemptsMade` does not tell: it can be reset with a retry, and it rises by a
 * later retry as well, while a paused worker that lost the job records an end.)
 *
 * A job that came back owns its key no more. So that its new run is safe in the same way, the
 * ledger remembers that the destruction is begun anew, until BullMQ has put its job into the
 * failed set again.
 */
import { isDataError, type Database } from '../ledger/database.js';
import { gather } from '../ledger/gather.js';
import { noteInFailedSet, reopenDestruction } from '../ledger/reopen.js';
import type { Destruction } from '../destruction.js';
import { doublingPauseMs, type Patience, patiently } from '../passing.js';
import { type DestroyJob, type DestroyQueue, withOnlyCreatedBefore } from '../queue/job.js';

/** Most jobs in one statement. */
const maximumGroup = 200;

/** How far apart two statements begin, in milliseconds. */
const gatherEveryMs = 50;

export interface CameBack {
  /**
   * Begins a destruction anew whose job was retried from the failed set.
   *
   * @returns what is asked for from now on: nothing of a room that was created meanwhile. undefined: it was not.
   */
  reopen(job: DestroyJob, destruction: Destruction): Promise<Destruction | undefined>;
  /** BullMQ has put the job of this destruction into the failed set. */
  isInFailedSet(destructionId: string): void;
  /** Resolves when the ledger knows all of them, or cannot be reached. */
  close(): Promise<void>;
}

export function createCameBack(options: {
  database: Database;
  queue: DestroyQueue;
  /** Database time now, in milliseconds since the epoch. */
  now: () => number;
}): CameBack {
  const { database, queue, now } = options;
  const closing = new AbortController();

  const patience: Patience = {
    pauseMs: doublingPauseMs,
    passes: (error) => !isDataError(error),
    signal: closing.signal,
  };
  const notes = gather<{ id: string; atMs: number }, undefined>(
    async (jobs) => {
      await patiently(patience, () => noteInFailedSet(database, jobs));
      return jobs.map(() => undefined);
    },
    { maximum: maximumGroup, everyMs: gatherEveryMs, isPassing: () => true },
  );

  return {
    async reopen(job, destruction) {
      // A job without a key was made by another program: nothing would tell a crash from a retry.
      if (job.deduplicationId === undefined) return undefined;
      // Past its deadline the room may be a new one; `replay` is for that.
      if (now() > destruction.notAfterMs) return undefined;
      if ((await queue.getDeduplicationJobId(job.deduplicationId)) === destruction.id)
        return undefined;
      const onlyCreatedBeforeMs = await reopenDestruction(database, destruction.id);
      if (onlyCreatedBeforeMs === undefined) return undefined;
      // For later runs; where the queue is away, they are as they were asked for.
      await job
        .updateData(withOnlyCreatedBefore(job.data, onlyCreatedBeforeMs))
        .catch(() => undefined);
      return { ...destruction, onlyCreatedBeforeMs };
    },
    isInFailedSet(destructionId) {
      // Where it cannot be noted, one retry from there is taken for a crash: it sends nothing,
      // and the next one does.
      notes.add({ id: destructionId, atMs: now() }).catch(() => undefined);
    },
    async close() {
      closing.abort();
      await notes.idle();
    },
  };
}
