import { expect, test } from 'vitest';
import { describeStatistics } from '../../src/cli/summary-text.js';
import type { SourceCounts } from '../../src/destruction.js';
import type { BatchSummary } from '../../src/operations/report.js';

const statistics = {
  totalViewers: 2_846n,
  totalGiftsSent: 0n,
  totalGiftCoins: 12_345_678_901_234_567_890n,
  totalUniqueGiftSenders: 0n,
  totalLikesReceived: 0n,
};

const summary = (from: Partial<SourceCounts>) =>
  ({
    statistics,
    statisticsFrom: { response: 0, webhook: 0, snapshot: 0, lost: 0, ...from },
  }) as BatchSummary;

test('sums are shown where a room has statistics, with all their digits', () => {
  const text = describeStatistics(summary({ response: 1 })).join('\n');
  expect(text).toMatch(/viewers +2,846$/m);
  expect(text).toMatch(/gift coins +12,345,678,901,234,567,890$/m);
});

test('no sums are shown where no room has any: five zeros would look like a result', () => {
  expect(describeStatistics(summary({ lost: 3 }))).toEqual([]);
});

test('where they are from is said once there is another source than the answers', () => {
  const [, title] = describeStatistics(summary({ response: 2_900 }));
  expect(title).toBe('Statistics of the rooms destroyed');
  const rescued = { response: 2_900, webhook: 3, snapshot: 2, lost: 1 };
  expect(describeStatistics(summary(rescued))[1]).toBe(
    'Statistics of the rooms destroyed: of 2,900 rooms from their answers, of 3 from the webhook, of 2 from a snapshot, 1 lost',
  );
  expect(describeStatistics(summary({ webhook: 1 }))[1]).toMatch(/of 1 from the webhook$/);
});
