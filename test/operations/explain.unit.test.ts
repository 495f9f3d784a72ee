import { describe, expect, test } from 'vitest';
import { toText } from '../../src/cli/explain.js';
import { isGone, outcomes } from '../../src/destruction.js';
import type { KnownAttempt, KnownDestruction } from '../../src/ledger/explain.js';
import { stateOf, type Line } from '../../src/ledger/line.js';
import { explanationJson, summaryOf, type Explanation } from '../../src/operations/explain.js';
import type { JobPlace, LocatedJob } from '../../src/queue/locate.js';

const nowMs = new Date(2026, 10, 23, 2, 31, 7).getTime();
const hour = 3_600_000;

const running: Line = {
  ...{ id: 'line', host: 'api.example', ratePerSecond: 196, brakeReason: undefined },
  ...{ quotaFound: undefined, state: { kind: 'running' } },
  ...{ lastSlotMs: nowMs - 100, databaseNowMs: nowMs },
};
const stopped: Line = {
  ...running,
  state: {
    kind: 'stopped',
    halt: {
      ...{ code: 70009, reason: 'UserSig was made with the wrong key', remedy: 'check the key' },
      ...{ outage: false, by: 'box-7:4123' },
      ...{ sinceMs: nowMs - 60_000, probeAtMs: nowMs + 60_000 },
    },
  },
};

function explanation({
  paused = false,
  ...changes
}: Partial<Explanation & { paused: boolean }> = {}): Explanation {
  const line = 'line' in changes ? changes.line : running;
  return {
    ...{ roomId: 'live-room-42', nowMs, host: 'api.example', line: running },
    ...{ state: stateOf(line, paused), fullRatePerSecond: 196 },
    ...{ haltedReads: [], standstill: undefined, queueReadOnly: undefined, pause: undefined },
    ...{ destructionId: undefined, namesake: undefined, batch: undefined },
    ...{ pending: undefined, jobs: new Map(), history: { destructions: [], total: 0, events: [] } },
    ...changes,
  };
}

const id = '01a2073e-32c4-70d0-899f-5e9c7571380b';

function job(place: JobPlace, changes: Partial<LocatedJob> = {}): LocatedJob {
  return {
    ...{ id, lane: 'bulk', failedRuns: 0, place },
    destruction: {
      ...{ id, roomId: 'live-room-42', batchId: undefined },
      ...{ requestedAtMs: nowMs - hour, notAfterMs: nowMs + hour },
    },
    ...changes,
  };
}

/** Of a room that is destroyed only where it was created by a time. */
function guarded(place: JobPlace): LocatedJob {
  const plain = job(place);
  return {
    ...plain,
    destruction: plain.destruction && { ...plain.destruction, onlyCreatedBeforeMs: nowMs },
  };
}

const haltedReads: Explanation['haltedReads'] = [
  {
    ...{ id: 'read-line', host: 'api.example', command: 'get_room_info' },
    halt: {
      ...{
        code: 60009,
        reason: 'the requested resource is wrong',
        remedy: 'check TENCENT_ENDPOINT',
      },
      ...{ outage: false, by: 'box-7:4123' },
      ...{ sinceMs: nowMs - 60_000, probeAtMs: nowMs + 60_000 },
    },
  },
];

const waiting = (ahead = 1_204, exact = true): JobPlace => ({ state: 'waiting', ahead, exact });

function attempt(changes: Partial<KnownAttempt> = {}): KnownAttempt {
  return {
    ...{
      attempt: 1,
      slotAtMs: nowMs - 60_000,
      worker: 'box-7:4123',
      sentAtMs: nowMs - 60_000,
      endedAtMs: nowMs - 59_950,
    },
    ...{ httpStatus: 200, errorCode: 0, verdict: 'destroyed', reason: 'destroyed' },
    ...{ mayHaveActed: false, requestId: 'Id-1' },
    ...changes,
  };
}

const lost = attempt({
  ...{ httpStatus: undefined, errorCode: undefined, requestId: undefined },
  ...{ verdict: 'transient', reason: 'no answer in time', mayHaveActed: true },
});

function destruction(changes: Partial<KnownDestruction> = {}): KnownDestruction {
  return {
    ...{ id, requestedAtMs: nowMs - hour, notAfterMs: nowMs + hour, batch: undefined },
    ...{ outcome: 'destroyed', errorCode: 0, errorInfo: undefined, requestId: 'Id-1' },
    ...{ finishedAtMs: nowMs, statistics: undefined, statisticsSource: 'response' },
    snapshotAtMs: undefined,
    ...{ attempts: [attempt()], attemptCount: 1 },
    ...changes,
  };
}

