/** A report as a table, for people. */
import { columnsOf, fitted, padded } from '../layout.js';
import { printable } from '../redact.js';
import { isoTime } from '../text.js';
import type { ReportRow, ReportSummary, RowFormat } from './report.js';

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
 * @param summaryText - the sums in words.
 * @param width - of the terminal; undefined: lines may be of any length.
 */
export function tableFormat(
  summaryText: (report: ReportSummary) => string,
  summaryOnly: boolean,
  width?: number,
): RowFormat {
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
