/** Putting destructions on the queue. */
import type { JobsOptions } from 'bullmq';
import { ReaperError } from '../errors.js';
import { jobName, lanes, toJobData, type Destruction, type Lane } from '../queue/job.js';
import type { DestroyQueue } from '../queue/open.js';
import { refusalReason } from '../queue/refusal.js';

export interface Added {
  roomId: string;
  /** The destruction that will destroy the room: a new one, or the one that was pending already. */
  destructionId: string;
  /** `added`: a new destruction. `pending`: one for this room was waiting or in hand already. */
  status: 'added' | 'pending';
}

export interface Placement {
  lane: Extract<Lane, 'urgent' | 'normal' | 'bulk'>;
  /** Milliseconds from now. */
  delayMs: number;
}

/** BullMQ's advice is 500–1,000 jobs a call. */
export const addChunk = 1_000;

/**
 * Adds up to {@link addChunk} destructions in one call. Safe to repeat with the same ids.
 *
 * @throws ReaperError `UNAVAILABLE` where the queue does not take them; some may be on it.
 *
 * A room that has a pending destruction is not added again: BullMQ keeps its RoomId as
 * deduplication id until that job has completed or failed for good.
 */
export async function addDestructions(
  queue: DestroyQueue,
  destructions: readonly Destruction[],
  placement: Placement,
): Promise<Added[]> {
  const jobs = await queue
    .addBulk(
      destructions.map((destruction) => ({
        name: jobName,
        data: toJobData(destruction),
        opts: jobOptions(destruction, placement),
      })),
    )
    .catch(refused);
  return destructions.map((destruction, index) => {
    const id = jobs[index]?.id ?? destruction.id;
    return {
      roomId: destruction.roomId,
      destructionId: id,
      status: id === destruction.id ? 'added' : 'pending',
    };
  });
}

function refused(error: unknown): never {
  throw new ReaperError(
    'UNAVAILABLE',
    `the queue did not take the rooms: ${refusalReason(error)}; ask again then, nothing is added twice`,
    { cause: error },
  );
}

function jobOptions(destruction: Destruction, placement: Placement): JobsOptions {
  return {
    jobId: destruction.id,
    timestamp: destruction.requestedAtMs,
    priority: lanes[placement.lane],
    deduplication: { id: destruction.roomId },
    ...(placement.delayMs > 0 ? { delay: placement.delayMs } : {}),
  };
}

/** A deadline that is later by less than this is not worth a write, in milliseconds. */
const deadlineSlackMs = 60_000;

/**
 * Brings a pending destruction forward where the new request is more urgent, or due
 * sooner, and gives it the new request's deadline where that is later.
 *
 * @throws ReaperError `UNAVAILABLE` where the queue cannot be asked.
 */
export async function bringForward(
  queue: DestroyQueue,
  jobId: string,
  placement: Placement,
  notAfterMs: number,
): Promise<void> {
  const job = await queue.getJob(jobId).catch(refused);
  if (job === undefined) return;
  if (lanes[placement.lane] < job.priority) {
    await job.changePriority({ priority: lanes[placement.lane] }).catch(refused);
  }
  const data = { ...job.data };
  if (notAfterMs > data.n + deadlineSlackMs) data.n = notAfterMs;
  // It may end or be taken up this very moment: then there is nothing to bring forward.
  if (await job.isDelayed().catch(refused)) {
    const dueAtMs = Date.now() + placement.delayMs;
    if (placement.delayMs === 0) {
      await job.promote().catch(() => undefined);
    } else if (job.attemptsMade === 0 && (data.d ?? job.timestamp + job.delay) > dueAtMs) {
      // A later retry is left alone: when it is due cannot be read here, and it is soon.
      await job.changeDelay(placement.delayMs).catch(() => undefined);
      data.d = dueAtMs;
    }
  }
  if (data.n !== job.data.n || data.d !== job.data.d) {
    await job.updateData(data).catch(() => undefined);
  }
}