const ended = (changes: Partial<KnownDestruction>) =>
  explanation({ history: { destructions: [destruction(changes)], total: 1, events: [] } });

type Ending = Partial<KnownDestruction>;

/** A room that was asked for twice: a minute ago the first one ended. */
function pair(before: Ending, after: Ending): Explanation {
  const first = destruction({
    ...{ id: 'first', requestedAtMs: nowMs - 2 * hour, finishedAtMs: nowMs - 60_000 },
    ...before,
  });
  return explanation({
    history: { destructions: [destruction(after), first], total: 2, events: [] },
  });
}

describe('the summary', () => {
  test.each<[rule: string, of: Explanation, summary: string]>([
    [
      'a room that nobody asked for',
      explanation(),
      'nothing is known of this room: it was never asked for, or its record was removed',
    ],
    [
      'a waiting room has those ahead, the lane and about how long',
      explanation({ pending: job(waiting()) }),
      'waiting: 1,204 rooms ahead in the bulk lane, about 6 s',
    ],
    [
      'the next one takes a moment',
      explanation({ pending: job(waiting(0), { lane: 'urgent' }) }),
      'waiting: next in the urgent lane, about 1 s',
    ],
    [
      'a place that is not exact is said to be so',
      explanation({ pending: job(waiting(10, false)) }),
      'waiting: at most 10 rooms ahead in the bulk lane, about 1 s',
    ],
    [
      'the rate in force counts, and why it is low',
      explanation({
        pending: job(waiting()),
        line: {
          ...{ ...running, ratePerSecond: 10, brakeReason: 'too frequent (60018)' },
          state: { kind: 'braked' },
        },
      }),
      'waiting: 1,204 rooms ahead in the bulk lane, about 2 min 00 s (braked: too frequent (60018))',
    ],
    [
      'a line that never ran has no worker',
      explanation({ pending: job(waiting()), line: undefined, standstill: 'no_worker' }),
      'waiting: 1,204 rooms ahead in the bulk lane; no worker has run yet; start one with `room-reaper worker`',
    ],
    [
      'a line on which no worker is at work',
      explanation({ pending: job(waiting()), standstill: 'no_worker' }),
      'waiting: 1,204 rooms ahead in the bulk lane; no worker is at work; start one with `room-reaper worker`',
    ],
    [
      'the job of a worker that is dead waits for another one',
      explanation({
        pending: job({ state: 'in_hand', sinceMs: nowMs - 7_000 }),
        standstill: 'no_worker',
      }),
      'in hand of a worker since 02:31:00 UTC+8; no worker is at work; start one with `room-reaper worker`',
    ],
    [
      'workers that hold back are why a room waits',
      explanation({ pending: job(waiting(0)), standstill: 'workers_hold_back' }),
      'waiting: next in the bulk lane; every worker at work holds back or stands',
    ],
    [
      'a queue that takes no writes says why',
      explanation({
        ...{ pending: job(waiting(0)), standstill: 'queue_read_only' },
        queueReadOnly: 'its Postgres is a read-only standby',
      }),
      'waiting: next in the bulk lane; its Postgres is a read-only standby',
    ],
    [
      'a line of another host that stands is where to look',
      explanation({ pending: job(waiting(0)), standstill: 'line_stands' }),
      'waiting: next in the bulk lane; see `room-reaper status`: another host stands',
    ],
    [
      'a line that is silent while rooms wait',
      explanation({ pending: job(waiting()), standstill: 'nothing_sent' }),
      'waiting: 1,204 rooms ahead in the bulk lane; nothing was sent in the last 10 s, so no time is told; see the log of the workers',
    ],
    [
      'a line may be silent until the room that was just asked for is sent',
      explanation({
        ...{ standstill: 'nothing_sent' },
        pending: job(waiting(0), {
          destruction: {
            ...{ id, roomId: 'live-room-42', batchId: undefined },
            ...{ requestedAtMs: nowMs - 1_000, notAfterMs: nowMs + hour },
          },
        }),
      }),
      'waiting: next in the bulk lane, about 1 s',
    ],
    [
      'a stopped line is the answer, with what to do',
      explanation({ pending: job(waiting()), line: stopped }),
      'waiting: the line is stopped: UserSig was made with the wrong key (70009), said by worker box-7:4123; check the key',
    ],
    [
      'a pause by hand is the answer, before all others',
      explanation({ pending: job(waiting()), line: stopped, paused: true }),
      'waiting: the queue is paused by hand; run `room-reaper resume` to go on',
    ],
    [
      'a room in hand has a worker',
      explanation({ pending: job({ state: 'in_hand', sinceMs: nowMs - 7_000 }) }),
      'in hand of a worker since 02:31:00 UTC+8',
    ],
    [
      'a room for later is due when it was asked for',
      explanation({ pending: job({ state: 'delayed', dueAtMs: nowMs + 53_000 }) }),
      'not due yet: due in 53 s, at 02:32:00 UTC+8',
    ],
    [
      'a room of which no look was answered says so once',
      ended({
        ...{ outcome: 'failed', errorCode: undefined, attempts: [], attemptCount: 0 },
        errorInfo: 'every attempt used up: get_room_info: HTTP 503',
      }),
      'not known to be gone: every attempt was used up at 02:31:07 UTC+8, the last with get_room_info: HTTP 503',
    ],
    [
      'a later retry says why the last run failed, of which the ledger may know nothing',
      explanation({
        pending: job(
          { state: 'delayed', dueAtMs: nowMs + 53_000, lastFailure: 'get_room_info: HTTP 503' },
          { failedRuns: 2 },
        ),
      }),
      'waiting for a later retry: due in 53 s, at 02:32:00 UTC+8; it failed with: get_room_info: HTTP 503',
    ],
    [
      'what its last attempt says already is not said twice',
      explanation({
        pending: job(
          { state: 'delayed', dueAtMs: nowMs + 53_000, lastFailure: 'no answer in time' },
          { failedRuns: 2 },
        ),
        history: {
          ...{ destructions: [destruction({ outcome: undefined, attempts: [lost] })] },
          ...{ total: 1, events: [] },
        },
      }),
      'waiting for a later retry: due in 53 s, at 02:32:00 UTC+8',
    ],
    [
      'a room that needs a command which is stopped waits for that one',
      explanation({
        ...{ pending: guarded({ state: 'delayed', dueAtMs: nowMs + 53_000 }), haltedReads },
      }),
      'not due yet: due in 53 s, at 02:32:00 UTC+8; get_room_info, which is asked first, is stopped: the requested resource is wrong (60009), said by worker box-7:4123; check TENCENT_ENDPOINT',
    ],
    [
      'a command that does not work goes on by itself',
      explanation({
        pending: guarded(waiting(0)),
        haltedReads: haltedReads.map((read) => ({
          ...read,
          halt: { ...read.halt, outage: true, code: undefined, reason: 'HTTP 503', by: undefined },
        })),
      }),
      'waiting: next in the bulk lane; get_room_info, which is asked first, does not work: HTTP 503; it goes on by itself when it does',
    ],
    [
      'a room that needs no other command does not wait for it',
      explanation({ ...{ pending: job(waiting(0)), haltedReads } }),
      'waiting: next in the bulk lane, about 1 s',
    ],
    [
      'a later retry is due too, and waits behind a pause all the same',
      explanation({
        pending: job({ state: 'delayed', dueAtMs: nowMs + 53_000 }, { failedRuns: 2 }),
        paused: true,
      }),
      'waiting for a later retry: due in 53 s, at 02:32:00 UTC+8; the queue is paused by hand; run `room-reaper resume` to go on',
    ],
    [
      'a deadline that is over decides',
      explanation({
        pending: job(waiting(), {
          destruction: {
            ...{ id, roomId: 'live-room-42', batchId: undefined },
            ...{ requestedAtMs: nowMs - hour, notAfterMs: nowMs - 67_000 },
          },
        }),
      }),
      'its deadline passed at 02:30:00 UTC+8; the next worker to take it up ends it unsent',
    ],
    [
      'a result that the ledger could not take is not lost',
      explanation({
        pending: job(waiting(), {
          destruction: {
            ...{ id, roomId: 'live-room-42', batchId: undefined, unsavedResult: '{}' },
            ...{ requestedAtMs: nowMs, notAfterMs: nowMs + hour },
          },
        }),
      }),
      'it was answered; its result is in the job, until the ledger takes it',
    ],
    [
      'a job that another program wrote is no destruction',
      explanation({ pending: job(waiting(), { destruction: undefined }) }),
      'its job on the queue holds no valid destruction; a worker will refuse it',
    ],
    [
      'a room that was asked for again is pending, and what became of it before is said too',
      {
        ...ended({ id: 'before', requestedAtMs: nowMs - 2 * hour }),
        pending: job(waiting(0)),
      },
      'waiting: next in the bulk lane, about 1 s; asked for before: destroyed at 02:31:07 UTC+8',
    ],
    [
      'a job whose end is recorded is not waited for',
      { ...ended({}), pending: job({ state: 'in_hand', sinceMs: nowMs }) },
      'destroyed at 02:31:07 UTC+8 by attempt 1; statistics saved',
    ],
    [
      'a job in the failed set says less than the ledger',
      { ...ended({ id: 'other' }), pending: job({ state: 'failed', reason: 'x', atMs: nowMs }) },
      'destroyed at 02:31:07 UTC+8 by attempt 1; statistics saved',
    ],
    [
      'a job in the failed set alone is what is known',
      explanation({ pending: job({ state: 'failed', reason: 'no valid data', atMs: nowMs }) }),
      'ended and not gone: no valid data',
    ],
    [
      'an open destruction whose key the queue has lost has its job all the same',
      {
        ...ended({ outcome: undefined, finishedAtMs: undefined, attempts: [] }),
        jobs: new Map([[id, job(waiting(0))]]),
      },
      'waiting: next in the bulk lane, about 1 s',
    ],
    [
      'a room that was found gone may have been destroyed by a request before',
      pair(
        { outcome: 'failed', attempts: [lost] },
        { outcome: 'already_gone', attempts: [attempt({ verdict: 'gone' })] },
      ),
      'already gone: it did not exist at 02:31:07 UTC+8; an earlier attempt may have destroyed it; asked for before: failed at 02:30:07 UTC+8',
    ],
    [
      'a request after it was found gone did not destroy it',
      pair(
        { outcome: 'already_gone', attempts: [] },
        { outcome: 'failed', attempts: [{ ...lost, slotAtMs: nowMs - 1_000 }] },
      ),
      'already gone: it did not exist at 02:30:07 UTC+8; asked for again: failed at 02:31:07 UTC+8',
    ],
    [
      'a room that was taken back may have been destroyed by a request before',
      pair({ outcome: 'failed', attempts: [lost] }, { outcome: 'cancelled', attempts: [] }),
      'not known to be gone: it was taken back at 02:31:07 UTC+8, before it was sent; an attempt may have destroyed it all the same; asked for before: failed at 02:30:07 UTC+8',
    ],
    [
      'destroyed has the attempt that did it, also where a later one was told "gone"',
      ended({
        attempts: [
          lost,
          attempt({ attempt: 2 }),
          attempt({ attempt: 3, verdict: 'gone', errorCode: 100004 }),
        ],
      }),
      'destroyed at 02:31:07 UTC+8 by attempt 2; statistics saved',
    ],
    [
      'statistics that were lost',
      ended({ outcome: 'destroyed_statistics_lost', statisticsSource: 'lost' }),
      'destroyed, known at 02:31:07 UTC+8; its statistics were lost on the way',
    ],
    [
      'already gone',
      ended({ outcome: 'already_gone', statisticsSource: 'none' }),
      'already gone: it did not exist at 02:31:07 UTC+8',
    ],
    [
      'rejected, with the code',
      ended({
        ...{ outcome: 'rejected', errorCode: 100006 },
        attempts: [attempt({ verdict: 'rejected', reason: 'no permission, or not a live room' })],
      }),
      'not destroyed: the API refused it for good at 02:31:07 UTC+8: no permission, or not a live room (100006)',
    ],
    [
      'failed does not claim that the room lives where an attempt may have acted',
      ended({ outcome: 'failed', errorCode: undefined, attempts: [lost] }),
      'not known to be gone: every attempt was used up at 02:31:07 UTC+8, the last with no answer in time; an attempt may have destroyed it all the same',
    ],
    [
      'expired',
      ended({ outcome: 'expired', attempts: [] }),
      'not known to be gone: its deadline passed at 02:31:07 UTC+8',
    ],
    [
      'cancelled',
      ended({ outcome: 'cancelled', attempts: [] }),
      'not destroyed: it was taken back at 02:31:07 UTC+8, before it was sent',
    ],
    [
      'open without a job is not passed over',
      ended({ outcome: undefined, finishedAtMs: undefined, attempts: [] }),
      'open in the ledger, and its job is not on the queue: it has just ended, or the job was removed; ask for the room again if this stays',
    ],
  ])('%s', (_rule, of, summary) => {
    expect(summaryOf(of)).toBe(summary);
  });
});

