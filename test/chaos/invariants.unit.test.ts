/** The checker is checked: in a sound history it finds nothing, and each way of being unsound is found. */
import { describe, expect, test } from 'vitest';
import type { RoomEnd, ServerRequest } from '../support/counting-server.js';
import { gatherFacts } from './facts.js';
import type { AttemptRow, Created, DestructionRow, History, Told } from './history.js';
import { invariants, type InvariantName } from './invariants.js';

const totals = {
  TotalViewers: '1',
  TotalGiftsSent: '2',
  TotalGiftCoins: '9007199254740993',
  TotalUniqueGiftSenders: '4',
  TotalLikesReceived: '5',
};

const inLedger = (viewers: string) => ({
  ...{ total_viewers: viewers, total_gifts_sent: '2', total_gift_coins: '9007199254740993' },
  ...{ total_unique_gift_senders: '4', total_likes_received: '5' },
});
const none = {
  ...{ total_viewers: null, total_gifts_sent: null, total_gift_coins: null },
  ...{ total_unique_gift_senders: null, total_likes_received: null },
};

/**
 * One room that was destroyed and whose statistics are saved, one that never existed; one whose
 * answer was lost and whose end was told of, which was then created again; one of which a snapshot
 * was taken before its answer was lost.
 */
function sound() {
  const told: ServerRequest = {
    atMs: 1_000,
    requestId: 'Id-1',
    roomId: 'room 1',
    askedFor: 'room 1',
    answer: 'usual',
    acted: true,
    toldTotals: true,
  };
  const ghost: ServerRequest = {
    atMs: 1_010,
    requestId: 'Id-2',
    roomId: 'ghost:2',
    askedFor: 'ghost:2',
    answer: 'unknown',
  };
  const destroyed: DestructionRow = {
    id: 'a',
    room_id: 'room 1',
    batch_id: 'b',
    outcome: 'destroyed',
    error_code: 0,
    request_id: 'Id-1',
    statistics_source: 'response',
    ...inLedger('1'),
    requestedAtMs: 500,
    notAfterMs: 90_000,
    finishedAtMs: 1_100,
    onlyCreatedBeforeMs: null,
    snapshotAtMs: null,
  };
  const gone: DestructionRow = {
    ...destroyed,
    id: 'c',
    room_id: 'ghost:2',
    batch_id: null,
    outcome: 'already_gone',
    statistics_source: 'none',
    error_code: 100004,
    request_id: 'Id-2',
    ...none,
  };
  const attempt: AttemptRow = {
    destruction_id: 'a',
    attempt: 1,
    worker_id: 'w',
    verdict: 'destroyed',
    reason: 'destroyed',
    http_status: 200,
    error_code: 0,
    may_have_acted: false,
    request_id: 'Id-1',
    slotAtMs: 999,
    sentAtMs: 999,
    endedAtMs: 1_050,
  };
  /** A request that destroyed a room and was not answered, and one that found it gone. */
  const lose = (roomId: string, atMs: number, id: string): ServerRequest[] => {
    const asked = { roomId, askedFor: roomId };
    return [
      { ...asked, atMs, requestId: `${id}-1`, answer: 'cut', acted: true },
      { ...asked, atMs: atMs + 300, requestId: `${id}-2`, answer: 'usual' },
    ];
  };
  const attemptsAt = (destructionId: string, atMs: number, id: string): AttemptRow[] => [
    {
      ...{ ...attempt, destruction_id: destructionId, verdict: 'transient', request_id: null },
      ...{ http_status: null, error_code: null, may_have_acted: true },
      ...{ slotAtMs: atMs - 1, sentAtMs: atMs - 1, endedAtMs: atMs + 50 },
    },
    {
      ...{ ...attempt, destruction_id: destructionId, attempt: 2, verdict: 'gone' },
      ...{ request_id: `${id}-2`, error_code: 100004 },
      ...{ slotAtMs: atMs + 299, sentAtMs: atMs + 299, endedAtMs: atMs + 350 },
    },
  ];
  const endOf = (roomId: string, atMs: number, requestId: string, viewers: string): RoomEnd => {
    return { roomId, atMs, requestId, createTime: 0, totals: { ...totals, TotalViewers: viewers } };
  };
  const toldOf: DestructionRow = {
    ...{ ...destroyed, id: 'e', room_id: 'again-3', batch_id: null, ...inLedger('3') },
    ...{ outcome: 'destroyed_statistics_lost', statistics_source: 'webhook' },
    ...{ error_code: 100004, request_id: 'three-2', finishedAtMs: 2_400 },
    ...{ onlyCreatedBeforeMs: 1_500, requestedAtMs: 1_500 },
  };
  const recreated: DestructionRow = {
    ...{ ...toldOf, id: 'f', ...none, outcome: 'recreated', statistics_source: null },
    ...{ error_code: null, request_id: null, requestedAtMs: 9_500, finishedAtMs: 9_600 },
  };
  const read: DestructionRow = {
    ...{ ...toldOf, id: 'g', room_id: 'room 4', ...inLedger('4'), statistics_source: 'snapshot' },
    ...{ request_id: 'four-2', finishedAtMs: 3_400, snapshotAtMs: 2_900 },
    onlyCreatedBeforeMs: null,
  };
  const ends = [
    endOf('room 1', 1_000, 'Id-1', '1'),
    endOf('again-3', 2_000, 'three-1', '3'),
    endOf('room 4', 3_000, 'four-1', '4'),
  ];
  const told3: Told = { end: ends[1] as RoomEnd, atMs: 2_100, withTotals: true };
  const events = [told3];
  const created: Created[] = [{ roomId: 'again-3', atMs: 9_000 }];
  const stats: ServerRequest = {
    ...{ atMs: 2_901, requestId: 'stats-1', roomId: 'room 4', askedFor: 'room 4' },
    ...{ answer: 'usual', toldTotals: true },
  };
  const unasked = { requests: [], worstWindow: 0 };
  const history: History = {
    seed: 1,
    faults: { fromMs: 0, untilMs: 5_000 },
    emptyAtMs: 6_000,
    done: [],
    accepted: [
      { roomId: 'room 1', destructionId: 'a', atMs: 510 },
      { roomId: 'again-3', destructionId: 'e', atMs: 1_510 },
      { roomId: 'again-3', destructionId: 'f', atMs: 9_510 },
      { roomId: 'room 4', destructionId: 'g', atMs: 1_510 },
      { roomId: 'ghost:2', destructionId: undefined, atMs: 510 },
    ],
    unanswered: [],
    batchesAccepted: ['batch 1'],
    server: {
      requests: [
        ...[told, ghost],
        ...lose('again-3', 2_000, 'three'),
        ...lose('room 4', 3_000, 'four'),
      ],
      rooms: { 'room 1': { requests: 1, destroyed: true, totals } },
      worstWindow: 2,
      problems: [],
      signatures: ['signature'],
      differentRandoms: 2,
      connections: 1,
      commands: {
        ...{ get_room_info: { ...unasked }, get_room_list: { ...unasked } },
        get_room_stats: { requests: [stats], worstWindow: 1 },
      },
      startedAtMs: 0,
      stalls: [],
    },
    apiProxy: { connections: 1, garbled: 0, stalls: [] },
    ends,
    told: events,
    created,
    snapshots: ['g'],
    replaced: [],
    destructions: [destroyed, gone, toldOf, recreated, read],
    attempts: [
      ...[attempt, { ...attempt, destruction_id: 'c', verdict: 'gone', request_id: 'Id-2' }],
      ...attemptsAt('e', 2_000, 'three'),
      ...attemptsAt('g', 3_000, 'four'),
    ],
    batches: [
      {
        id: 'b',
        name: 'batch 1',
        total: 1,
        joined: 0,
        finished: true,
        counters: { destroyed: 1 },
        rows: { destroyed: 1 },
        members: ['a'],
        sums: {
          totals: ['1', '2', '9007199254740993', '4', '5'],
          from: { response: 1, webhook: 0, snapshot: 0, lost: 0 },
        },
      },
    ],
    queue: { counts: { wait: 0, failed: 0 }, failed: [] },
    processes: [
      {
        place: 0,
        workerId: 'w',
        startedAtMs: 0,
        end: { atMs: 6_500, code: 0, signal: null },
        signals: [{ atMs: 6_100, name: 'SIGTERM' }],
        output: 'worker stopped',
      },
    ],
    texts: [{ name: 'worker 0', text: 'worker stopped' }],
    secrets: ['signature'],
    requestTimeoutMs: 2_000,
  };
  const [process] = history.processes;
  const rescued = { toldOf, recreated, read, told3, ends, events, created, stats };
  return { history, told, ghost, destroyed, gone, attempt, process, ...rescued };
}

