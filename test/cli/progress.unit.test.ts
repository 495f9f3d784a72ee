import { describe, expect, test } from 'vitest';
import type { BatchProgress } from '../../src/ledger/batches.js';
import { createRateMeter, describeProgress } from '../../src/cli/progress.js';

const progress = (counts: Partial<BatchProgress>): BatchProgress => ({
  id: 'b',
  name: undefined,
  total: 1_000,
  createdAtMs: 0,
  finishedAtMs: undefined,
  by: undefined,
  note: undefined,
  parentId: undefined,
  origin: undefined,
  cancelledAtMs: undefined,
  cancelledBy: undefined,
  ratePerSecond: 0,
  destroyed: 0,
  destroyed_statistics_lost: 0,
  already_gone: 0,
  rejected: 0,
  failed: 0,
  expired: 0,
  cancelled: 0,
  ...counts,
});

describe('the rate', () => {
  test('is that of the last five seconds', () => {
    const rate = createRateMeter();
    for (let second = 0; second <= 10; second++) rate(second * 100, second * 1_000);
    for (let second = 11; second <= 15; second++) rate(1_000 + (second - 10) * 200, second * 1_000);
    expect(rate(2_200, 16_000)).toBe(200);
  });

  test('does not count the time before the first room', () => {
    const rate = createRateMeter();
    for (let second = 0; second < 20; second++) expect(rate(0, second * 1_000)).toBe(0);
    expect(rate(196, 20_000)).toBe(196);
  });

  test('falls to nothing where nothing ends any more', () => {
    const rate = createRateMeter();
    rate(0, 0);
    rate(100, 1_000);
    for (let second = 2; second <= 7; second++) rate(100, second * 1_000);
    expect(rate(100, 8_000)).toBe(0);
  });
});

describe('the progress line', () => {
  test('says how many, how fast, what became of them, and how long', () => {
    const line = describeProgress(progress({ destroyed: 400, already_gone: 10 }), 196, 3, 0);
    expect(line).toMatch(
      /^\[####\.{6}\] 410 \/ 1,000 rooms · 3 s left, done 08:00:03 UTC\+8 · 196\/s · 400 destroyed, 10 already gone$/,
    );
  });

  test('promises no time where nothing moves', () => {
    expect(describeProgress(progress({ destroyed: 400 }), 0, undefined, 0)).toBe(
      '[####......] 400 / 1,000 rooms · 600 waiting · 0/s · 400 destroyed',
    );
  });

  test('has a full bar when the last room is done, and not before', () => {
    const bar = (destroyed: number) =>
      describeProgress(progress({ destroyed }), 0, undefined, 0).split(' ')[0];
    expect([bar(0), bar(999), bar(1_000)]).toEqual([
      '[..........]',
      '[#########.]',
      '[##########]',
    ]);
  });

  test('shows the time that is left also where 80 columns cut it', () => {
    const long = { destroyed: 812_345, already_gone: 1_234, failed: 12 };
    const line = describeProgress({ ...progress(long), total: 1_000_000 }, 196, 956, 0);
    expect(line.slice(0, 78)).toContain('15 min 56 s left, done 08:15:56 UTC+8');
  });
});
