/** The sums of a report, for people. */
import { printable } from '../redact.js';
import { openRooms, type ReportSummary } from './report-formats.js';
import {
  describeOutcomes,
  describeProblems,
  describeStatistics,
  describeTop,
} from './summary-text.js';
import { count, rooms } from '../text.js';

export function summaryText(report: ReportSummary): string {
  const { summary } = report;
  const name = report.name === undefined ? '' : `${printable(report.name)} `;
  const rate =
    summary.meanRatePerSecond === undefined
      ? ''
      : `, ${summary.meanRatePerSecond.toFixed(1)}/s on average`;
  const open = openRooms(report);
  return [
    `batch ${name}${report.batchId}`,
    `${rooms(report.total)} asked for, ${count(report.total - open)} ended; ` +
      `${count(summary.attemptsRecorded)} ${summary.attemptsRecorded === 1 ? 'request' : 'requests'}, at most ${summary.worstWindow} in any second${rate}`,
    ...(summary.joined > 0
      ? [`${rooms(summary.joined)} joined a destruction that was pending already`]
      : []),
    ...describeOutcomes(summary.outcomes, [
      ['taken up, not ended', summary.open],
      ['waiting', summary.waiting],
      ['waiting, not listed', report.unlisted],
    ]),
    ...describeStatistics(summary.statistics),
    ...describeTop('Most viewers', summary.topByViewers),
    ...describeTop('Most gift coins', summary.topByGiftCoins),
    ...describeProblems(summary.problems),
    '',
    `SHA-256 ${report.sha256}`,
  ].join('\n');
}
