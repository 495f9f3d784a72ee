/** A report for people: the table of its rooms, and its sums. */
import { columnsOf, fitted, padded } from '../layout.js';
import {
  openRooms,
  type ReportRow,
  type ReportSummary,
  type RowFormat,
} from '../operations/report.js';
import { printable } from '../redact.js';
import {
  describeOutcomes,
  describeProblems,
  describeStatistics,
  describeTop,
} from './summary-text.js';
import { count, dayAndTime, describeRequest, duration, isoTime, rooms } from '../text.js';

/** Columns of the table; the rest of a room is in the other formats. */
const tableColumns: readonly (readonly [
  title: string,
  width: number,
  align: 'left' | 'right',
  read: (row: ReportRow) => string | number | bigint | undefined,
])[] = [
  ['outcome', 25, 'left', (row) => row.outcome ?? `(${row.state})`],
  ['statistics', 10, 'left', (row) => row.statisticsSource],
  ['viewers', 9, 'right', (row) => row.totals.totalViewers],
  ['gifts', 8, 'right', (row) => row.totals.totalGiftsSent],
  ['coins', 10, 'right', (row) => row.totals.totalGiftCoins],
  ['senders', 8, 'right', (row) => row.totals.totalUniqueGiftSenders],
  ['likes', 9, 'right', (row) => row.totals.totalLikesReceived],
  ['attempts', 8, 'right', (row) => row.attempts],
  ['code', 6, 'right', (row) => row.errorCode],
  ['finished', 24, 'left', (row) => isoTime(row.finishedAtMs)],
  ['joined', 6, 'left', (row) => (row.joined ? 'yes' : '')],
];

/** @param room - as wide as its column; a longer RoomId moves its line. */
function tableLine(room: string, cells: readonly string[]): string {
  const padded = tableColumns.map(([, width, align], index) => {
    const cell = cells[index] ?? '';
    return align === 'left' ? cell.padEnd(width) : cell.padStart(width);
  });
  return `${[room, ...padded].join('  ').trimEnd()}\n`;
}

/** For a narrow terminal: the room whole, and what else there is of it by its name. */
function stackedLines(
  room: string,
  roomWidth: number,
  [outcome = '', ...rest]: readonly string[],
  width: number,
): string {
  const first = `${padded(room, roomWidth)}  ${outcome}`;
  const named = tableColumns.slice(1).map(([title], at) => rest[at] && `${title}=${rest[at]}`);
  const lines = columnsOf(first) > width ? [room, `  ${outcome}`] : [first];
  return `${[...lines, fitted(`  ${named.filter(Boolean).join(' ')}`, width)].join('\n')}\n`;
}

/**
 * The first page sets the width of the first column.
 *
 * @param width - of the terminal; undefined: lines may be of any length.
 */
export function tableFormat(summaryOnly: boolean, width?: number): RowFormat {
  let roomWidth = 0;
  let isTable = true;
  const fits = (line: string) => width === undefined || columnsOf(line) <= width + 1;
  return {
    head(page) {
      roomWidth = Math.max(4, ...page.map((row) => columnsOf(printable(row.roomId))));
      const titles = tableColumns.map(([title]) => title);
      const line = tableLine(padded('room', roomWidth), titles);
      isTable = fits(line);
      return isTable ? line : '';
    },
    row(row) {
      const cells = tableColumns.map(([, , , read]) => String(read(row) ?? ''));
      const room = printable(row.roomId);
      const line = tableLine(padded(room, roomWidth), cells);
      if (width === undefined || (isTable && fits(line))) return line;
      return stackedLines(room, roomWidth, cells, width);
    },
    tail: (report) => `${fitted(`${summaryOnly ? '' : '\n'}${summaryText(report)}`, width)}\n`,
    digestsItself: false,
  };
}

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
      `${count(summary.attemptsRecorded)} ${summary.attemptsRecorded === 1 ? 'request' : 'requests'}, at most ${summary.worstWindow} in any second${rate}`,
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
