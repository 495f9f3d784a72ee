/**
 * One job, from the queue to its end. The whole way reads here; each step has its own
 * module.
 */
import pRetry from 'p-retry';
import type { Destruction } from '../destruction.js';
import { isOfBatch } from '../queue/destruction-id.js';
import { type DestroyJob, readDestruction } from '../queue/job.js';
import { readTakeBack } from '../queue/take-back.js';
import type { AttemptsEnd } from './answered.js';
import { attemptDestruction } from './attempt.js';
import { endUnsent } from './end.js';
import { attemptsPerRun, laterRetryDelayMs, quickRetryDelayMs } from './backoff.js';
import type { JobInHand, WorkerContext } from './context.js';
import { Halted } from './line-guard.js';
import { endProtected } from './protected.js';
import { leavesQueue, type RunEnd, settle } from './settle.js';
import { endTakenBack } from './take-back.js';
import { traceJob } from './traces.js';
import { writeUnsaved } from './unsaved-result.js';

/** Delay before a job that met an unexpected error, or is in hand already, is looked at again, in milliseconds. */
const lookAgainMs = 10_000;

/** Delay before a job that could not be read is read again, in milliseconds. */
const readAgainMs = 1_000;

/** How often a job that cannot be read is read again. */
const readAgainTimes = 2;

/**
 * Takes one job to its end, or back to the queue.
 *
 * Returns: the room is gone, or was taken back, and the ledger says so; BullMQ completes the job.
 *
 * @throws what `settle` throws.
 */
export async function processJob(
  job: DestroyJob,
  token: string | undefined,
  context: WorkerContext,
): Promise<void> {
  const takenBack = readTakeBack(job.id, job.data);
  if (takenBack !== undefined) return takeBack(takenBack, job, token, context);
  const read = readDestruction(job.id, job.data, job.timestamp);
  if (read === undefined) return settle(unreadable(job, context), job, token);
  const destruction = withTrueBatch(read, context);
  context.unreadable.delete(destruction.id);
  if (context.inHand.has(destruction.id)) return settle(inHandAlready, job, token);

  context.inHand.add(destruction.id);
  try {
    const end = await traceJob(destruction, job, () => runJob(destruction, job, context));
    await takeBackUnsent(end, destruction, context);
    report(end, destruction, context);
    await settle(end, job, token);
  } finally {
    context.inHand.delete(destruction.id);
  }
}

/** A note leaves the queue when the ledger knows of it, however its destruction ended. */
async function takeBack(
  noted: Destruction,
  job: DestroyJob,
  token: string | undefined,
  context: WorkerContext,
): Promise<void> {
  const destruction = withTrueBatch(noted, context);
  try {
    const end = await endTakenBack(destruction, context);
    if (end !== undefined) report(end, destruction, context);
  } catch (error) {
    context.log.error(
      { err: error, destructionId: destruction.id },
      'unexpected error while a room was taken back; it will be tried again',
    );
    const reason = 'a room could not be taken back';
    return settle({ kind: 'put_off', reason, delayMs: lookAgainMs }, job, token);
  }
}

/** A batch that has not asked for the room must not end by it. */
function withTrueBatch(destruction: Destruction, { log }: WorkerContext): Destruction {
  const { id, batchId, roomId } = destruction;
  if (batchId === undefined || isOfBatch(id, batchId, roomId)) return destruction;
  log.warn(
    { destructionId: id, batchId },
    'job is not of the batch that it names; another program wrote it',
  );
  return { ...destruction, batchId: undefined };
}

const inHandAlready: RunEnd = {
  kind: 'put_off',
  reason: 'this worker has it in hand already',
  delayMs: lookAgainMs,
};

/** Something on the way may have spoilt it: it is read again before it fails for good. */
function unreadable(job: DestroyJob, context: WorkerContext): RunEnd {
  const id = job.id ?? '';
  const reason = 'the job has no valid destruction in it';
  const readBefore = context.unreadable.get(id) ?? 0;
  if (readBefore < readAgainTimes) {
    context.unreadable.set(id, readBefore + 1);
    return { kind: 'put_off', reason, delayMs: readAgainMs };
  }
  context.unreadable.delete(id);
  context.log.error(
    { jobId: job.id },
    'job has no valid destruction in it; another program wrote it',
  );
  return { kind: 'forged', reason };
}

