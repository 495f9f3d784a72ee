/**
 * One job, from the queue to its end. The whole way reads here; each step has its own
 * module.
 */
import { DelayedError, UnrecoverableError, WaitingError } from 'bullmq';
import pRetry from 'p-retry';
import { type Destruction, isGone } from '../destruction.js';
import type { RecordItem } from '../ledger/record.js';
import { type DestroyJob, lanes, readDestruction } from '../queue/job.js';
import { attemptDestruction, endUnsent, type Ended } from './attempt.js';
import { attemptsPerRun, laterRetryDelayMs, quickRetryDelayMs } from './backoff.js';
import type { JobInHand, WorkerContext } from './context.js';
import { endProtected } from './protected.js';
import { GiveBack, RetryLater, TransientFailure } from './signals.js';
import { abortableSleep } from './sleep.js';
import { readUnsaved, UnsavedResult, writeUnsaved } from './unsaved-result.js';

/** Delay before a job that met an unexpected error, or is in hand already, is looked at again, in milliseconds. */
const lookAgainMs = 10_000;

/** A job that is delayed goes behind the others of its lane, also for so short a time, in milliseconds. */
const toBackMs = 5_000;

/** Delay before a job that could not be read is read again, in milliseconds. */
const readAgainMs = 1_000;

/** How often a job that cannot be read is read again. */
const readAgainTimes = 2;

/**
 * Takes one job to its end, or back to the queue.
 *
 * Returns: the room is gone, or was taken back, and the ledger says so; BullMQ completes the job.
 *
 * @throws UnrecoverableError where it ended and the room is not gone: it stays in the failed set.
 * @throws RetryLater where it is to be tried again; BullMQ delays it.
 * @throws WaitingError, DelayedError where it went back to the queue unspent.
 */
export async function processJob(
  job: DestroyJob,
  token: string | undefined,
  context: WorkerContext,
): Promise<void> {
  const destruction = readDestruction(job.id, job.data, job.timestamp);
  if (destruction === undefined) {
    // Something on the way may have spoilt it: it is read again before it fails for good.
    const readBefore = context.unreadable.get(job.id ?? '') ?? 0;
    if (readBefore < readAgainTimes) {
      context.unreadable.set(job.id ?? '', readBefore + 1);
      return delay(job, token, readAgainMs);
    }
    context.unreadable.delete(job.id ?? '');
    context.log.error(
      { jobId: job.id },
      'job has no valid destruction in it; another program wrote it',
    );
    throw new UnrecoverableError('the job has no valid destruction in it');
  }
  context.unreadable.delete(destruction.id);
  if (context.inHand.has(destruction.id)) return delay(job, token);

  context.inHand.add(destruction.id);
  context.limiter.countInHand(1);
  try {
    const ended =
      (await saveEarlierResult(destruction, job, context)) ??
      (await endProtected(destruction, context)) ??
      (await runFromAnywhere(destruction, job, context));
    context.onEnded(ended.outcome);
    // Nobody retries what was taken back: it leaves the queue like what is gone.
    if (isGone(ended.outcome) || ended.outcome === 'cancelled') return;
    context.log.warn(
      {
        destructionId: destruction.id,
        roomId: destruction.roomId,
        outcome: ended.outcome,
        reason: ended.reason,
      },
      'destruction ended and the room is not gone',
    );
    throw new UnrecoverableError(`${ended.outcome}: ${ended.reason}`);
  } catch (error) {
    if (error instanceof UnrecoverableError) throw error;
    if (error instanceof RetryLater) {
      await toRetryLane(job);
      throw error;
    }
    if (error instanceof UnsavedResult) {
      context.log.error(
        { destructionId: destruction.id, result: writeUnsaved(error.item) },
        'result not saved to the ledger; it goes into the job',
      );
      // Said before: where the queue is away too, the line above is its only copy.
      await keep(error.item, job);
      return await giveBack(job, token);
    }
    if (!context.unrecorded.has(destruction.id)) {
      // Reserved and not sent. Where that cannot be written, it stays un-ended: "may have
      // been sent" is the safe label.
      await context.writer.release(destruction.id).catch(() => undefined);
    }
    if (error instanceof GiveBack) {
      return error.toBack ? await delay(job, token, toBackMs) : await giveBack(job, token);
    }
    context.log.error(
      { err: error, destructionId: destruction.id },
      'unexpected error; the job will run again',
    );
    return await delay(job, token);
  } finally {
    context.inHand.delete(destruction.id);
    context.limiter.countInHand(-1);
  }
}

