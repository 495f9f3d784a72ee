import { describe, expect, test } from 'vitest';
import { lanes } from '../../src/queue/job.js';
import { attemptDestruction, probeOrder } from '../../src/worker/attempt.js';
import { answers, destruction, id, madeUpContext, madeUpJob } from './made-up.js';

async function attempt(given: Parameters<typeof madeUpContext>[0] = {}) {
  const worker = madeUpContext(given);
  const { job } = madeUpJob();
  const inHand = { job, lane: lanes.bulk, fresh: true };
  const end = await attemptDestruction(destruction, inHand, worker.context);
  return { ...worker, end, inHand };
}

describe('what the ledger says instead of a slot', () => {
  test.each([
    [
      { kind: 'finished', outcome: 'failed' },
      { kind: 'ended', outcome: 'failed', known: true },
    ],
    [
      { kind: 'cancelled', sentBefore: false },
      { kind: 'ended', outcome: 'cancelled' },
    ],
    [
      { kind: 'cancelled', sentBefore: true },
      { kind: 'ended', outcome: 'failed' },
    ],
    [{ kind: 'expired' }, { kind: 'ended', outcome: 'expired' }],
    [{ kind: 'foreign' }, { kind: 'forged' }],
    [
      { kind: 'stopped', line: { reason: 'wrong key' } },
      { kind: 'given_back', reason: 'the line is stopped: wrong key' },
    ],
  ])('%j sends nothing, and is %j', async (reservation, expected) => {
    const { end, done } = await attempt({ reservations: [reservation] });
    expect(end).toMatchObject(expected);
    expect(done).not.toContain('sent');
  });

  test('that the line is stopped, the guard is told', async () => {
    const { done } = await attempt({ reservations: [{ kind: 'stopped', line: { reason: '' } }] });
    expect(done).toContain('line found stopped');
  });
});

describe('an answer', () => {
  test('that ends it is saved with the attempt, in one', async () => {
    const { end, recorded } = await attempt({ answers: [answers.gone] });
    expect(end).toEqual({
      kind: 'ended',
      outcome: 'already_gone',
      reason: 'the room does not exist (100004)',
    });
    expect(recorded).toMatchObject([
      {
        destructionId: id,
        destruction,
        attempt: { attempt: 1, errorCode: 100004, verdict: 'gone', requestId: 'request-1' },
        end: { outcome: 'already_gone', errorCode: 100004, errorInfo: 'info 100004' },
      },
    ]);
  });

  test('gives way to an outcome that stands already', async () => {
    const recording = () => Promise.resolve('destroyed');
    const { end } = await attempt({ answers: [answers.gone], recording });
    expect(end).toMatchObject({ kind: 'ended', outcome: 'destroyed' });
  });

  test('that the ledger does not take is an unsaved result, and nothing follows from it', async () => {
    const recording = () => Promise.reject(new Error('away'));
    const { end, done } = await attempt({ answers: [answers.disabled], recording });
    expect(end).toMatchObject({ kind: 'unsaved', item: { destructionId: id } });
    expect(done).toEqual(['sent', 'attempt saved']);
  });

  test('"gone" after an attempt whose end is not saved is the worker’s own doing', async () => {
    let isAway = true;
    const recording = () =>
      isAway ? Promise.reject(new Error('away')) : Promise.resolve(undefined);
    const worker = madeUpContext({ answers: [answers.timeout, answers.gone], recording });
    const inHand = { job: madeUpJob().job, lane: lanes.bulk, fresh: true };
    await attemptDestruction(destruction, inHand, worker.context);
    isAway = false;
    const end = await attemptDestruction(destruction, inHand, worker.context);
    expect(end).toMatchObject({ outcome: 'destroyed_statistics_lost' });
    expect(worker.recorded.at(-1)?.attempt?.mayHaveActed).toBe(true);
  });

  test('that may pass is a failed attempt, with what the API said', async () => {
    const { end, waits } = await attempt({ answers: [answers.internal] });
    expect(end).toMatchObject({ kind: 'failed', details: { errorCode: 100001 } });
    expect(waits).toEqual([]);
  });

  test.each([
    ['a request that never left', { answers: [answers.neverLeft, answers.gone] }],
    [
      'a failure in what may be an outage',
      { answers: [answers.down, answers.gone], suspected: true },
    ],
  ])('%s spends nothing: it is tried again after a moment', async (_what, given) => {
    const { end, waits } = await attempt(given);
    expect(end).toMatchObject({ kind: 'ended', outcome: 'already_gone' });
    expect(waits).toEqual([125]);
  });

  test('a request that never left has no time at which it was sent', async () => {
    const { recorded } = await attempt({ answers: [answers.neverLeft, answers.gone] });
    expect(recorded.map((item) => item.attempt?.sentAtMs === undefined)).toEqual([true, false]);
  });

  test('"over quota" brakes the line and spends nothing', async () => {
    const { end, done } = await attempt({ answers: [answers.overQuota, answers.gone] });
    expect(end).toMatchObject({ outcome: 'already_gone' });
    expect(done).toContain('braked: the whole SDKAppID is over its frequency (60011)');
  });

  test('that nothing can succeed stops the line, and gives the job back', async () => {
    const { end, done } = await attempt({ answers: [answers.disabled] });
    expect(done.at(-1)).toBe('line stopped: SDKAppID is disabled (60017)');
    expect(end).toEqual({
      kind: 'given_back',
      reason: 'the line is stopped: SDKAppID is disabled',
    });
  });

  test('that many rooms in a row were rejected stops the line too, and this one has ended', async () => {
    const { end, done } = await attempt({ answers: [answers.rejected], tooManyRejected: true });
    expect(end).toMatchObject({ kind: 'ended', outcome: 'rejected' });
    expect(done.at(-1)).toMatch(/^line stopped: many rooms in a row/);
  });
});