async function runJob(
  destruction: Destruction,
  job: DestroyJob,
  context: WorkerContext,
): Promise<RunEnd> {
  try {
    const outcome = await context.unsaved.saveEarlier(destruction, job);
    if (outcome) return { kind: 'ended', outcome, reason: 'the result of an earlier run' };
    return (
      (await endProtected(destruction, context)) ??
      (await runFromAnywhere(destruction, job, context))
    );
  } catch (error) {
    if (error instanceof Halted) return { kind: 'given_back', reason: error.message };
    context.log.error(
      { err: error, destructionId: destruction.id },
      'unexpected error; the job will run again',
    );
    return { kind: 'put_off', reason: 'an unexpected error', delayMs: lookAgainMs };
  }
}

/** One run; or one more, where the job came back from the failed set. */
async function runFromAnywhere(
  destruction: Destruction,
  job: DestroyJob,
  context: WorkerContext,
): Promise<RunEnd> {
  const end = await run(destruction, job, context);
  if (end.kind !== 'ended' || end.known === undefined || leavesQueue(end.outcome)) return end;
  const anew = await context.cameBack.reopen(job, destruction);
  if (anew === undefined) return end;
  context.log.info(
    { destructionId: destruction.id, roomId: destruction.roomId, outcome: end.outcome },
    'job came back from the failed set; begun anew',
  );
  return run(anew, job, context);
}

/** One run: quick retries, then the decision whether there is a later one. */
async function run(
  destruction: Destruction,
  job: DestroyJob,
  context: WorkerContext,
): Promise<RunEnd> {
  const inHand: JobInHand = { job, lane: job.priority, fresh: job.attemptsMade === 0 };
  try {
    return await pRetry(
      async () => {
        const end = await attemptDestruction(destruction, inHand, context);
        if (end.kind === 'failed') throw new FailedAttempts(end);
        return end;
      },
      {
        retries: attemptsPerRun - 1,
        // The delay is ours, with full jitter.
        minTimeout: 0,
        shouldRetry: ({ error }) => error instanceof FailedAttempts,
        onFailedAttempt: async ({ error, attemptNumber, retriesLeft }) => {
          if (!(error instanceof FailedAttempts) || retriesLeft === 0) return;
          await context.guard.wait(quickRetryDelayMs(attemptNumber, context.random()));
        },
      },
    );
  } catch (error) {
    if (!(error instanceof FailedAttempts)) throw error;
    return retryLaterOrEnd(destruction, job, error.end, context);
  }
}

type Failed = Extract<AttemptsEnd, { kind: 'failed' }>;

/** How p-retry learns that an attempt failed; nobody else sees it. */
class FailedAttempts extends Error {
  readonly end: Failed;

  constructor(end: Failed) {
    super(end.reason);
    this.end = end;
  }
}

/** A later run, where one remains and comes before the deadline. */
async function retryLaterOrEnd(
  destruction: Destruction,
  job: DestroyJob,
  { reason, details }: Failed,
  context: WorkerContext,
): Promise<RunEnd> {
  // BullMQ counts the runs that failed before this one.
  const failedRuns = job.attemptsMade + 1;
  if (failedRuns > context.laterRetries) {
    return endUnsent(destruction, 'failed', `every attempt used up: ${reason}`, context, details);
  }
  const delayMs = laterRetryDelayMs(failedRuns, context.random());
  if (context.now() + delayMs > destruction.notAfterMs) {
    return endUnsent(destruction, 'expired', `no time left to retry: ${reason}`, context, details);
  }
  return { kind: 'retry_later', reason, delayMs };
}

/**
 * An attempt may be reserved and not sent. Where that cannot be written, it stays un-ended:
 * "may have been sent" is the safe label.
 */
async function takeBackUnsent(
  end: RunEnd,
  { id }: Destruction,
  context: WorkerContext,
): Promise<void> {
  if (end.kind !== 'given_back' && end.kind !== 'put_off') return;
  if (context.unsaved.has(id)) return;
  await context.writer.release(id).catch(() => undefined);
}

function report(end: RunEnd, destruction: Destruction, context: WorkerContext): void {
  const { id, roomId, batchId } = destruction;
  if (end.kind === 'unsaved') {
    // Before it goes into the job: where the queue is away too, this record is its only copy.
    context.log.error(
      { destructionId: id, result: writeUnsaved(end.item) },
      'result not saved to the ledger; it goes into the job',
    );
    context.metrics.unsaved();
  }
  if (end.kind !== 'ended') return;
  const { outcome, reason, statistics, known } = end;
  if (!known) context.metrics.ended(outcome);
  context.onEnded({ id, roomId, batchId, outcome, reason, statistics });
  if (leavesQueue(outcome) && outcome !== 'recreated') return;
  context.log.warn(
    { destructionId: id, roomId, outcome, reason },
    'destruction ended and the room is not gone',
  );
}