/** Saves what an earlier run could not. @returns how it ended, where that says so. */
async function saveEarlierResult(
  destruction: Destruction,
  job: DestroyJob,
  context: WorkerContext,
): Promise<Ended | undefined> {
  if (destruction.unsavedResult === undefined) return undefined;
  const item = readUnsaved(destruction.unsavedResult, destruction.id);
  if (item === undefined) return undefined;
  const outcome = await context.writer.record({ ...item, destruction });
  await keep(undefined, job);
  return outcome && { outcome, reason: 'the result of an earlier run' };
}

/** One run; or one more, where the job came back from the failed set. */
async function runFromAnywhere(
  destruction: Destruction,
  job: DestroyJob,
  context: WorkerContext,
): Promise<Ended> {
  const ended = await run(destruction, job, context);
  if (ended.known === undefined || isGone(ended.outcome)) return ended;
  if (!(await context.cameBack.reopen(job, destruction))) return ended;
  context.log.info(
    { destructionId: destruction.id, roomId: destruction.roomId, outcome: ended.outcome },
    'job came back from the failed set; begun anew',
  );
  return run(destruction, job, context);
}

/** One run: quick retries, then the decision whether there is a later one. */
async function run(
  destruction: Destruction,
  job: DestroyJob,
  context: WorkerContext,
): Promise<Ended> {
  const inHand: JobInHand = {
    lane: job.priority,
    fresh: job.attemptsMade === 0,
    keep: (item) => keep(item, job),
  };
  try {
    return await pRetry(() => attemptDestruction(destruction, inHand, context), {
      retries: attemptsPerRun - 1,
      // The delay is ours, with full jitter.
      minTimeout: 0,
      shouldRetry: ({ error }) => error instanceof TransientFailure,
      onFailedAttempt: async ({ error, attemptNumber, retriesLeft }) => {
        if (!(error instanceof TransientFailure) || retriesLeft === 0) return;
        await abortableSleep(
          quickRetryDelayMs(attemptNumber, context.random()),
          context.guard.signal,
        );
      },
    });
  } catch (error) {
    if (!(error instanceof TransientFailure)) throw error;
    return retryLaterOrEnd(destruction, job, error, context);
  }
}

/** @throws RetryLater where a later run remains and comes before the deadline. */
async function retryLaterOrEnd(
  destruction: Destruction,
  job: DestroyJob,
  failure: TransientFailure,
  context: WorkerContext,
): Promise<Ended> {
  // BullMQ counts the runs that failed before this one.
  const failedRuns = job.attemptsMade + 1;
  if (failedRuns > context.laterRetries) {
    return endUnsent(
      destruction,
      'failed',
      `every attempt used up: ${failure.message}`,
      context,
      failure,
    );
  }
  const delayMs = laterRetryDelayMs(failedRuns, context.random());
  if (context.limiter.now() + delayMs > destruction.notAfterMs) {
    return endUnsent(
      destruction,
      'expired',
      `no time left to retry: ${failure.message}`,
      context,
      failure,
    );
  }
  throw new RetryLater(failure.message, delayMs);
}

/** Writes a result into the job, so that it outlives this process; undefined takes it out. */
async function keep(item: RecordItem | undefined, job: DestroyJob): Promise<boolean> {
  const data = { ...job.data };
  delete data.u;
  if (item !== undefined) data.u = writeUnsaved(item);
  return job.updateData(data).then(
    () => true,
    () => false,
  );
}

/** A retry must not wait behind a hundred thousand others. */
export async function toRetryLane(job: DestroyJob): Promise<void> {
  if (job.priority === lanes.urgent || job.priority === lanes.retry) return;
  await job.changePriority({ priority: lanes.retry }).catch(() => undefined);
}

async function giveBack(job: DestroyJob, token: string | undefined): Promise<never> {
  // Where the queue cannot be reached, the lock runs out and the job runs again by itself.
  await job.moveToWait(token).catch(() => undefined);
  throw new WaitingError();
}

async function delay(
  job: DestroyJob,
  token: string | undefined,
  delayMs = lookAgainMs,
): Promise<never> {
  await job.moveToDelayed(Date.now() + delayMs, token).catch(() => undefined);
  throw new DelayedError();
}
