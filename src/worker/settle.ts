/**
 * How a run leaves its job, and what BullMQ is told. BullMQ learns by what the processor
 * throws, and by nothing else whether a job is its own to move:
 *
 *   ended, and the room is gone or was taken back ──► completed
 *   ended otherwise, or forged                    ──► the failed set
 *   retry later                                   ──► delayed in the retry lane, and counted
 *   given back, or unsaved                        ──► waiting, not counted
 *   put off                                       ──► delayed, not counted
 */
import { DelayedError, UnrecoverableError, WaitingError } from 'bullmq';
import { isGone, type Outcome, type Statistics } from '../destruction.js';
import { type DestroyJob, lanes } from '../queue/job.js';
import { keepUnsaved, type UnsavedResult } from './unsaved-result.js';

export type RunEnd =
  /** The ledger has its outcome; `known`: it had it before this run. */
  | { kind: 'ended'; outcome: Outcome; reason: string; known?: true; statistics?: Statistics }
  /** Another program wrote the job: nothing is recorded. */
  | { kind: 'forged'; reason: string }
  /** It failed in a way that may pass, and has a run left. */
  | { kind: 'retry_later'; reason: string; delayMs: number }
  /** Unspent: the line is stopped, or this worker holds back or is shutting down. */
  | { kind: 'given_back'; reason: string }
  /** Unspent, and looked at again after this, behind the others of its lane. */
  | { kind: 'put_off'; reason: string; delayMs: number }
  | UnsavedResult;

/**
 * Whether a job leaves the queue with this outcome: nobody retries what was taken back, either, and
 * a room that was created again is another one.
 */
export function leavesQueue(outcome: Outcome): boolean {
  return isGone(outcome) || outcome === 'cancelled' || outcome === 'recreated';
}

/**
 * Tells BullMQ. Returns where the job is completed.
 *
 * Where the queue cannot be reached, the job's lock runs out and it runs again by itself.
 *
 * @throws UnrecoverableError, WaitingError, DelayedError, or an Error with the reason, where the
 *   job is to be delayed.
 */
export async function settle(
  end: RunEnd,
  job: DestroyJob,
  token: string | undefined,
): Promise<void> {
  switch (end.kind) {
    case 'ended':
      if (leavesQueue(end.outcome)) return;
      throw new UnrecoverableError(`${end.outcome}: ${end.reason}`);
    case 'forged':
      throw new UnrecoverableError(end.reason);
    case 'retry_later':
      await toRetryLane(job);
      job.opts.backoff = { type: 'fixed', delay: end.delayMs };
      throw new Error(end.reason);
    case 'unsaved':
      await keepUnsaved(end.sealed, job);
      return toWait(job, token);
    case 'given_back':
      return toWait(job, token);
    case 'put_off':
      await job.moveToDelayed(Date.now() + end.delayMs, token).catch(() => undefined);
      throw new DelayedError();
    default:
      return end satisfies never;
  }
}

/** A retry must not wait behind a hundred thousand others. */
export async function toRetryLane(job: DestroyJob): Promise<void> {
  if (job.priority === lanes.urgent || job.priority === lanes.retry) return;
  await job.changePriority({ priority: lanes.retry }).catch(() => undefined);
}

async function toWait(job: DestroyJob, token: string | undefined): Promise<never> {
  await job.moveToWait(token).catch(() => undefined);
  throw new WaitingError();
}
