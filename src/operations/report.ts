/**
 * What became of every room of a batch. The rooms are read once, page by page, and written,
 * counted and hashed as they come, so that memory does not grow with them and the sums are those
 * of the rows that were written.
 */
import { createHash } from 'node:crypto';
import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'lossless-json';
import type { Config } from '../config.js';
import { countsOf, finishedCount, type Outcome } from '../destruction.js';
import type { BatchProgress } from '../ledger/batches.js';
import type { ReportRow } from '../ledger/report-rows.js';
import { addRates, type BatchSummary } from '../ledger/report.js';
import { createTally, type Problem, type TopRoom } from '../ledger/tally.js';
import { orUndefined } from '../or-undefined.js';
import { regionOf } from '../tencent/endpoint.js';
import { meaningOf } from '../tencent/verdicts.js';
import { printable, printableLines } from '../redact.js';
import { isoTime, rounded } from '../text.js';
import { isChosen, mayBeOpen, type ChosenEnds } from './ends.js';
import { longestMs, readHistory, type History } from './history.js';
import { reportedRooms } from './report-rows.js';
import { appOf, type Service } from './service.js';

export type { BatchSummary, Problem, ReportRow, TopRoom };

export interface ReportSummary extends Pick<
  BatchProgress,
  'name' | 'total' | 'by' | 'note' | 'createdAtMs' | 'finishedAtMs'
> {
  batchId: string;
  /** Whose rooms, and where. */
  app: string;
  summary: BatchSummary;
  /** Only a part of the batch: `total` and all sums are of these rooms. undefined: all of it. */
  part: (ChosenEnds & { /** Rooms of the whole batch. */ of: number }) | undefined;
  /** Rooms asked for that are in no row: on their way between queue and ledger, or not on the queue yet. */
  unlisted: number;
  /** What was sent meanwhile, where the format tells it. */
  history: History | undefined;
  /** Of the rooms as they were written, or as ndjson: {@link RowFormat}. */
  sha256: string;
}

/** How rooms are written, one after the other. */
export interface RowFormat {
  /** What stands before the first room, of these on the first page. */
  head(page: readonly ReportRow[]): string;
  row(row: ReportRow, isFirst: boolean): string;
  /** What stands behind the last room. */
  tail(report: ReportSummary): string;
  /** Whether the digest is that of what is written; else it is that of the rooms as ndjson. */
  digestsItself: boolean;
  /** Whether it also tells what was sent, minute by minute. */
  tellsHistory?: boolean;
}

export interface ReportOptions {
  /** Only rooms that ended so; default: all. */
  only?: ChosenEnds | undefined;
  /** Counts the rooms and yields none. */
  summaryOnly?: boolean;
  /** Without the worst window and the mean rate, which read all requests of the batch. */
  withoutRates?: boolean;
  /** Told how many rooms were read. */
  onProgress?: (rooms: number) => void;
  /** Told why rooms that wait are not listed. */
  onNotListed?: (reason: string) => void;
  /** Ends it between two pages. */
  signal?: AbortSignal;
}

/**
 * Yields the rooms of a report, page by page; behind them belongs the tail of its format.
 *
 * @returns the sums of these rooms; undefined where `signal` ended it.
 */
export async function* writeReport(
  service: Service,
  batch: BatchProgress,
  format: RowFormat,
  options: ReportOptions = {},
): AsyncGenerator<string, ReportSummary | undefined> {
  const { summaryOnly = false, withoutRates = false, only } = options;
  const { onProgress, onNotListed, signal } = options;
  const tally = createTally();
  const hash = createHash('sha256');
  let read = 0;
  let written = 0;

  function write(page: readonly ReportRow[]): string {
    let text = written === 0 ? format.head(page) : '';
    for (const row of page) {
      tally.add(row);
      text += format.row(row, written === 0);
      if (!format.digestsItself) hash.update(ndjson.row(row, false));
      written += 1;
    }
    if (format.digestsItself) hash.update(text);
    return summaryOnly ? '' : text;
  }

  const withOpen = only === undefined || mayBeOpen(only);
  for await (const page of reportedRooms(service, batch, { withOpen, onNotListed })) {
    if (signal?.aborted) return undefined;
    const rows = only === undefined ? page : page.filter((row) => isChosen(only, row));
    read += page.length;
    if (rows.length > 0) yield write(rows);
    onProgress?.(read);
  }
  if (written === 0) yield write([]);
  const sums = tally.result();
  const summary = withoutRates
    ? { ...sums, worstWindow: 0, meanRatePerSecond: undefined }
    : await addRates(service.database, batch.id, sums);
  if (signal?.aborted) return undefined;
  const unlisted = withOpen ? Math.max(0, batch.total - read) : 0;
  return {
    batchId: batch.id,
    app: appOf(service.config),
    name: batch.name,
    ...{ by: batch.by, note: batch.note },
    total: only === undefined ? batch.total : summary.rooms + unlisted,
    part: only && { ...only, of: batch.total },
    createdAtMs: batch.createdAtMs,
    finishedAtMs: batch.finishedAtMs,
    summary,
    unlisted,
    history: format.tellsHistory === true ? await readHistory(service, spanOf(batch)) : undefined,
    sha256: hash.digest('hex'),
  };
}