describe('of a room that was asked for twice', () => {
  const states = [...outcomes, 'open'] as const;
  type State = (typeof states)[number];
  const endOf = (state: State): Ending =>
    state === 'open'
      ? { outcome: undefined, finishedAtMs: undefined, attempts: [] }
      : { outcome: state, attempts: [] };
  const word = (state: State, at: string) => (state === 'open' ? state : `${state} at ${at}`);

  /** Which of the two says more of the room, by the first and, in the order of `states`, the second. */
  const leading: Readonly<Record<State, string>> = {
    destroyed: '211111112',
    destroyed_statistics_lost: '221111112',
    already_gone: '222111112',
    recreated: '222222222',
    rejected: '222222222',
    failed: '222222222',
    expired: '222222222',
    cancelled: '222222222',
    open: '222222222',
  };
  const pairs = states.flatMap((first) =>
    states.map((second, index) => [first, second, leading[first][index]] as const),
  );

  test.each(pairs)('first %s, then %s: number %s leads, and the other is told', (...of) => {
    const [first, second, number] = of;
    const summary = summaryOf(pair(endOf(first), endOf(second)));
    const alone = number === '1' ? endOf(first) : endOf(second);
    const finishedAtMs = number === '1' ? nowMs - 60_000 : nowMs;
    const leads = summaryOf(ended({ finishedAtMs, ...alone }));
    const told =
      number === '1'
        ? `asked for again: ${word(second, '02:31:07 UTC+8')}`
        : `asked for before: ${word(first, '02:30:07 UTC+8')}`;
    expect(summary).toBe(`${leads}; ${told}`);
    const gone = [first, second].some((state) => state !== 'open' && isGone(state));
    if (second !== 'open') expect(/^(destroyed|already gone)/.test(summary)).toBe(gone);
  });

  const places: JobPlace[] = [
    waiting(0),
    { state: 'delayed', dueAtMs: nowMs + 53_000 },
    { state: 'in_hand', sinceMs: nowMs - 7_000 },
  ];
  const again = places.flatMap((place) =>
    states.map((state) => [state, place.state, place] as const),
  );

  test.each(again)('first %s, and now %s: what it is now leads', (first, _now, place) => {
    const before = destruction({ id: 'first', requestedAtMs: nowMs - 2 * hour, ...endOf(first) });
    const pending = job(place);
    const known = { destructions: [before], total: 1, events: [] };
    // Never taken up, or open in the ledger for a later retry.
    const open = destruction(endOf('open'));
    for (const history of [known, { destructions: [open, before], total: 2, events: [] }]) {
      expect(summaryOf(explanation({ pending, history }))).toBe(
        `${summaryOf(explanation({ pending }))}; asked for before: ${word(first, '02:31:07 UTC+8')}`,
      );
    }
  });
});

