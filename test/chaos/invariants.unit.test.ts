/** The checker is checked: in a sound history it finds nothing, and each way of being unsound is found. */
import { describe, expect, test } from 'vitest';
import type { ServerRequest } from '../support/counting-server.js';
import { gatherFacts } from './facts.js';
import type { AttemptRow, DestructionRow, History } from './history.js';
import { invariants, type InvariantName } from './invariants.js';

const totals = {
  TotalViewers: '1',
  TotalGiftsSent: '2',
  TotalGiftCoins: '9007199254740993',
  TotalUniqueGiftSenders: '4',
  TotalLikesReceived: '5',
};

/** One room that was destroyed and whose statistics are saved, one that never existed. */
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
    total_viewers: '1',
    total_gifts_sent: '2',
    total_gift_coins: '9007199254740993',
    total_unique_gift_senders: '4',
    total_likes_received: '5',
    requestedAtMs: 500,
    notAfterMs: 90_000,
    finishedAtMs: 1_100,
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
    total_viewers: null,
    total_gifts_sent: null,
    total_gift_coins: null,
    total_unique_gift_senders: null,
    total_likes_received: null,
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
  const unasked = { requests: [], worstWindow: 0 };
  const history: History = {
    seed: 1,
    faults: { fromMs: 0, untilMs: 5_000 },
    emptyAtMs: 6_000,
    done: [],
    accepted: [
      { roomId: 'room 1', destructionId: 'a', atMs: 510 },
      { roomId: 'ghost:2', destructionId: undefined, atMs: 510 },
    ],
    unanswered: [],
    batchesAccepted: ['batch 1'],
    server: {
      requests: [told, ghost],
      rooms: { 'room 1': { requests: 1, destroyed: true, totals } },
      worstWindow: 2,
      problems: [],
      signatures: ['signature'],
      differentRandoms: 2,
      connections: 1,
      commands: { get_room_info: unasked, get_room_stats: unasked, get_room_list: unasked },
      startedAtMs: 0,
      stalls: [],
    },
    apiProxy: { connections: 1, garbled: 0, stalls: [] },
    destructions: [destroyed, gone],
    attempts: [attempt, { ...attempt, destruction_id: 'c', verdict: 'gone', request_id: 'Id-2' }],
    batches: [
      {
        id: 'b',
        name: 'batch 1',
        total: 1,
        joined: 0,
        finished: true,
        counters: { destroyed: 1 },
        rows: { destroyed: 1 },
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
  return { history, told, ghost, destroyed, gone, attempt, process: history.processes[0] };
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
  'each destroyed row holds the statistics of the server to the digit': [
    ({ destroyed }) => (destroyed.total_gift_coins = '9007199254740992'),
    ({ told }) => (told.toldTotals = false),
    ({ gone }) => (gone.total_viewers = '0'),
  ],
  'no row carries the statistics of another room': [
    ({ history, gone }) => {
      history.server.rooms['room 3'] = {
        ...{ requests: 1, destroyed: true },
        totals: { ...totals, TotalViewers: '8' },
      };
      Object.assign(gone, {
        ...{ total_viewers: '8', total_gifts_sent: '2', total_gift_coins: '9007199254740993' },
        ...{ total_unique_gift_senders: '4', total_likes_received: '5' },
      });
    },
  ],
  'no room is called gone that the server still has': [({ told }) => (told.acted = false)],
  'already_gone is said only of rooms that never existed or had been destroyed before': [
    ({ destroyed }) => (destroyed.outcome = 'already_gone'),
  ],
  'where the ledger lacks the statistics of a destroyed room it says that they are lost': [
    ({ destroyed }) => (destroyed.outcome = 'already_gone'),
    ({ destroyed }) => (destroyed.outcome = 'expired'),
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
  'a room is not gone only where the API refused it or its deadline passed': [
    ({ destroyed }) => (destroyed.outcome = 'failed'),
    ({ destroyed }) => (destroyed.outcome = 'expired'),
    ({ destroyed }) => (destroyed.outcome = 'rejected'),
  ],
  'no job is left on the queue, and its failed set is what the ledger calls not gone': [
    ({ history }) => (history.emptyAtMs = undefined),
    ({ history }) => (history.queue.counts = { delayed: 1 }),
    ({ history }) => history.queue.failed.push({ id: 'a', reason: 'stalled', atMs: 1 }),
    ({ destroyed }) => (destroyed.outcome = 'rejected'),
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
