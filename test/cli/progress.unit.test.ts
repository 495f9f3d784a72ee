import { describe, expect, test } from 'vitest';
import type { BatchProgress } from '../../src/ledger/batches.js';
import type { LastRooms } from '../../src/operations/last-rooms.js';
import { describeProgress } from '../../src/cli/progress.js';

function described(
  batch: BatchProgress,
  ratePerSecond: number,
  secondsLeft: number | undefined,
  nowMs: number,
  last?: LastRooms,
): string {
  const progress = batch;
  return describeProgress({ progress, ratePerSecond, secondsLeft, nowMs, last, mayBeLost: false });
}

const progress = (counts: Partial<BatchProgress>): BatchProgress => ({
  id: 'b',
  name: undefined,
  total: 1_000,
  createdAtMs: 0,
  enqueuedAtMs: undefined,
  token: undefined,
  finishedAtMs: undefined,
  by: undefined,
  note: undefined,
  parentId: undefined,
  origin: undefined,
  cancelledAtMs: undefined,
  cancelledBy: undefined,
  statisticsFrom: { response: 0, webhook: 0, snapshot: 0, lost: 0 },
  ratePerSecond: 0,
  precautions: {},
  destroyed: 0,
  destroyed_statistics_lost: 0,
  already_gone: 0,
  recreated: 0,
  rejected: 0,
  failed: 0,
  expired: 0,
  cancelled: 0,
  ...counts,
});

describe('the progress line', () => {
  test('says how many, how fast, what became of them, and how long', () => {
    const line = described(progress({ destroyed: 400, already_gone: 10 }), 196, 3, 0);
    expect(line).toMatch(
      /^\[####\.{6}\] 410 \/ 1,000 rooms · 3 s left, done 08:00:03 UTC\+8 · 196\/s · 400 destroyed, 10 already gone$/,
    );
  });

  test('names the few rooms that are left before what became of the others', () => {
    const room = { state: 'delayed' as const, dueAtMs: 8_000, lastAnswer: 'HTTP 502' };
    const last = {
      rooms: [{ ...room, roomId: 'a\u001b', summary: 'waiting for a later retry: due in 8 s' }],
      unnamed: 1,
    };
    expect(described(progress({ destroyed: 998 }), 0, 1, 0, last)).toBe(
      '[#########.] 998 / 1,000 rooms · 1 s left, done 08:00:01 UTC+8 · 0/s · ' +
        'a\\u001b: waiting for a later retry: due in 8 s; last answer: HTTP 502 · ' +
        '1 room: further back on the queue, or not on it · 998 destroyed',
    );
  });

  test('promises no time where nothing moves', () => {
    expect(described(progress({ destroyed: 400 }), 0, undefined, 0)).toBe(
      '[####......] 400 / 1,000 rooms · 600 waiting · 0/s · 400 destroyed',
    );
  });

  test('has a full bar when the last room is done, and not before', () => {
    const bar = (destroyed: number) =>
      described(progress({ destroyed }), 0, undefined, 0).split(' ')[0];
    expect([bar(0), bar(999), bar(1_000)]).toEqual([
      '[..........]',
      '[#########.]',
      '[##########]',
    ]);
  });

  test('shows the time that is left also where 80 columns cut it', () => {
    const long = { destroyed: 812_345, already_gone: 1_234, failed: 12 };
    const line = described({ ...progress(long), total: 1_000_000 }, 196, 956, 0);
    expect(line.slice(0, 78)).toContain('15 min 56 s left, done 08:15:56 UTC+8');
  });
});