test('text from outside cannot move the cursor', () => {
  const shown = toText({
    ...ended({
      ...{ outcome: 'rejected', errorInfo: 'bad\u001b[2Jinfo', requestId: 'r\u0007' },
      batch: { id, name: 'evening\u001b[31m' },
      attempts: [
        attempt({ reason: 'because\u009b1m', requestId: 'Id\u001b[1A', rawAnswer: 'raw\u001b[2K' }),
      ],
    }),
    jobs: new Map([[id, job({ state: 'failed', reason: 'failed\u001b[3J', atMs: nowMs })]]),
  });
  expect(shown).toMatch(/bad\\u001b\[2Jinfo/);
  expect(shown).toMatch(/it was answered: raw\\u001b/);
  expect(shown).toMatch(/evening\\u001b/);
  expect(shown).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
});

test('a time in a job that no calendar has is no crash', () => {
  const absurd = Number.MAX_SAFE_INTEGER;
  const of = explanation({
    pending: job(waiting(), {
      destruction: {
        ...{ id, roomId: 'live-room-42', batchId: undefined },
        ...{ requestedAtMs: absurd, notAfterMs: absurd },
      },
    }),
  });
  expect(toText(of)).toMatch(/asked for no time that a calendar has/);
  expect(JSON.parse(explanationJson(of))).toMatchObject({
    pending: { state: 'waiting', ahead: 1_204 },
  });
});

test('by what the room was found is said, and which other room is meant by it', () => {
  const shown = { ...ended({}), destructionId: id, namesake: 'live\u0007' };
  const [, byId, other] = toText(shown).split('\n');
  expect(byId).toBe(`found by the id of its destruction ${id}`);
  expect(other).toBe('this is also the id of a destruction, of the room live\\u0007');
  expect(JSON.parse(explanationJson(shown))).toMatchObject({
    ...{ roomId: 'live-room-42', destructionId: id, namesake: 'live\u0007' },
  });
});

test('what is the id of a batch is said to be that, and which commands show the batch', () => {
  const shown = { ...explanation({ roomId: id }), batch: { id, name: 'new\u0007year' } };
  const [summary, commands] = toText(shown).split('\n');
  expect(summary).toBe(
    `${id}: this is the id of batch new\\u0007year, and no room of this name was asked for`,
  );
  expect(commands).toBe(
    `room-reaper status --batch ${id} shows how it stands, room-reaper report ${id} its rooms`,
  );
  expect(JSON.parse(explanationJson(shown))).toMatchObject({ batch: { id } });
});

const totals = {
  ...{ totalViewers: 5n, totalGiftsSent: 1n, totalGiftCoins: 1n },
  ...{ totalUniqueGiftSenders: 1n, totalLikesReceived: 1n },
};

describe('what the API told of the end of a room', () => {
  const event = {
    ...{ roomId: 'live-room-42', endedBy: 'system' as const, operator: undefined },
    ...{ endedAtMs: nowMs - 2 * hour, receivedAtMs: nowMs, destructionId: id },
  };
  const gone = destruction({ outcome: 'already_gone', statisticsSource: 'webhook' });
  const told = (changes: object, outcome = gone) =>
    explanation({
      history: {
        ...{ destructions: [outcome], total: 1 },
        events: [{ ...event, statistics: totals, ...changes }],
      },
    });

  test('says who ended it, and when that was: before it was asked for, or before it was sent', () => {
    expect(summaryOf(told({}))).toBe(
      'already gone: ended by the system at 00:31:07 UTC+8, before it was asked for',
    );
    const meanwhile = { endedAtMs: nowMs - hour / 2, operator: 'ada\u001b', endedBy: 'user' };
    expect(summaryOf(told({ ...meanwhile, statistics: undefined }))).toBe(
      'already gone: ended by ada\\u001b at 02:01:07 UTC+8, after it was asked for and before it was sent, without statistics',
    );
    // It belongs to another one.
    expect(summaryOf(told({ destructionId: 'another' }))).toMatch(/it did not exist/);
  });

  test('is listed below the destructions, with what each belongs to', () => {
    const shown = toText(told({}));
    expect(shown).toMatch(
      /^ {2}ended by the system at 00:31:07 UTC\+8, before it was asked for: destruction 01a2073e/m,
    );
    const others = toText(told({ destructionId: undefined }));
    expect(others).toMatch(/^ {2}ended by the system at 00:31:07 UTC\+8$/m);
    expect(JSON.parse(explanationJson(told({})))).toMatchObject({
      events: [{ endedBy: 'system', destructionId: id, statistics: { totalViewers: 5 } }],
    });
  });

  test.each([
    ['webhook', undefined, 'its answer was lost, its statistics came by the webhook'],
    [
      ...(['snapshot', nowMs - 1_000] as const),
      'its answer was lost, its statistics are those of 02:31:06 UTC+8, before it was destroyed',
    ],
  ])(
    'statistics that were lost and came by a %s are said to be so',
    (statisticsSource, snapshotAtMs, why) => {
      const rescued = { outcome: 'destroyed_statistics_lost' as const, statistics: totals };
      expect(summaryOf(ended({ ...rescued, statisticsSource, snapshotAtMs }))).toBe(
        `destroyed, known at 02:31:07 UTC+8; ${why}`,
      );
    },
  );
});

test('what is not shown is counted', () => {
  const shown = toText({
    ...ended({ attempts: [attempt({ attempt: 60 })], attemptCount: 60 }),
    history: { destructions: [destruction({ attemptCount: 60 })], total: 3, events: [] },
  });
  expect(shown).toMatch(/^ {2}59 earlier attempts not shown$/m);
  expect(shown).toMatch(/^2 older destructions of it not shown$/m);
});

test.each<[standstill: Explanation['standstill'], shown: string]>([
  [undefined, 'running'],
  ['paused', 'paused by hand'],
  ['no_worker', 'NOT RUNNING (no worker is at work; start one with `room-reaper worker`)'],
  ['workers_hold_back', 'NOT RUNNING (every worker at work holds back or stands)'],
])('the line with the standstill %s is shown as %s', (standstill, shown) => {
  expect(toText(explanation({ standstill }))).toContain(
    `\nline of api.example: ${shown}, 196.0 requests/s`,
  );
});
