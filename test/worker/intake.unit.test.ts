import { EventEmitter } from 'node:events';
import { UnrecoverableError } from 'bullmq';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { DestroyJob } from '../../src/queue/job.js';
import { createIntake, type Processor } from '../../src/worker/intake.js';
import { madeUpJob } from './made-up.js';

beforeEach(() => vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => vi.useRealTimers());

/** An intake over a BullMQ that tells what was done to it. */
async function openIntake({ maximumJobs = 100 } = {}) {
  const done: string[] = [];
  const failed: string[] = [];
  const inHand = new Set<string>();
  const stalled = madeUpJob();
  let take: Processor = () => Promise.resolve();
  const worker = Object.assign(new EventEmitter(), {
    concurrency: 0,
    run: () => Promise.resolve(void done.push('run')),
    pause: () => Promise.resolve(void done.push('pause')),
    resume: () => Promise.resolve(void done.push('resume')),
    close: () => Promise.resolve(void done.push('close')),
  });
  const intake = await createIntake({
    opened: {
      queue: { getJob: () => Promise.resolve(stalled.job) },
      createWorker: (processor: Processor, { concurrency }: { concurrency: number }) => {
        take = processor;
        worker.concurrency = concurrency;
        return Promise.resolve(worker);
      },
    } as never,
    log: pino({ level: 'silent' }),
    inHand,
    maximumJobs,
    failedJobsDays: 14,
    onFailed: (jobId) => failed.push(jobId),
  });
  const hold = (jobs: number) => {
    for (let job = 0; job < jobs; job++) inHand.add(`job-${job}`);
  };
  /** A reservation later, when what is held may be reconsidered. */
  const adjust = (leadMs: number, waiting: number) => {
    vi.advanceTimersByTime(50);
    intake.adjust({ leadMs, waiting });
    return worker.concurrency;
  };
  return {
    intake,
    worker,
    done,
    failed,
    hold,
    adjust,
    stalled,
    take: (job: DestroyJob) => take(job, 'token'),
  };
}

describe('taking jobs', () => {
  test('none is taken before it is said so, and then with their processor', async () => {
    const { intake, done, take } = await openIntake();
    expect(done).toEqual([]);
    const taken: unknown[] = [];
    intake.handTo((job, token) => Promise.resolve(void taken.push(job.id, token)));
    intake.start();
    expect(done).toEqual(['run']);
    const { job } = madeUpJob();
    await take(job);
    expect(taken).toEqual([job.id, 'token']);
  });

  test('how often and how late a job is retried is decided here, not by whoever enqueued it', async () => {
    const { intake, take } = await openIntake();
    intake.handTo(() => Promise.resolve());
    const { job } = madeUpJob();
    job.opts = { attempts: 1, backoff: 5, stackTraceLimit: 10, removeOnFail: true };
    await take(job);
    expect(job.opts).toEqual({
      attempts: Number.MAX_SAFE_INTEGER,
      backoff: { type: 'fixed', delay: 10_000 },
      stackTraceLimit: 0,
      removeOnFail: true,
    });
  });

  test('a job in the failed set is told of, one that comes later is not', async () => {
    const { worker, failed } = await openIntake();
    worker.emit('failed', { id: 'ended' }, new UnrecoverableError('failed: x'));
    worker.emit('failed', { id: 'later' }, new Error('x'));
    worker.emit('failed', undefined, new UnrecoverableError('x'));
    expect(failed).toEqual(['ended']);
  });

  test('a job of a dead worker goes to the retry lane', async () => {
    const { worker, stalled } = await openIntake();
    worker.emit('stalled', 'id');
    await vi.waitFor(() => expect(stalled.done).toEqual(['lane 2']));
  });
});

describe('how many jobs are held', () => {
  test('at first twenty, or as many as may be', async () => {
    expect((await openIntake()).worker.concurrency).toBe(20);
    expect((await openIntake({ maximumJobs: 7 })).worker.concurrency).toBe(7);
  });

  test('more where the slots lie close, fewer where they lie far ahead, never more than may be', async () => {
    const { hold, adjust } = await openIntake({ maximumJobs: 50 });
    hold(20);
    expect(adjust(10, 20)).toBe(40);
    expect(adjust(1_000, 20)).toBe(18);
    hold(50);
    expect(adjust(10, 50)).toBe(50);
  });

  test('is reconsidered now and then, not with every reservation', async () => {
    const { intake, worker, hold, adjust } = await openIntake();
    hold(20);
    expect(adjust(1_000, 20)).toBe(18);
    vi.advanceTimersByTime(49);
    intake.adjust({ leadMs: 10, waiting: 20 });
    expect(worker.concurrency).toBe(18);
  });

  test('as a probe one, until it runs again: then as many as at first', async () => {
    const { intake, worker, hold, adjust, done } = await openIntake();
    hold(20);
    intake.pause();
    intake.resume(true);
    expect(worker.concurrency).toBe(1);
    expect(adjust(10, 1)).toBe(1);
    intake.resume(false);
    expect(worker.concurrency).toBe(20);
    expect(adjust(10, 20)).toBe(40);
    expect(done).toEqual(['pause', 'resume', 'resume']);
  });
});
