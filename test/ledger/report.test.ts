import { beforeEach, describe, expect, test } from 'vitest';
import { joinDestructions, openBatch } from '../../src/ledger/batches.js';
import { outcomes, type Outcome } from '../../src/destruction.js';
import { summarizeBatch } from '../../src/ledger/report.js';
import { newId } from '../../src/queue/destruction-id.js';
import { freshSdkAppId } from '../support/servers.js';
import { useLedger } from './fixture.js';

const ledger = useLedger();
const start = 1_700_000_000_000;
let sdkAppId: number;
let batchId: string;

beforeEach(async () => {
  sdkAppId = freshSdkAppId();
  batchId = newId();
  await openBatch(ledger.database, {
    ...{
      id: batchId,
      sdkAppId,
      name: undefined,
      madeUpName: 'calm-otter-17',
      by: 'ada',
      note: undefined,
      fingerprint: batchId,
      total: 10,
    },
  });
});

interface Row {
  batchId?: string | null;
  roomId?: string;
  sdkAppId?: number;
  outcome?: Outcome | null;
  errorCode?: number;
  errorInfo?: string;
  totals?: bigint;
  /** Milliseconds after the start; null: recorded, never sent. */
  sentAt?: (number | null)[];
}

let made = 0;

/** A destruction as hand-made rows, of a room of its own; its id. */
async function destruction(row: Row = {}): Promise<string> {
  const id = newId();
  const { outcome = 'destroyed', totals, sentAt = [] } = row;
  await ledger.sql(
    `insert into room_reaper.destructions (id, sdk_app_id, room_id, batch_id, requested_at, not_after, outcome,
       error_code, error_info, attempts, statistics_source, total_viewers, total_gifts_sent, total_gift_coins,
       total_unique_gift_senders, total_likes_received)
     values ($1, $2, $3, $4, now(), now(), $5, $6, $7, $8, $9, $10, $10, $10, $10, $10)`,
    [
      id,
      row.sdkAppId ?? sdkAppId,
      row.roomId ?? `room-${(made += 1)}`,
      row.batchId === undefined ? batchId : row.batchId,
      outcome,
      row.errorCode ?? null,
      row.errorInfo ?? null,
      sentAt.length,
      outcome === 'destroyed' ? 'response' : null,
      totals?.toString() ?? null,
    ],
  );
  await ledger.sql(
    `insert into room_reaper.attempts (destruction_id, attempt, worker_id, slot_at, sent_at, ended_at)
     select $1, n, 'worker-1', now(), to_timestamp(sent / 1000), to_timestamp(sent / 1000) + interval '1 s' from unnest($2::float8[]) with ordinality as t (sent, n)`,
    [id, sentAt.map((at) => (at === null ? null : start + at))],
  );
  return id;
}

const summary = () => summarizeBatch(ledger.database, batchId);

describe('worst window', () => {
  test.each<[rule: string, sentAt: (number | null)[], worst: number]>([
    ['nothing was sent', [], 0],
    ['one request', [0], 1],
    ['two that are a second apart are never in one window', [0, 1_000], 1],
    ['two that are a microsecond less than a second apart are', [0, 999.999], 2],
    ['the fullest window counts, wherever it lies', [0, 900, 1_500, 1_600, 1_700, 4_000], 4],
    ['a window is no whole second of a clock', [900, 950, 1_050, 1_100], 4],
    ['requests at the same instant count each', [0, 0, 0], 3],
    ['an attempt that was never sent is no request', [0, null, 1], 2],
  ])('%s', async (_rule, sentAt, worst) => {
    await destruction({ sentAt });
    expect((await summary()).worstWindow).toBe(worst);
  });

  test('it goes over all destructions, in whatever order they were sent', async () => {
    await destruction({ sentAt: [500, 3_000] });
    await destruction({ sentAt: [400, 3_100] });
    await destruction({ sentAt: [3_200] });
    expect((await summary()).worstWindow).toBe(3);
  });

  test('a full quota is counted exactly: 200 in every second', async () => {
    for (let destructions = 0; destructions < 4; destructions++) {
      const sentAt = Array.from({ length: 200 }, (_, n) => (4 * n + destructions) * 5);
      await destruction({ sentAt });
    }
    expect((await summary()).worstWindow).toBe(200);
  });

  test('requests of the same app for other batches count, for the quota is the app’s', async () => {
    await destruction({ sentAt: [0, 2_000] });
    await destruction({ batchId: null, sentAt: [100, 200, 300] });
    expect((await summary()).worstWindow).toBe(4);
  });

  test('requests of another app, before or after the batch do not count', async () => {
    await destruction({ sentAt: [0, 2_000] });
    await destruction({ sdkAppId: freshSdkAppId(), batchId: null, sentAt: [1, 2, 3] });
    await destruction({ batchId: null, sentAt: [-3, -2, -1, 2_001, 2_002] });
    expect((await summary()).worstWindow).toBe(1);
  });
});

