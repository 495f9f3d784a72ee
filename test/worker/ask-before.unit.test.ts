import { describe, expect, test } from 'vitest';
import { lanes } from '../../src/queue/job.js';
import type { Answer } from '../../src/tencent/answer.js';
import { attemptDestruction } from '../../src/worker/attempt.js';
import {
  answers,
  destruction as bare,
  madeUpContext,
  madeUpJob,
  requestedAtMs,
} from './made-up.js';

type Given = Parameters<typeof madeUpContext>[0];

const told = (response: unknown): Answer => ({
  ...{ kind: 'reply', httpStatus: 200, errorCode: 0, errorInfo: '', requestId: 'request-1' },
  ...{ statistics: undefined, response },
});
const createdAt = (ms: number) => told({ RoomInfo: { CreateTime: ms / 1_000 } });
const older = createdAt(requestedAtMs - 3_600_000);
const newer = createdAt(requestedAtMs + 1_000);
const totals = told({
  Statistic: {
    ...{ TotalViewers: 7, TotalGiftsSent: 2, TotalGiftCoins: 3 },
    ...{ TotalUniqueGiftSenders: 4, TotalLikesReceived: 5 },
  },
});

async function attempt(wishes: Partial<typeof bare>, given: Given = {}) {
  const worker = madeUpContext({ answers: [answers.gone], ...given });
  const { job } = madeUpJob();
  const inHand = { job, lane: lanes.bulk, fresh: true };
  const end = await attemptDestruction({ ...bare, ...wishes }, inHand, worker.context);
  return { ...worker, end };
}

const guarded = { onlyCreatedBeforeMs: requestedAtMs };
const guardedAttempt = (given: Given = {}) => attempt(guarded, { looks: [older], ...given });

test('a room for which nothing was wished is not asked about', async () => {
  const { done } = await attempt({});
  expect(done).toEqual(['sent', 'already_gone saved']);
});