/** From when it was asked for until it ended, in milliseconds since the epoch; as much of it as is told at once. */
export function spanOf({
  createdAtMs,
  finishedAtMs = Date.now(),
}: Pick<BatchProgress, 'createdAtMs' | 'finishedAtMs'>): { fromMs: number; toMs: number } {
  const fromMs = Math.floor(createdAtMs / 60_000) * 60_000;
  return { fromMs, toMs: Math.min(Math.ceil(finishedAtMs / 60_000) * 60_000, fromMs + longestMs) };
}

/**
 * Where a report goes: into a directory that is there under a name of its own, which says whose
 * rooms, where, the batch and which part of it: `room-reaper-1400000001-china-new-year-failed.csv`.
 * undefined: to stdout, which `-` is too.
 */
export function reportFile(
  path: string | undefined,
  { sdkAppId, endpoint }: Config,
  { id, name = id }: Pick<BatchProgress, 'id' | 'name'>,
  format: 'table' | 'json' | 'csv' | 'ndjson' | 'html',
  only?: ChosenEnds,
): string | undefined {
  if (path === '-') return undefined;
  // What is wrong with the path otherwise is said where it is written.
  if (path === undefined || !orUndefined(() => lstatSync(path))?.isDirectory()) return path;
  return join(path, reportName({ sdkAppId, endpoint }, { id, name }, format, only));
}

/** `room-reaper-1400000001-china-new-year-failed.csv`: fit for the name of a file everywhere. */
export function reportName(
  { sdkAppId, endpoint }: Pick<Config, 'sdkAppId' | 'endpoint'>,
  { id, name = id }: Pick<BatchProgress, 'id' | 'name'>,
  format: 'table' | 'json' | 'csv' | 'ndjson' | 'html',
  only?: ChosenEnds,
): string {
  const place = regionOf(endpoint) ?? new URL(endpoint).host;
  const parts = ['room-reaper', sdkAppId, place, name].join('-');
  // A name may have what no file name has everywhere, and be longer.
  const safe = parts.replace(/[^\p{L}\p{N}._-]+/gu, '-').slice(0, 120);
  const part = [...(only?.outcomes ?? []), ...(only?.codes ?? [])].map((each) => `-${each}`);
  return `${safe}${part.join('')}.${format === 'table' ? 'txt' : format}`;
}

