import { describe, expect, test } from 'vitest';
import { processJob } from '../../src/worker/process-job.js';
import { writeUnsaved } from '../../src/worker/unsaved-result.js';
import { newId } from '../../src/queue/destruction-id.js';
import { takeBackId, toTakeBack } from '../../src/queue/take-back.js';
import { answers, destruction, id, madeUpContext, madeUpJob, seal } from './made-up.js';

async function process(
  given: Parameters<typeof madeUpContext>[0] = {},
  jobGiven: Parameters<typeof madeUpJob>[0] = {},
) {
  const worker = madeUpContext(given);
  const { job, done: moves } = madeUpJob(jobGiven);
  const run = async () => {
    const thrown: unknown = await processJob(job, 'token', worker.context).catch(
      (error: unknown) => error,
    );
    const { name, message } = (thrown ?? { name: 'completed', message: '' }) as Error;
    return { name, message };
  };
  return { ...worker, job, moves, run, ...(await run()) };
}

const timeouts = Array.from({ length: 9 }, () => answers.timeout);

describe('a job', () => {
  test('whose room is gone is completed, after the ledger has it', async () => {
    const { name, done } = await process({ answers: [answers.gone] });
    expect(name).toBe('completed');
    expect(done).toEqual(['sent', 'already_gone saved', 'ended already_gone']);
  });

  test('whose room is not gone goes into the failed set with outcome and reason, and that is logged', async () => {
    const { name, message, logged } = await process({ answers: [answers.rejected] });
    expect(name).toBe('UnrecoverableError');
    expect(message).toMatch(/^rejected: .*\(100003\)$/);
    expect(logged.at(-1)).toMatchObject({ outcome: 'rejected', roomId: 'room-1' });
  });

  test('that names a batch which did not ask for the room counts for none, and that is logged', async () => {
    const batch = '019ab3f2-9c00-7fff-bfff-ffffffffffff';
    const { name, logged } = await process({ answers: [answers.gone] }, { data: { b: batch } });
    expect(name).toBe('completed');
    expect(logged[0]).toMatchObject({ level: 40, destructionId: id, batchId: batch });
  });

  test('that cannot be read is read again twice, and then fails for good', async () => {
    const { run, name, moves, logged } = await process({}, { data: { r: '' } });
    expect(name).toBe('DelayedError');
    expect((await run()).name).toBe('DelayedError');
    expect(logged).toEqual([]);
    expect(await run()).toEqual({
      name: 'UnrecoverableError',
      message: 'the job has no valid destruction in it',
    });
    expect(moves).toEqual(['delayed by 1 s', 'delayed by 1 s']);
  });

  test('that this worker has in hand already is put off, and stays in hand', async () => {
    const worker = madeUpContext();
    worker.context.inHand.add(id);
    const { job, done } = madeUpJob();
    await expect(processJob(job, 'token', worker.context)).rejects.toMatchObject({
      name: 'DelayedError',
    });
    expect(done).toEqual(['delayed by 10 s']);
    expect(worker.done).toEqual([]);
    expect(worker.context.inHand.has(id)).toBe(true);
  });

  test('is in hand until it has been left', async () => {
    const { context } = await process({ answers: [answers.gone] });
    expect(context.inHand.size).toBe(0);
  });

  test('of a protected room sends nothing and leaves the queue', async () => {
    const { name, done } = await process({ protects: 'room-*' });
    expect(name).toBe('completed');
    expect(done).toEqual(['cancelled saved', 'ended cancelled']);
  });

  test('with a result of an earlier run saves it before anything else, and sends nothing', async () => {
    const result = writeUnsaved({
      destructionId: id,
      attempt: undefined,
      end: {
        ...{ outcome: 'already_gone', errorCode: 100004, errorInfo: undefined },
        ...{ requestId: undefined, statistics: undefined },
      },
    });
    const u = seal.seal(result);
    const recording = () => Promise.resolve('already_gone');
    const { name, done, moves, recorded } = await process(
      { recording, protects: 'x' },
      { data: { u } },
    );
    expect(name).toBe('completed');
    expect(done).toEqual(['already_gone saved', 'ended already_gone']);
    expect(recorded[0]?.destruction).toMatchObject({ id, roomId: 'room-1' });
    expect(moves).toEqual(['without a result']);
  });
});

describe('quick retries', () => {
  test('a run has three attempts, and then the job comes later, in the retry lane', async () => {
    const { name, message, done, waits, moves, job } = await process({ answers: timeouts });
    expect(done.filter((each) => each === 'sent')).toHaveLength(3);
    // Full jitter on 250 and 500 ms, in the middle of it.
    expect(waits).toEqual([125, 250]);
    expect([name, message]).toEqual(['Error', 'no answer in time']);
    expect(moves).toEqual(['lane 2']);
    expect(job.opts.backoff).toEqual({ type: 'fixed', delay: 3_750 });
  });

  test('an attempt that decides ends the run', async () => {
    const { name, done } = await process({ answers: [answers.timeout, answers.gone] });
    expect(name).toBe('completed');
    expect(done.filter((each) => each === 'sent')).toHaveLength(2);
  });
});