describe('totals', () => {
  test('an empty batch comes to nothing', async () => {
    expect(await summary()).toEqual({
      rooms: 0,
      open: 0,
      waiting: 0,
      joined: 0,
      outcomes: Object.fromEntries(outcomes.map((outcome) => [outcome, 0])),
      attempts: 0,
      attemptsRecorded: 0,
      attemptsNotSent: 0,
      attemptsLost: 0,
      roomsByRetries: new Map(),
      meanRatePerSecond: undefined,
      topByViewers: [],
      topByGiftCoins: [],
      firstSentUs: undefined,
      lastSentUs: undefined,
      worstWindow: 0,
      statisticsFrom: { response: 0, webhook: 0, snapshot: 0, lost: 0 },
      statistics: {
        totalViewers: 0n,
        totalGiftsSent: 0n,
        totalGiftCoins: 0n,
        totalUniqueGiftSenders: 0n,
        totalLikesReceived: 0n,
      },
      problems: [],
    });
  });

  test('sums beyond 2^53, and beyond what one room can have, are exact', async () => {
    const most = 2n ** 63n - 1n;
    await destruction({ totals: most });
    await destruction({ totals: most });
    await destruction({ totals: 3n });
    const { statistics } = await summary();
    expect(new Set(Object.values(statistics))).toEqual(new Set([2n * most + 3n]));
  });

  test('rooms without statistics add nothing', async () => {
    await destruction({ totals: 2n ** 53n + 1n });
    await destruction({ outcome: 'already_gone' });
    await destruction({ outcome: null });
    expect((await summary()).statistics.totalViewers).toBe(2n ** 53n + 1n);
  });

  test('a room that the batch joined counts once, with its attempts', async () => {
    await destruction({ sentAt: [0, 2_000], totals: 1n });
    const joined = await destruction({ batchId: null, sentAt: [4_000, 6_000, 8_000], totals: 10n });
    await joinDestructions(ledger.database, batchId, [{ destructionId: joined, roomId: 'room' }]);
    expect(await summary()).toMatchObject({ attempts: 5, statistics: { totalViewers: 11n } });
  });

  test('an attempt that nobody saw the end of is not counted as a request', async () => {
    await destruction({ sentAt: [0, null, 2_000] });
    expect((await summary()).attempts).toBe(2);
  });
});

describe('problems', () => {
  test('why rooms are not gone, by outcome and code, the most frequent first', async () => {
    await destruction({ outcome: 'rejected', errorCode: 100006, errorInfo: 'no', roomId: 'b' });
    await destruction({ outcome: 'failed', errorInfo: 'every attempt used up', roomId: 'c' });
    await destruction({ outcome: 'failed', errorInfo: 'every attempt used up', roomId: 'a' });
    await destruction({ outcome: 'rejected', errorCode: 100002, errorInfo: 'bad', roomId: 'd' });
    await destruction({ outcome: 'already_gone', errorCode: 100004 });
    await destruction({ outcome: 'destroyed_statistics_lost', errorCode: 100004 });
    await destruction({ outcome: null });
    const usedUp = 'every attempt used up';
    expect((await summary()).problems).toEqual([
      { outcome: 'failed', errorCode: undefined, errorInfo: usedUp, rooms: 2, example: 'a' },
      { outcome: 'rejected', errorCode: 100002, errorInfo: 'bad', rooms: 1, example: 'd' },
      { outcome: 'rejected', errorCode: 100006, errorInfo: 'no', rooms: 1, example: 'b' },
    ]);
  });
});
