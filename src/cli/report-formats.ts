/** How `report` writes a room and a summary. Pure. */
import { outcomes } from '../destruction.js';
import type { ReportRow } from '../ledger/report-rows.js';
import type { BatchSummary } from '../ledger/report.js';
import type { TopRoom } from '../ledger/tally.js';
import { printable } from '../redact.js';
import { explainProblem } from './summary-text.js';

export const reportFormats = ['table', 'json', 'csv', 'ndjson'] as const;
export type ReportFormat = (typeof reportFormats)[number];

/** The fields of a room: the column in CSV, the key in JSON, the value. */
const fields: readonly (readonly [
  column: string,
  key: string,
  read: (row: ReportRow) => string | number | bigint | boolean | undefined,
])[] = [
  ['room_id', 'roomId', (row) => row.roomId],
  ['outcome', 'outcome', (row) => row.outcome],
  ['state', 'state', (row) => row.state],
  ['statistics_source', 'statisticsSource', (row) => row.statisticsSource],
  ['total_viewers', 'totalViewers', (row) => row.totals.totalViewers],
  ['total_gifts_sent', 'totalGiftsSent', (row) => row.totals.totalGiftsSent],
  ['total_gift_coins', 'totalGiftCoins', (row) => row.totals.totalGiftCoins],
  [
    'total_unique_gift_senders',
    'totalUniqueGiftSenders',
    (row) => row.totals.totalUniqueGiftSenders,
  ],
  ['total_likes_received', 'totalLikesReceived', (row) => row.totals.totalLikesReceived],
  ['attempts', 'attempts', (row) => row.attempts],
  ['error_code', 'errorCode', (row) => row.errorCode],
  ['error_info', 'errorInfo', (row) => row.errorInfo],
  ['request_id', 'requestId', (row) => row.requestId],
  ['requested_at', 'requestedAt', (row) => isoTime(row.requestedAtMs)],
  ['finished_at', 'finishedAt', (row) => isoTime(row.finishedAtMs)],
  ['destruction_id', 'destructionId', (row) => row.destructionId],
  ['joined', 'joined', (row) => row.joined],
];

function isoTime(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : new Date(ms).toISOString();
}

/**
 * One value as JSON; null where there is none. A bigint is written with all its digits: JSON
 * numbers have any number of them, and a reader that is not exact can at least say so.
 */
function jsonValue(value: string | number | bigint | boolean | undefined): string {
  return typeof value === 'bigint' ? value.toString() : JSON.stringify(value ?? null);
}

/** One line, without its end. */
export function toNdjson(row: ReportRow): string {
  return `{${fields.map(([, key, read]) => `"${key}":${jsonValue(read(row))}`).join(',')}}`;
}

/** Source of the quoting: https://www.rfc-editor.org/rfc/rfc4180 */
const csvLineEnd = '\r\n';

export const csvHeader = fields.map(([column]) => column).join(',') + csvLineEnd;

export function toCsv(row: ReportRow): string {
  return fields.map(([, , read]) => csvCell(read(row))).join(',') + csvLineEnd;
}

/**
 * A text that begins like a formula would be run as one by a spreadsheet, and a RoomId is what
 * anybody chose: an apostrophe before it makes it text. Numbers are ours and stay numbers.
 * Source: https://owasp.org/www-community/attacks/CSV_Injection
 */
export function csvCell(value: string | number | bigint | boolean | undefined): string {
  if (value === undefined) return '';
  if (typeof value !== 'string') return value.toString();
  const harmless = /^[=+\-@\t\r\n]/.test(value) ? `'${value}` : value;
  return /[",\r\n]|^\s|\s$/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}

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

/** @param roomWidth - of the first column; a longer RoomId moves its line. */
export function tableHeader(roomWidth: number): string {
  const titles = tableColumns.map(([title, width, align]) => pad(title, width, align));
  return `${['room'.padEnd(roomWidth), ...titles].join('  ').trimEnd()}\n`;
}

export function toTableLine(row: ReportRow, roomWidth: number): string {
  const cells = tableColumns.map(([, width, align, read]) =>
    pad(String(read(row) ?? ''), width, align),
  );
  return `${[printable(row.roomId).padEnd(roomWidth), ...cells].join('  ').trimEnd()}\n`;
}

function pad(text: string, width: number, align: 'left' | 'right'): string {
  return align === 'left' ? text.padEnd(width) : text.padStart(width);
}

export interface ReportSummary {
  batchId: string;
  name: string | undefined;
  /** Rooms that were asked for, each once. */
  total: number;
  createdAtMs: number;
  finishedAtMs: number | undefined;
  summary: BatchSummary;
  /** Rooms asked for that are in no row: on their way between queue and ledger, or not on the queue yet. */
  unlisted: number;
  sha256: string;
}

/** Asked for and without an outcome. */
export function openRooms({ total, summary }: ReportSummary): number {
  const ended = outcomes.reduce((sum, outcome) => sum + summary.outcomes[outcome], 0);
  return Math.max(0, total - ended);
}

/** The summary as an object for lossless-json. */
export function summaryObject(report: ReportSummary): unknown {
  const { summary } = report;
  const top = (list: readonly TopRoom[], key: string) =>
    list.map(({ roomId, value }) => ({ roomId, [key]: value }));
  return {
    batchId: report.batchId,
    name: report.name ?? null,
    createdAt: isoTime(report.createdAtMs),
    finishedAt: isoTime(report.finishedAtMs) ?? null,
    total: report.total,
    outcomes: Object.fromEntries(outcomes.map((outcome) => [outcome, summary.outcomes[outcome]])),
    open: openRooms(report),
    waiting: summary.waiting,
    unlisted: report.unlisted,
    joined: summary.joined,
    attempts: summary.attemptsRecorded,
    statistics: summary.statistics,
    topByViewers: top(summary.topByViewers, 'totalViewers'),
    topByGiftCoins: top(summary.topByGiftCoins, 'totalGiftCoins'),
    problems: summary.problems.map((problem) => {
      const { meaning, remedy } = explainProblem(problem);
      return {
        outcome: problem.outcome,
        errorCode: problem.errorCode ?? null,
        errorInfo: problem.errorInfo ?? null,
        meaning: meaning ?? null,
        remedy: remedy ?? null,
        rooms: problem.rooms,
        example: problem.example,
      };
    }),
    worstWindow: summary.worstWindow,
    meanRatePerSecond:
      summary.meanRatePerSecond === undefined
        ? null
        : Math.round(summary.meanRatePerSecond * 100) / 100,
    sha256: report.sha256,
  };
}
