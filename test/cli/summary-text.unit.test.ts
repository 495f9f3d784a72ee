import { expect, test } from 'vitest';
import { describeStatistics } from '../../src/cli/summary-text.js';
import { outcomes, type OutcomeCounts } from '../../src/destruction.js';
import type { BatchSummary } from '../../src/operations/report.js';

const statistics = {
  totalViewers: 2_846n,
  totalGiftsSent: 0n,
  totalGiftCoins: 12_345_678_901_234_567_890n,
  totalUniqueGiftSenders: 0n,
  totalLikesReceived: 0n,
};

const summary = (destroyed: number) =>
  ({
    statistics,
    outcomes: {
      ...(Object.fromEntries(outcomes.map((each) => [each, 1])) as OutcomeCounts),
      destroyed,
    },
  }) as BatchSummary;

test('sums are shown where a room has statistics, with all their digits', () => {
  const text = describeStatistics(summary(1)).join('\n');
  expect(text).toMatch(/viewers +2,846$/m);
  expect(text).toMatch(/gift coins +12,345,678,901,234,567,890$/m);
});

test('no sums are shown where no room has any: five zeros would look like a result', () => {
  expect(describeStatistics(summary(0))).toEqual([]);
});
