/**
 * Taking jobs from the queue, and how many of them this process holds.
 *
 * Locks: a job in hand is locked for 15 s and its lock renewed at half of that; every 10 s
 * some worker looks for jobs without a lock. So the jobs of a dead worker run again after
 * 25 s at most, any number of times: what was sent is known to the ledger, so running
 * again is harmless. A shorter lock would be lost by a machine that pauses for seconds.
 */
import { UnrecoverableError } from 'bullmq';
import type { Logger } from 'pino';
import type { Lead } from '../limiter/limiter.js';
import { jobsToHold, reconsiderEveryMs } from '../limiter/pace.js';
import type { DestroyJob } from '../queue/job.js';
import type { OpenQueue } from '../queue/open.js';
import { errorReporter } from './reporters.js';
import { toRetryLane } from './settle.js';

const lockDurationMs = 15_000;
const stalledIntervalMs = 10_000;

/** Jobs in hand at the start, until the limiter knows how many are right. */
const firstConcurrency = 20;

/** Delay of a job that fails in a way that nobody expected, in milliseconds. */
const unexpectedRetryDelayMs = 10_000;

export type Processor = (job: DestroyJob, token: string | undefined) => Promise<void>;

export interface Intake {
  /** Who works on the jobs; to be said before any is taken. */
  handTo(processor: Processor): void;
  /** Takes jobs from now on. */
  start(): void;
  /** Takes no more jobs. */
  pause(): void;
  /** Takes jobs again, one at a time where `probing`. */
  resume(probing: boolean): void;
  /** Slots were granted: holds as many jobs as keep them close. */
  adjust(lead: Lead): void;
  /** Takes no more jobs. Resolves when those in hand have been left; has no limit of its own. */
  close(): Promise<void>;
}

export interface IntakeOptions {
  opened: Pick<OpenQueue, 'queue' | 'createWorker'>;
  log: Logger;
  /** What this process has in hand. */
  inHand: ReadonlySet<string>;
  /** Most jobs to hold. */
  maximumJobs: number;
  /** How long the failed set keeps a job. */
  failedJobsDays: number;
  /** BullMQ has put this job into the failed set. */
  onFailed: (jobId: string) => void;
}

export async function createIntake(options: IntakeOptions): Promise<Intake> {
  const { opened, log, inHand, maximumJobs } = options;
  const atFirst = Math.min(firstConcurrency, maximumJobs);
  let processor: Processor = () => Promise.reject(new Error('nobody works on the jobs yet'));
  /** Whether it takes as many jobs as are right; else none, or one at a time. */
  let isAdjusted = true;
  let adjustedAt = 0;

  const worker = await opened.createWorker(
    (job, token) => {
      // How often and how late a job is retried is decided here, not by whoever put it on
      // the queue; in Redis, a hundred thousand times, these options would cost memory.
      job.opts = {
        ...job.opts,
        attempts: Number.MAX_SAFE_INTEGER,
        backoff: { type: 'fixed', delay: unexpectedRetryDelayMs },
        stackTraceLimit: 0,
      };
      return processor(job, token);
    },
    {
      autorun: false,
      concurrency: atFirst,
      lockDuration: lockDurationMs,
      stalledInterval: stalledIntervalMs,
      maxStalledCount: 1_000_000,
      // While Redis is away, how soon the next try, in milliseconds.
      runRetryDelay: 1_000,
      removeOnComplete: { count: 0 },
      removeOnFail: { age: options.failedJobsDays * 24 * 3600 },
    },
  );
  worker.on('stalled', (jobId) => {
    log.warn({ destructionId: jobId }, 'job of a dead or paused worker taken back');
    // On Postgres it would go behind all others of its lane.
    void opened.queue
      .getJob(jobId)
      .then((job) => job && toRetryLane(job))
      .catch(() => undefined);
  });
  worker.on('failed', (job, error) => {
    if (job?.id !== undefined && error instanceof UnrecoverableError) options.onFailed(job.id);
  });

  return {
    handTo(next) {
      processor = next;
    },
    start: () => void worker.run().catch(errorReporter(log, 'worker loop ended')),
    pause() {
      isAdjusted = false;
      void worker.pause(true);
    },
    resume(probing) {
      isAdjusted = !probing;
      worker.concurrency = probing ? 1 : atFirst;
      void worker.resume();
    },
    adjust({ leadMs, waiting }) {
      const now = performance.now();
      if (now - adjustedAt < reconsiderEveryMs) return;
      adjustedAt = now;
      if (!isAdjusted) return;
      const load = { inHand: inHand.size, waiting, leadMs, allowed: worker.concurrency };
      worker.concurrency = jobsToHold(load, maximumJobs);
    },
    close: () => worker.close(),
  };
}
