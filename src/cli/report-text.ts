/** The sums of a report, for people. */
import { openRooms, type ReportSummary } from '../operations/report.js';
import { printable } from '../redact.js';
import {
  describeOutcomes,
  describeProblems,
  describeStatistics,
  describeTop,
} from './summary-text.js';
import { count, dayAndTime, describeRequest, duration, numbered, rooms } from '../text.js';

export function summaryText(report: ReportSummary): string {
  const { summary } = report;
  const name = report.name === undefined ? '' : `${printable(report.name)} `;
  const rate =
    summary.meanRatePerSecond === undefined
      ? ''
      : `, ${summary.meanRatePerSecond.toFixed(1)}/s on average`;
  const open = openRooms(report);
  const { createdAtMs, finishedAtMs } = report;
  const ended =
    finishedAtMs === undefined
      ? 'not finished'
      : `finished ${dayAndTime(finishedAtMs)}, after ${duration((finishedAtMs - createdAtMs) / 1_000)}`;
  return [
    report.app,
    `batch ${name}${report.batchId}`,
    `${describeRequest(report)}; ${ended}`,
    ...describePart(report),
    `${rooms(report.total)} asked for, ${count(report.total - open)} ended; ` +
      `${numbered(summary.attemptsRecorded, 'request')}, at most ${summary.worstWindow} in any second${rate}`,
    ...(summary.joined > 0
      ? [`${rooms(summary.joined)} joined a destruction that was pending already`]
      : []),
    ...describeOutcomes(summary.outcomes, [
      ['taken up, not ended', summary.open],
      ['waiting', summary.waiting],
      ['waiting, not listed', report.unlisted],
    ]),
    ...describeProblems(summary.problems),
    ...describeStatistics(summary),
    ...describeTop('Most viewers', summary.topByViewers),
    ...describeTop('Most gift coins', summary.topByGiftCoins),
    '',
    `SHA-256 ${report.sha256}`,
  ].join('\n');
}

/** Of what alone the numbers are. */
function describePart({ part, total }: ReportSummary): string[] {
  if (part === undefined) return [];
  const codes = part.codes && `with code ${part.codes.join(' or ')}`;
  const which = [part.outcomes?.join(' or '), codes].filter(Boolean).join(' ');
  return [`only ${which}: ${count(total)} of ${rooms(part.of)}; all numbers are of these`];
}
