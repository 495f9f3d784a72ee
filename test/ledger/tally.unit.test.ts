import { expect, test } from 'vitest';
import type { LedgerRow } from '../../src/ledger/report-rows.js';
import { createTally } from '../../src/ledger/tally.js';

let made = 0;

function row(changes: Partial<LedgerRow> = {}, totals?: bigint): LedgerRow {
  made += 1;
  return {
    roomId: `room-${made}`,
    state: 'ended',
    outcome: 'destroyed',
    statisticsSource: 'response',
    totals: {
      totalViewers: totals,
      totalGiftsSent: totals,
      totalGiftCoins: totals,
      totalUniqueGiftSenders: totals,
      totalLikesReceived: totals,
    },
    attempts: 1,
    errorCode: 0,
    errorInfo: undefined,
    requestId: undefined,
    requestedAtMs: undefined,
    finishedAtMs: undefined,
    destructionId: 'id',
    joined: false,
    endedAttempts: 1,
    sentAttempts: 1,
    lostAttempts: 0,
    firstSentUs: 1_000,
    lastSentUs: 1_000,
    ...changes,
  };
}

function tallyOf(rows: readonly LedgerRow[]) {
  const tally = createTally();
  for (const each of rows) tally.add(each);
  return tally.result();
}

test('every room counts in exactly one place', () => {
  const none = { outcome: undefined, endedAttempts: 0, sentAttempts: 0 };
  const tally = tallyOf([
    row(),
    row({ outcome: 'failed', errorCode: 100001 }),
    row({ ...none, state: 'open', attempts: 2 }),
    row({ ...none, state: 'waiting', attempts: 0, joined: true }),
  ]);
  expect(tally).toMatchObject({ rooms: 4, open: 1, waiting: 1, joined: 1, attemptsRecorded: 4 });
  expect(tally.outcomes).toMatchObject({ destroyed: 1, failed: 1 });
  expect(Object.values(tally.outcomes).reduce((sum, each) => sum + each)).toBe(2);
});

test('the top rooms are the ten highest, of equal ones the first by RoomId, none with nothing', () => {
  const values = [3n, 2n ** 62n, 0n, 7n, 7n, 1n, 9n, 8n, 2n, 4n, 5n, 6n, 10n];
  const rows = values.map((value, n) => row({ roomId: `r${String(n).padStart(2, '0')}` }, value));
  const { topByViewers, topByGiftCoins } = tallyOf([...rows.reverse()]);
  expect(topByViewers).toEqual(topByGiftCoins);
  expect(topByViewers.map(({ roomId }) => roomId)).toEqual([
    ...['r01', 'r12', 'r06', 'r07', 'r03', 'r04', 'r11', 'r10', 'r09', 'r00'],
  ]);
});

test('retries are the requests beyond the first of each room that was sent any', () => {
  const tally = tallyOf([
    row(),
    row({ sentAttempts: 3, endedAttempts: 3, attempts: 3 }),
    row({ sentAttempts: 0, endedAttempts: 1 }),
    row({ sentAttempts: 1, endedAttempts: 1, attempts: 2, lostAttempts: 1 }),
  ]);
  expect([...tally.roomsByRetries]).toEqual([
    [0, 2],
    [2, 1],
  ]);
  expect(tally).toMatchObject({ attemptsNotSent: 1, attemptsLost: 1 });
});

test('rooms that were created again are one problem, whenever each was', () => {
  const again = (at: string) =>
    row({ outcome: 'recreated', errorCode: undefined, errorInfo: `created at ${at}` });
  expect(tallyOf([again('10:00'), again('11:00')]).problems).toMatchObject([
    { outcome: 'recreated', rooms: 2, errorInfo: 'created at 10:00' },
  ]);
});
