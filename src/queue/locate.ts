/** Where on the queue a room's destruction is. */
import type { Destruction } from '../destruction.js';
import { type DestroyQueue, type Lane, readDestruction } from './job.js';
import type { QueueLookUp } from './look-up.js';
import { countUpTo, laneOf } from './turns.js';

export type JobPlace =
  | {
      state: 'waiting';
      /** Jobs that go before it; at most so many where `exact` is false. */
      ahead: number;
      exact: boolean;
    }
  /** A worker has taken it up. */
  | { state: 'in_hand'; sinceMs: number | undefined }
  /** Not due yet, or waiting for a later retry. */
  | {
      state: 'delayed';
      dueAtMs: number | undefined;
      /** Why its last run failed; undefined: none did. */
      lastFailure?: string | undefined;
    }
  /** Ended and not gone; kept for people to look at. */
  | { state: 'failed'; reason: string; atMs: number | undefined };

export interface LocatedJob {
  id: string;
  /** undefined: the job holds no valid destruction; another program wrote it. */
  destruction: Destruction | undefined;
  /** undefined: a priority that is no lane of ours. */
  lane: Lane | undefined;
  /** Runs that failed so far: above 0 a delayed job waits for a later retry. */
  failedRuns: number;
  place: JobPlace;
}

/** The pending destruction of a room, found by its deduplication id, without a search. */
export async function locateRoom(
  queue: DestroyQueue,
  lookUp: QueueLookUp,
  roomId: string,
): Promise<LocatedJob | undefined> {
  const jobId = await queue.getDeduplicationJobId(roomId);
  return jobId === null ? undefined : locateJob(queue, lookUp, jobId);
}

/** undefined: it is not on the queue (any more). */
export async function locateJob(
  queue: DestroyQueue,
  lookUp: QueueLookUp,
  jobId: string,
): Promise<LocatedJob | undefined> {
  const job = await queue.getJob(jobId);
  if (job === undefined) return undefined;
  const { priority } = job;
  const lane = priority > 0 ? laneOf(priority) : undefined;
  const place = await placeOf();
  if (place === undefined) return undefined;
  const destruction = readDestruction(job.id, job.data, job.timestamp);
  return { id: jobId, destruction, lane, failedRuns: job.attemptsMade, place };

  async function placeOf(): Promise<JobPlace | undefined> {
    // Linear only among the jobs in hand, and among those without a priority: ours have one.
    const state = await queue.getJobState(jobId);
    switch (state) {
      case 'waiting':
      case 'prioritized':
        return { state: 'waiting', ...(await aheadOf(queue, lookUp, jobId, priority)) };
      case 'active':
        return { state: 'in_hand', sinceMs: job?.processedOn };
      case 'delayed':
        return {
          state: 'delayed',
          dueAtMs: await lookUp.dueAt(jobId),
          lastFailure: job?.failedReason,
        };
      case 'failed':
        return { state: 'failed', reason: job?.failedReason ?? '', atMs: job?.finishedOn };
      case 'completed':
      case 'waiting-children':
      case 'unknown':
        return undefined;
      default:
        return state satisfies never;
    }
  }
}

/** Exact where BullMQ's own structures say so; else all that wait up to its priority. */
async function aheadOf(
  queue: DestroyQueue,
  lookUp: QueueLookUp,
  jobId: string,
  priority: number,
): Promise<{ ahead: number; exact: boolean }> {
  const ahead = await lookUp.ahead(jobId).catch(() => undefined);
  if (ahead !== undefined) return { ahead, exact: true };
  const waiting = await countUpTo(queue, priority);
  return { ahead: Math.max(0, waiting - 1), exact: false };
}