describe('later retries', () => {
  test('each comes later than the one before', async () => {
    const { job } = await process({ answers: timeouts }, { attemptsMade: 3 });
    expect(job.opts.backoff).toEqual({ type: 'fixed', delay: 30_000 });
  });

  test('when all are used up it ends as failed, with what the API said last', async () => {
    const internal = Array.from({ length: 3 }, () => answers.internal);
    const { message, recorded } = await process(
      { answers: internal, laterRetries: 2 },
      { attemptsMade: 2 },
    );
    expect(message).toBe('failed: every attempt used up: internal error of the API (100001)');
    expect(recorded.at(-1)).toMatchObject({
      attempt: undefined,
      end: { outcome: 'failed', errorCode: 100001, errorInfo: 'info 100001' },
    });
  });

  test('one that would come after the deadline makes it expired at once', async () => {
    const { message } = await process({ answers: timeouts }, { data: { l: 3_749 } });
    expect(message).toBe('expired: no time left to retry: no answer in time');
    expect((await process({ answers: timeouts }, { data: { l: 3_750 } })).name).toBe('Error');
  });
});

describe('a job that goes back', () => {
  test('from a worker that takes nothing any more is given back, its attempt taken back', async () => {
    const worker = madeUpContext();
    worker.halt();
    const { job, done } = madeUpJob();
    await expect(processJob(job, 'token', worker.context)).rejects.toMatchObject({
      name: 'WaitingError',
    });
    expect(done).toEqual(['to wait with token']);
    expect(worker.done).toEqual(['attempt taken back']);
    expect(worker.logged).toEqual([]);
  });

  test('after an unexpected error is looked at again later, its attempt taken back, and that is logged', async () => {
    const { name, moves, done, logged } = await process({ answers: [] });
    expect(name).toBe('DelayedError');
    expect(moves).toEqual(['delayed by 10 s']);
    expect(done).toEqual(['sent', 'attempt taken back']);
    expect(logged.at(-1)).toMatchObject({ err: { message: 'no answer is left' } });
  });

  test('with a result that the ledger does not take is logged with it, carries it, and keeps its attempt', async () => {
    const recording = () => Promise.reject(new Error('the ledger is away'));
    const { name, moves, done, logged, context } = await process({
      answers: [answers.gone],
      recording,
    });
    expect(name).toBe('WaitingError');
    expect(moves).toEqual(['with a result', 'to wait with token']);
    expect(done).not.toContain('attempt taken back');
    expect(logged.at(-1)?.['result']).toContain('already_gone');
    expect(context.unsaved.has(id)).toBe(true);
  });
});

test('an attempt that was sent and is not saved is never taken back as one that was not sent', async () => {
  const recording = () => Promise.reject(new Error('the ledger is away'));
  const worker = madeUpContext({ answers: [answers.gone], recording });
  const process = () => processJob(madeUpJob().job, 'token', worker.context);
  await expect(process()).rejects.toMatchObject({ name: 'WaitingError' });
  worker.halt();
  await expect(process()).rejects.toMatchObject({ name: 'WaitingError' });
  expect(worker.done).toEqual(['sent', 'already_gone saved']);
});

describe('a job whose destruction the ledger knows as ended', () => {
  const failedBefore = { kind: 'finished', outcome: 'failed' };

  test('sends nothing', async () => {
    const { message, done } = await process({ reservations: [failedBefore] });
    expect(message).toBe('failed: the ledger knows it as finished');
    expect(done).not.toContain('sent');
  });

  test('and which came back from the failed set is begun anew', async () => {
    const { name, done } = await process({
      reservations: [failedBefore],
      reopens: true,
      answers: [answers.gone],
    });
    expect(name).toBe('completed');
    expect(done).toContain('sent');
  });

  test('and whose room is gone is not begun anew, whoever retried it', async () => {
    const { name, done } = await process({
      reservations: [{ kind: 'finished', outcome: 'destroyed' }],
      reopens: true,
    });
    expect(name).toBe('completed');
    expect(done).not.toContain('sent');
  });
});

describe('a note that takes a destruction back', () => {
  const note = {
    id: takeBackId(id),
    data: { ...toTakeBack(destruction), r: undefined, l: undefined },
  };

  test.each(['taken', 'gone'] as const)(
    'records it as cancelled and leaves the queue, where its job is %s',
    async (takesOff) => {
      const { name, done, recorded } = await process({ takesOff }, note);
      expect(name).toBe('completed');
      expect(done).toEqual([`${id} marked`, 'cancelled saved', 'ended cancelled']);
      expect(recorded[0]).toMatchObject({ destructionId: id, destruction: { roomId: 'room-1' } });
    },
  );

  test('leaves the end to the worker that has it in hand, and frees the room', async () => {
    const { name, done } = await process({ takesOff: 'in_hand' }, note);
    expect(name).toBe('completed');
    expect(done).toEqual([`${id} marked`, 'room-1 freed']);
  });

  test('leaves the queue also where a request was sent before, which is no "cancelled"', async () => {
    const { name, done } = await process({ sentBefore: true }, note);
    expect(name).toBe('completed');
    expect(done).toEqual([`${id} marked`, 'failed saved', 'ended failed']);
  });

  test('stays on the queue while the ledger does not take it', async () => {
    const marking = () => Promise.reject(new Error('the ledger is away'));
    const { name, moves, done } = await process({ marking }, note);
    expect(name).toBe('DelayedError');
    expect(moves).toEqual(['delayed by 10 s']);
    expect(done).toEqual([`${id} marked`]);
  });

  test('under an id that is not of its destruction is no job of ours', async () => {
    const { name, done } = await process({}, { ...note, id: takeBackId(newId()) });
    expect(name).toBe('DelayedError');
    expect(done).toEqual([]);
  });
});