describe('a look', () => {
  test('at the room that was meant comes just before its request', async () => {
    const { done } = await guardedAttempt();
    expect(done).toEqual(['looked', 'sent', 'already_gone saved']);
  });

  test('at a room that was created later ends it as recreated, with both times, and sends nothing', async () => {
    const { done, end, recorded } = await guardedAttempt({ looks: [newer] });
    expect(done).toEqual(['looked', 'recreated saved']);
    expect(end).toMatchObject({ kind: 'ended', outcome: 'recreated' });
    expect(recorded[0]?.end?.errorInfo).toBe(
      'a room of this id was created at 2026-11-01T00:00:01.000Z, after 2026-11-01T00:00:00.000Z',
    );
  });

  test('at a room that was created later, where the one before may have been destroyed, says so', async () => {
    const { done, end } = await guardedAttempt({
      ...{ looks: [newer], standing: { sent: true, mayHaveActed: true } },
    });
    expect(done).toEqual(['looked', 'destroyed_statistics_lost saved']);
    expect(end).toMatchObject({ kind: 'ended', outcome: 'destroyed_statistics_lost' });
  });

  test('at a room created at that very instant is one at the room that was meant', async () => {
    const { done } = await guardedAttempt({ looks: [createdAt(requestedAtMs)] });
    expect(done).toContain('sent');
  });

  test.each([
    [false, 'already_gone'],
    [true, 'destroyed_statistics_lost'],
  ])('at a room that is gone (acted before: %s) is %s, without a request', async (acted, word) => {
    const { done, end } = await guardedAttempt({
      ...{ looks: [answers.gone], standing: { sent: acted, mayHaveActed: acted } },
    });
    expect(done).toEqual(['looked', `${word} saved`]);
    expect(end).toMatchObject({ kind: 'ended', outcome: word });
  });

  test('that the API refuses for this room ends it as rejected', async () => {
    const { done, end } = await guardedAttempt({ looks: [answers.rejected] });
    expect(done).toEqual(['looked', 'rejected saved']);
    expect(end).toMatchObject({ outcome: 'rejected', reason: 'code 100003 (100003)' });
  });

  test('is none where it is refused room after room: the line is stopped', async () => {
    const { done } = await guardedAttempt({ looks: [answers.rejected], tooManyRejected: true });
    expect(done).toContainEqual(expect.stringMatching(/^line stopped: /));
  });

  test.each([
    ['no time', told({ RoomInfo: {} })],
    ['nothing', told(undefined)],
  ])('that tells %s sends nothing and fails, to be tried again', async (_, answer) => {
    const { done, end } = await guardedAttempt({ looks: [answer] });
    expect(done).toEqual(['looked']);
    expect(end).toMatchObject({
      ...{ kind: 'failed', reason: 'get_room_info did not say when the room was created' },
    });
  });

  test('without an answer fails, to be tried again; in an outage it spends nothing', async () => {
    const failed = await guardedAttempt({ looks: [answers.timeout] });
    expect(failed.end).toMatchObject({
      kind: 'failed',
      reason: 'get_room_info: no answer in time',
    });
    const waited = await guardedAttempt({ looks: [answers.timeout, older], suspected: true });
    expect(waited.done.filter((what) => what === 'looked')).toHaveLength(2);
    expect(waited.done).toContain('sent');
  });

  test('over its quota brakes its own line', async () => {
    const { done } = await guardedAttempt({ looks: [answers.overQuota, older] });
    expect(done.filter((what) => /brake/.test(what))).toEqual([
      'reads braked: the whole SDKAppID is over its frequency (60011)',
    ]);
    expect(done).toContain('sent');
  });

  test('with a stale signature renews it', async () => {
    const { done } = await guardedAttempt({ looks: [answers.stale, older] });
    expect(done).toContain('signature renewed');
    expect(done).toContain('sent');
  });

  test('that tells of a disabled app stops all, and gives the job back', async () => {
    const { done, end } = await guardedAttempt({ looks: [answers.disabled] });
    expect(done).toContain('all stopped');
    expect(done).not.toContain('sent');
    expect(end).toMatchObject({ kind: 'given_back' });
  });

  test('that is too old when the slot comes is repeated, and the slot given up', async () => {
    let slots = 0;
    const worker = madeUpContext({
      ...{ answers: [answers.gone], looks: [older, older] },
      onSlot: () => {
        // The first slot comes after an outage.
        if (++slots === 1) worker.pass(60_000);
        return undefined;
      },
    });
    const inHand = { job: madeUpJob().job, lane: lanes.bulk, fresh: true };
    await attemptDestruction({ ...bare, ...guarded }, inHand, worker.context);
    expect(worker.done).toEqual([
      ...['looked', 'attempt taken back', 'looked', 'sent', 'already_gone saved'],
    ]);
  });

  test('where slots are far apart counts longer each time, so that the room has its turn', async () => {
    const worker = madeUpContext({
      ...{ answers: [answers.gone], looks: [older, older, older] },
      onSlot: () => {
        worker.pass(14_000);
        return undefined;
      },
    });
    const inHand = { job: madeUpJob().job, lane: lanes.bulk, fresh: true };
    await attemptDestruction({ ...bare, ...guarded }, inHand, worker.context);
    expect(worker.done.filter((what) => what === 'looked')).toHaveLength(3);
    expect(worker.done.at(-2)).toBe('sent');
  });

  test.each([
    [{ isClosed: true }, { kind: 'cancelled', sentBefore: false }, 'cancelled saved'],
    [{ isClosed: true }, { kind: 'finished', outcome: 'failed' }, undefined],
  ])('is not taken for what the ledger knows as %j', async (standing, reservation, saved) => {
    const { done } = await guardedAttempt({ standing, reservations: [reservation] });
    expect(done).not.toContain('looked');
    expect(done).not.toContain('sent');
    if (saved !== undefined) expect(done).toContain(saved);
  });

  test('while its command is in trouble puts the job off', async () => {
    const trouble = { reason: 'get_room_info is stopped: not found', delayMs: 60_000 };
    const { done, end } = await guardedAttempt({ readTrouble: trouble });
    expect(done).toEqual([]);
    expect(end).toEqual({ kind: 'put_off', ...trouble });
  });

  test('while the app is stopped gives the job back; its probe starts the line again', async () => {
    const stopped = { kind: 'stopped', isApp: true, line: { reason: 'wrong key' } };
    const held = await guardedAttempt({ readReservations: [stopped] });
    expect(held.end).toEqual({ kind: 'given_back', reason: 'the line is stopped: wrong key' });
    expect(held.done).toEqual(['app found stopped']);
    const probe = { probe: 'stop', probesApp: true } as const;
    const probing = await guardedAttempt({ readProbe: probe });
    expect(probing.done).toEqual(['looked', 'app runs again', 'sent', 'already_gone saved']);
  });
});

describe('a snapshot', () => {
  const wish = { snapshot: true };

  test('is saved before the room is looked at and destroyed', async () => {
    const { done } = await attempt({ ...wish, ...guarded }, { totals: [totals], looks: [older] });
    expect(done).toEqual([
      'asked for totals',
      'snapshot of 7 viewers saved',
      ...['looked', 'sent', 'already_gone saved'],
    ]);
  });

  test.each([
    ['of a room that is gone', answers.gone],
    ['that is refused', answers.rejected],
    ['that cannot be read', told({ Statistic: { TotalViewers: -1 } })],
  ])('%s leaves the word to the request itself', async (_, answer) => {
    const { done } = await attempt(wish, { totals: [answer] });
    expect(done).toEqual(['asked for totals', 'sent', 'already_gone saved']);
  });

  test('that is not answered is waited for: the room is not destroyed without it', async () => {
    const { done, end } = await attempt(wish, { totals: [answers.internal] });
    expect(done).toContain('asked for totals');
    expect(done).not.toContain('sent');
    expect(end).toMatchObject({ kind: 'failed' });
  });

  test.each([
    ['after a request: the room may be another one', { sent: true }],
    ['so soon after another one', { snapshotAtMs: requestedAtMs - 1_000 }],
  ])('is not taken %s', async (_, standing) => {
    const { done } = await attempt(wish, { standing });
    expect(done).toEqual(['sent', 'already_gone saved']);
  });

  test('is taken again where it is old and nothing was sent since', async () => {
    const standing = { snapshotAtMs: requestedAtMs - 3_600_000 };
    const { done } = await attempt(wish, { standing, totals: [totals] });
    expect(done).toContain('snapshot of 7 viewers saved');
  });
});