/** The fields of a room: the column in CSV, the key in JSON, the value. */
export const fields: readonly (readonly [
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

/**
 * One value as JSON; null where there is none. A bigint is written with all its digits: JSON
 * numbers have any number of them, and a reader that is not exact can at least say so.
 */
function jsonValue(value: string | number | bigint | boolean | undefined): string {
  // The escapes are JSON's own: it means the same, and does nothing to a terminal.
  return typeof value === 'bigint'
    ? value.toString()
    : printableLines(JSON.stringify(value ?? null));
}

/** The shape is a contract. */
export function rowJson(row: ReportRow): string {
  return `{${fields.map(([, key, read]) => `"${key}":${jsonValue(read(row))}`).join(',')}}`;
}

/** Source of the quoting: https://www.rfc-editor.org/rfc/rfc4180 */
const csvLineEnd = '\r\n';

/**
 * A text that begins like a formula would be run as one by a spreadsheet, and a RoomId is what
 * anybody chose: an apostrophe before it makes it text; full-width signs count as well. Control
 * and invisible characters are escaped, but for tabs and line breaks. Numbers are ours and stay
 * numbers.
 * Source: https://owasp.org/www-community/attacks/CSV_Injection
 */
export function csvCell(value: string | number | bigint | boolean | undefined): string {
  if (value === undefined) return '';
  if (typeof value !== 'string') return value.toString();
  const shown = value.replace(/[^\t\r\n]+/g, (part) => printable(part, part.length));
  const harmless = /^\s*[=+\-@＝＋－＠]|^[\t\r\n]/.test(shown) ? `'${shown}` : shown;
  // Where the decimal point is a comma, a spreadsheet takes a semicolon or a tab for the separator.
  return /[",;|\t\r\n]|^\s|\s$/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}

export const ndjson: RowFormat = {
  head: () => '',
  row: (row) => `${rowJson(row)}\n`,
  tail: () => '',
  digestsItself: true,
};

export const csv: RowFormat = {
  head: () => fields.map(([column]) => column).join(',') + csvLineEnd,
  row: (row) => fields.map(([, , read]) => csvCell(read(row))).join(',') + csvLineEnd,
  tail: () => '',
  digestsItself: true,
};

/** One JSON object: the rooms, and the sums. */
export function json(summaryOnly: boolean): RowFormat {
  return {
    head: () => '{"rooms":[\n',
    row: (row, isFirst) => `${isFirst ? '' : ',\n'}${rowJson(row)}`,
    tail: (report) =>
      `${summaryOnly ? '{' : '\n],\n'}"summary":${stringify(summaryJson(report)) ?? ''}}\n`,
    digestsItself: false,
  };
}

/** Of those that the report is about: asked for and without an outcome. */
export function openRooms({ total, summary }: ReportSummary): number {
  return Math.max(0, total - finishedCount(summary.outcomes));
}

/** The shape is a contract, for lossless-json. */
export function summaryJson(report: ReportSummary): object {
  const { summary } = report;
  const top = (list: readonly TopRoom[], key: string) =>
    list.map(({ roomId, value }) => ({ roomId, [key]: value }));
  return {
    batchId: report.batchId,
    name: report.name ?? null,
    createdAt: isoTime(report.createdAtMs),
    finishedAt: isoTime(report.finishedAtMs) ?? null,
    by: report.by ?? null,
    note: report.note ?? null,
    part: report.part
      ? {
          ...{ outcomes: report.part.outcomes ?? null, codes: report.part.codes ?? null },
          of: report.part.of,
        }
      : null,
    total: report.total,
    outcomes: countsOf(summary.outcomes),
    open: openRooms(report),
    waiting: summary.waiting,
    unlisted: report.unlisted,
    joined: summary.joined,
    attempts: summary.attemptsRecorded,
    statistics: summary.statistics,
    statisticsFrom: summary.statisticsFrom,
    topByViewers: top(summary.topByViewers, 'totalViewers'),
    topByGiftCoins: top(summary.topByGiftCoins, 'totalGiftCoins'),
    problems: summary.problems.map((problem) => {
      const { outcome, errorCode = null, errorInfo = null, rooms, example } = problem;
      const { meaning = null, remedy = null } = explainProblem(problem);
      return { outcome, errorCode, errorInfo, meaning, remedy, rooms, example };
    }),
    worstWindow: summary.worstWindow,
    meanRatePerSecond:
      summary.meanRatePerSecond === undefined ? null : rounded(summary.meanRatePerSecond, 2),
    sha256: report.sha256,
  };
}

/** What to do about rooms that ended so, where their code does not say. */
const remedies: Readonly<Partial<Record<Outcome, string>>> = {
  recreated: 'another room has its RoomId now: ask for it anew if that one is meant too',
  rejected: 'the API will refuse it again: check the RoomId and that it is a live room of this app',
  failed: 'ask for it again when the API is well',
  expired: 'ask for it again if it is still the same room',
};

/** Why rooms are not gone, what it means and what to do. */
export function explainProblem(problem: Problem): {
  meaning: string | undefined;
  remedy: string | undefined;
} {
  const known = problem.errorCode === undefined ? undefined : meaningOf(problem.errorCode);
  return { meaning: known?.reason, remedy: known?.remedy ?? remedies[problem.outcome] };
}
