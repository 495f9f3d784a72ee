import { describe, expect, test } from 'vitest';
import { outcomes } from '../../src/destruction.js';
import type { RecordItem } from '../../src/ledger/record.js';
import { lanes } from '../../src/queue/job.js';
import { leavesQueue, type RunEnd, settle } from '../../src/worker/settle.js';
import { id, madeUpJob } from './made-up.js';

const item: RecordItem = { destructionId: id, attempt: undefined, end: undefined };

/** What the processor comes to, by which BullMQ knows what to do with the job. */
async function told(end: RunEnd, given: Parameters<typeof madeUpJob>[0] = {}) {
  const { job, done } = madeUpJob(given);
  const error: unknown = await settle(end, job, 'token').catch((thrown: unknown) => thrown);
  const { name, message } = (error ?? { name: 'completed', message: '' }) as Error;
  return { name, message, done, job };
}

describe('what BullMQ is told', () => {
  test.each<[end: RunEnd, name: string, message: string, done: string[]]>([
    [{ kind: 'ended', outcome: 'destroyed', reason: 'destroyed' }, 'completed', '', []],
    [
      { kind: 'ended', outcome: 'failed', reason: 'every attempt used up' },
      'UnrecoverableError',
      'failed: every attempt used up',
      [],
    ],
    [{ kind: 'forged', reason: 'made up' }, 'UnrecoverableError', 'made up', []],
    [
      { kind: 'retry_later', reason: 'no answer in time', delayMs: 7_000 },
      'Error',
      'no answer in time',
      ['lane 2'],
    ],
    [{ kind: 'given_back', reason: 'halted' }, 'WaitingError', '', ['to wait with token']],
    [{ kind: 'put_off', reason: 'later', delayMs: 5_000 }, 'DelayedError', '', ['delayed by 5 s']],
    [
      { kind: 'unsaved', reason: 'the ledger is away', item, sealed: 'sealed' },
      'WaitingError',
      '',
      ['with a result', 'to wait with token'],
    ],
  ])('a run that leaves with %j is %s', async (end, name, message, done) => {
    const settled = await told(end);
    expect(settled.name).toBe(name);
    if (message !== '') expect(settled.message).toBe(message);
    expect(settled.done).toEqual(done);
  });

  test.each(outcomes)(
    'a job that ended as %s leaves the queue, or goes into its failed set',
    async (outcome) => {
      const { name } = await told({ kind: 'ended', outcome, reason: '' });
      const leaves = /^(destroyed|already_gone|cancelled|recreated)/.test(outcome);
      expect(leavesQueue(outcome)).toBe(leaves);
      expect(name).toBe(leaves ? 'completed' : 'UnrecoverableError');
    },
  );

  test('a later retry comes after its own delay', async () => {
    const { job } = await told({ kind: 'retry_later', reason: '', delayMs: 7_000 });
    expect(job.opts.backoff).toEqual({ type: 'fixed', delay: 7_000 });
  });

  test.each([
    [lanes.urgent, []],
    [lanes.retry, []],
    [lanes.normal, ['lane 2']],
    [lanes.bulk + 400, ['lane 2']],
  ])('a later retry from lane %i never waits behind a long list', async (priority, done) => {
    const retry: RunEnd = { kind: 'retry_later', reason: '', delayMs: 1 };
    expect((await told(retry, { priority })).done).toEqual(done);
  });

  test('an unsaved result is in its job before that is given back', async () => {
    const { job } = await told({ kind: 'unsaved', reason: '', item, sealed: 'sealed' });
    expect(job.data.u).toBe('sealed');
  });

  test.each<[RunEnd, string]>([
    [{ kind: 'given_back', reason: '' }, 'WaitingError'],
    [{ kind: 'put_off', reason: '', delayMs: 1 }, 'DelayedError'],
    [{ kind: 'unsaved', reason: '', item, sealed: 'sealed' }, 'WaitingError'],
    [{ kind: 'retry_later', reason: '', delayMs: 1 }, 'Error'],
  ])('where the queue is away %j leaves the job to its lock', async (end, name) => {
    expect((await told(end, { queueIsAway: true })).name).toBe(name);
  });
});