describe('a stale signature', () => {
  test.each([true, false])('is renewed, proven %j, and the room tried again', async (isProven) => {
    const { end, done } = await attempt({ answers: [answers.stale, answers.gone], isProven });
    expect(end).toMatchObject({ outcome: 'already_gone' });
    expect(done).toContain('signature renewed');
  });

  test('twice, with one that others succeed with, is about this room: a failed attempt', async () => {
    const { end } = await attempt({ answers: [answers.stale, answers.stale], isProven: true });
    expect(end).toMatchObject({ kind: 'failed' });
  });

  test.each([
    ['twice, with one that nobody succeeds with,', { answers: [answers.stale, answers.stale] }],
    ['that renewing does not help', { answers: [answers.stale], renews: false }],
  ])('%s stops the line', async (_when, given) => {
    const { end, done } = await attempt(given);
    expect(end).toMatchObject({ kind: 'given_back' });
    expect(done.at(-1)).toBe('line stopped: UserSig expired (70001)');
  });
});

describe('the probe of a stopped line', () => {
  test.each(['gone', 'rejected', 'internal', 'overQuota'] as const)(
    'with an answer about its room, such as %s, has the line run again',
    async (answer) => {
      const { done } = await attempt({ answers: [answers[answer], answers.gone], probe: 'stop' });
      expect(done).toContain('line runs again');
    },
  );

  test.each(['timeout', 'down', 'disabled'] as const)(
    'that met %s goes behind the others: the next one should be another room',
    async (answer) => {
      const { end, done } = await attempt({ answers: [answers[answer]], probe: 'stop' });
      expect(end).toMatchObject({ kind: 'put_off', delayMs: 5_000 });
      expect(done).not.toContain('line runs again');
    },
  );
});

describe('the probe of an outage', () => {
  test('with a good answer, whatever it says, ends the outage', async () => {
    const { done } = await attempt({ answers: [answers.rejected], probe: 'outage' });
    expect(done).toContain('outage over');
  });

  test('that failed tries again before the others of its lane', async () => {
    const given = {
      answers: [answers.down, answers.gone],
      probe: 'outage',
      suspected: true,
    } as const;
    const { lanesAsked } = await attempt({ ...given, answers: [...given.answers] });
    expect(lanesAsked).toEqual([lanes.bulk, lanes.bulk - 0.5]);
  });
});

const inTurn = (lane: number, failedProbes: number) => lane + probeOrder(failedProbes);

test.each([1, 2, 3])('after %i tries a room goes before the others of its lane', (tries) => {
  expect(inTurn(lanes.bulk, tries)).toBeLessThan(inTurn(lanes.bulk, 0));
  expect(inTurn(lanes.bulk, tries)).toBeGreaterThan(inTurn(lanes.normal, 0));
});

test('after four tries it goes behind rooms of any lane that have tried less often', () => {
  const furthest = 2 ** 21;
  expect(inTurn(lanes.urgent, 4)).toBeGreaterThan(inTurn(furthest, 0));
  expect(inTurn(lanes.urgent, 7)).toBeGreaterThan(inTurn(furthest, 3));
  expect(inTurn(lanes.urgent, 8)).toBeGreaterThan(inTurn(furthest, 7));
});

test('where all have tried as often the lanes count again', () => {
  expect(inTurn(lanes.urgent, 4)).toBeLessThan(inTurn(lanes.bulk, 4));
});