type Sound = ReturnType<typeof sound>;

/** What breaks each of them; more than one way where a rule has more than one side. */
const unsound: Record<InvariantName, ((sound: Sound) => void)[]> = {
  'each accepted request has exactly one outcome': [
    ({ destroyed }) => (destroyed.outcome = null),
    ({ history }) => history.accepted.push({ roomId: 'room 3', destructionId: undefined, atMs: 1 }),
    ({ history }) => history.accepted.push({ roomId: 'room 1', destructionId: 'x', atMs: 1 }),
    ({ history }) => history.accepted.pop(),
  ],
  'each request is answered: taken, or refused and asked again': [
    ({ history }) => history.unanswered.push('enqueue of batch 1'),
  ],
  'each destruction holds the statistics of the room that it ended, to the digit': [
    ({ destroyed }) => (destroyed.total_gift_coins = '9007199254740992'),
    ({ destroyed }) => Object.assign(destroyed, none),
    ({ gone }) => (gone.total_viewers = '0'),
    ({ recreated }) => Object.assign(recreated, inLedger('3')),
    // Those of the room that was created after it.
    ({ toldOf, ends }) => {
      ends.push({ ...(ends[1] as RoomEnd), atMs: 9_700, totals: { ...totals, TotalViewers: '9' } });
      Object.assign(toldOf, inLedger('9'));
    },
  ],
  'statistics are said to be from where they came': [
    ({ told }) => (told.toldTotals = false),
    ({ destroyed }) => (destroyed.statistics_source = 'webhook'),
    ({ events }) => events.pop(),
    ({ told3 }) => (told3.withTotals = false),
    ({ stats }) => (stats.toldTotals = false),
    ({ stats }) => (stats.atMs = 6_000),
    ({ gone }) => (gone.statistics_source = 'lost'),
    ({ recreated }) => (recreated.statistics_source = 'none'),
  ],
  'no life of a room counts twice': [
    ({ recreated }) => Object.assign(recreated, { outcome: 'already_gone', ...inLedger('3') }),
  ],
  'no statistics are lost where an event told them, or a snapshot is kept': [
    ({ toldOf }) => Object.assign(toldOf, { statistics_source: 'lost', ...none }),
    ({ read }) => Object.assign(read, { statistics_source: 'lost', ...none }),
    ({ toldOf, recreated }) => {
      Object.assign(toldOf, { outcome: 'failed', statistics_source: null, ...none });
      Object.assign(recreated, { outcome: 'already_gone', statistics_source: 'none' });
    },
  ],
  'the sums of a batch are those of its rooms, and say where they are from': [
    ({ history }) => history.batches[0]?.members.push('e'),
    ({ history }) => history.batches[0]?.sums.totals.reverse(),
    ({ history }) => Object.assign(history.batches[0]?.sums.from ?? {}, { response: 0, lost: 1 }),
  ],
  'nothing is sent for a room that was created after the time that was asked for': [
    ({ history, told, attempt }) => {
      const asked = { roomId: 'again-3', askedFor: 'again-3', requestId: 'late' };
      history.server.requests.push({ ...told, ...asked, atMs: 9_550 });
      history.attempts.push({
        ...{ ...attempt, destruction_id: 'f', request_id: 'late' },
        ...{ slotAtMs: 9_549, sentAtMs: 9_549, endedAtMs: 9_590 },
      });
    },
  ],
  'a room that was created again lives, unless somebody asked for that one': [
    ({ ends }) => ends.push({ ...(ends[1] as RoomEnd), atMs: 9_550 }),
  ],
  'every command keeps a quota of its own at the door': [
    ({ history, stats }) => {
      history.server.commands.get_room_stats.requests = Array.from({ length: 101 }, (_, index) => ({
        ...stats,
        atMs: 2_901 + index * 9.9,
      }));
    },
    ({ history, stats }) => {
      history.server.commands.get_room_info.requests = Array.from({ length: 201 }, (_, index) => ({
        ...stats,
        atMs: 2_901 + index * 4.99,
      }));
    },
  ],
  'no row carries the statistics of another room': [
    ({ gone }) => Object.assign(gone, inLedger('3')),
  ],
  'no room is called gone that the server still has': [({ ends }) => ends.shift()],
  'already_gone is said only of rooms that never existed or had been destroyed before': [
    ({ destroyed }) => (destroyed.outcome = 'already_gone'),
  ],
  'where the ledger lacks the statistics of a destroyed room it says that they are lost': [
    ({ destroyed }) => (destroyed.outcome = 'already_gone'),
    ({ destroyed }) => (destroyed.outcome = 'expired'),
    ({ toldOf }) => (toldOf.outcome = 'recreated'),
  ],
  'statistics are called lost only where an attempt may have acted': [
    ({ destroyed }) =>
      Object.assign(destroyed, { outcome: 'destroyed_statistics_lost', error_code: 100004 }),
  ],
  'statistics are lost only to a fault that the answer met': [
    ({ destroyed }) => (destroyed.outcome = 'destroyed_statistics_lost'),
    // A worker killed long after it had the answer, with the ledger there all the while.
    ({ destroyed, attempt, process }) => {
      destroyed.outcome = 'destroyed_statistics_lost';
      attempt.endedAtMs = null;
      Object.assign(process ?? {}, { end: { atMs: 4_900, code: null, signal: 'SIGKILL' } });
    },
    // One that ended by itself, with no bytes of a store garbled.
    ({ destroyed, attempt, process }) => {
      destroyed.outcome = 'destroyed_statistics_lost';
      attempt.endedAtMs = null;
      Object.assign(process ?? {}, { end: { atMs: 1_300, code: 1, signal: null } });
    },
  ],
  'a room whose outcome is committed is not asked for again': [
    ({ history, told }) => history.server.requests.push({ ...told, atMs: 1_300, acted: false }),
  ],
  'in any sliding second at most 200 requests arrive': [
    ({ history, ghost }) => {
      history.server.requests = Array.from({ length: 201 }, (_, index) => ({
        ...ghost,
        atMs: 1_000 + index * 4.99,
      }));
    },
  ],
  'every request at the server is an attempt in the ledger': [
    ({ history }) => history.attempts.shift(),
  ],
  'every attempt that was sent has arrived, or its connection met a fault': [
    ({ history, attempt }) => history.attempts.push({ ...attempt, attempt: 2, http_status: null }),
  ],
  'nothing is sent after its deadline': [({ destroyed }) => (destroyed.notAfterMs = 850)],
  'a room is not gone only where it was refused, expired or was created again': [
    ({ created }) => created.pop(),
    ({ recreated }) => (recreated.onlyCreatedBeforeMs = 9_400),
    ({ destroyed }) => (destroyed.outcome = 'failed'),
    ({ destroyed }) => (destroyed.outcome = 'expired'),
    ({ destroyed }) => (destroyed.outcome = 'rejected'),
  ],
  'no job is left on the queue, and its failed set is what the ledger calls not gone': [
    ({ history }) => (history.emptyAtMs = undefined),
    ({ history }) => (history.queue.counts = { delayed: 1 }),
    ({ history }) => history.queue.failed.push({ id: 'a', reason: 'stalled', atMs: 1 }),
    ({ destroyed }) => (destroyed.outcome = 'rejected'),
    ({ history, destroyed }) => {
      destroyed.outcome = 'rejected';
      history.queue.failed.push({ id: 'a', reason: 'rejected', atMs: 1 });
      history.replaced.push('a');
    },
  ],
  'the counters of a batch are its rows, and it is finished': [
    ({ history }) => history.batchesAccepted.push('batch 2'),
    ({ history }) => Object.assign(history.batches[0] ?? {}, { finished: false }),
    ({ history }) => Object.assign(history.batches[0] ?? {}, { total: 2 }),
    ({ history }) => Object.assign(history.batches[0] ?? {}, { counters: { destroyed: 2 } }),
  ],
  'no worker ends by itself, and one that is told to stop exits with 0': [
    ({ process }) => Object.assign(process ?? {}, { signals: [] }),
    ({ process }) => Object.assign(process ?? {}, { end: { atMs: 1, code: 1, signal: null } }),
    ({ process }) => Object.assign(process ?? {}, { end: undefined }),
  ],
  'a worker that is told to stop exits within 15 s': [
    ({ process }) => Object.assign(process ?? {}, { end: { atMs: 21_200, code: 0, signal: null } }),
  ],
  'every request keeps the rules of the documentation': [
    ({ history }) => history.server.problems.push('method GET'),
  ],
  'no secret is in any output, on the queue or in the ledger': [
    ({ history }) => history.texts.push({ name: 'the ledger', text: 'a signature here' }),
    ({ history }) => history.texts.push({ name: 'the ledger', text: '?sdkappid=1' }),
  ],
};

const names = Object.keys(invariants) as InvariantName[];

test.each(names)('in a sound history it holds that %s', (name) => {
  expect(invariants[name](gatherFacts(sound().history))).toEqual([]);
});

describe.each(names)('that %s is found to be violated', (name) => {
  test.each(unsound[name].map((spoil, index) => ({ spoil, way: index + 1 })))(
    'in way $way',
    ({ spoil }) => {
      const history = sound();
      spoil(history);
      expect(invariants[name](gatherFacts(history.history))).not.toEqual([]);
    },
  );
});

test('a window is not called too full for requests that waited while the server did not run', () => {
  const { history, ghost } = sound();
  // 200 spaced by 5.1 ms, after one that waited 30 ms in a stalled server.
  history.server.requests = Array.from({ length: 201 }, (_, index) => ({
    ...ghost,
    atMs: index === 0 ? 1_030 : 1_000 + index * 5.1,
  }));
  const name = 'in any sliding second at most 200 requests arrive';
  expect(invariants[name](gatherFacts(history))).toHaveLength(1);
  history.server.stalls.push({ fromMs: 999, untilMs: 1_029 });
  expect(invariants[name](gatherFacts(history))).toEqual([]);
});
