/**
 * What was sent when, in order, from the recorded attempts: the audit. Read page by page, so
 * that any number of attempts takes the memory of one page and one window.
 */
import type { Database } from './database.js';
import { createSlidingWindow, type WorstWindow } from './sliding-window.js';

export interface SentScope {
  sdkAppId: number;
  /** Microseconds since the epoch, on the database's clock; both ends belong to it. */
  fromUs: number;
  toUs: number;
}

/** What was sent to one endpoint host. */
export interface SentToHost {
  /** undefined: recorded by a version that did not note it, while the app had several hosts. */
  host: string | undefined;
  requests: number;
  /** Of the first and the last request, in microseconds since the epoch. */
  firstUs: number;
  lastUs: number;
  worst: WorstWindow;
  /** How many of them the API refused, because more arrived than it allows. */
  overQuota: number;
  /** Requests a second from the first to the last; undefined where there was no time between. */
  meanRatePerSecond: number | undefined;
}

/** Attempts read by one statement. */
const pageSize = 2_000;

/** Requests of one window that are listed: its own where it holds no more. */
const mostShown = 1_000;

/** SQL: a parameter in microseconds since the epoch as an instant, exactly. */
export function instant(parameter: string): string {
  return `(timestamptz 'epoch' + ${parameter}::float8 * interval '1 microsecond')`;
}

/** SQL: an instant in microseconds since the epoch, exactly: a double holds them until the year 2255. */
export function microseconds(expression: string): string {
  return `(extract(epoch from ${expression}) * 1000000)::float8`;
}

/**
 * SQL: whether an attempt has no end and will get none: it may have been sent by a worker that
 * died. A minute is longer than a request and its saving take.
 */
export function isLost(attempt: string): string {
  return `(${attempt}.ended_at is null and ${attempt}.slot_at < clock_timestamp() - interval '1 minute')`;
}

/**
 * SQL: whether an attempt is one of the app, whose lines are `lines` (an array of numbers).
 * Attempts from before lines were noted are found by their destruction.
 */
export function isOfApp(attempt: string, lines: string, sdkAppId: string): string {
  return `(${attempt}.line = any (${lines}::int[]) or (${attempt}.line is null and
    (select d.sdk_app_id from room_reaper.destructions d where d.id = ${attempt}.destruction_id) = ${sdkAppId}))`;
}

/** $1 SDKAppID. */
const linesSql = `select number, host from room_reaper.lines where sdk_app_id = $1 order by number`;

/**
 * $1 sent after, $2 up to (µs); $3 numbers of the app's lines, $4 SDKAppID, $5 the line of
 * attempts that name none, $6 rows. What was sent at one instant stays on one page.
 */
const pageSql = `
select ${microseconds('a.sent_at')} as at, coalesce(a.line, $5::int) as line,
       coalesce(a.verdict = 'over_quota', false) as over_quota
  from room_reaper.attempts a
 where a.sent_at > ${instant('$1')} and a.sent_at <= ${instant('$2')} and ${isOfApp('a', '$3', '$4')}
 order by a.sent_at
 fetch first ($6::int) rows with ties`;

/** Requests of an app in a time, by endpoint host: how many, how fast, and the fullest second. */
export async function overviewOfSent(database: Database, scope: SentScope): Promise<SentToHost[]> {
  const lines = await readLineNumbers(database, scope.sdkAppId);
  const hostFrom = (us: number) => {
    return { requests: 0, firstUs: us, lastUs: us, overQuota: 0, window: createSlidingWindow() };
  };
  const found = new Map<number, ReturnType<typeof hostFrom>>();

  for await (const page of inOrder(database, scope, lines)) {
    for (const { line, at, over_quota: refused } of page) {
      const known = found.get(line) ?? hostFrom(at);
      if (known.requests === 0) found.set(line, known);
      known.requests += 1;
      known.lastUs = at;
      if (refused) known.overQuota += 1;
      known.window.add(at);
    }
  }
  return [...found].map(([line, { window, ...sent }]) => {
    const seconds = (sent.lastUs - sent.firstUs) / 1_000_000;
    return {
      host: lines.find((each) => each.number === line)?.host,
      ...sent,
      worst: window.worst,
      meanRatePerSecond: seconds > 0 ? (sent.requests - 1) / seconds : undefined,
    };
  });
}

interface LineNumber {
  number: number;
  host: string;
}

export function readLineNumbers(database: Database, sdkAppId: number): Promise<LineNumber[]> {
  return database.query('line-numbers', linesSql, [sdkAppId]);
}

/** The line of attempts that name none: the only one that the app has, or 0, which is none. */
function lineOfOldAttempts(lines: readonly LineNumber[]): number {
  return lines.length === 1 ? (lines[0]?.number ?? 0) : 0;
}

interface SentRow {
  at: number;
  line: number;
  over_quota: boolean;
}

async function* inOrder(
  database: Database,
  scope: SentScope,
  lines: readonly LineNumber[],
): AsyncGenerator<SentRow[]> {
  let afterUs = scope.fromUs - 1;
  for (;;) {
    const page = await database.query<SentRow>('sent-page', pageSql, [
      afterUs,
      scope.toUs,
      lines.map((line) => line.number),
      scope.sdkAppId,
      lineOfOldAttempts(lines),
      pageSize,
    ]);
    if (page.length > 0) yield page;
    if (page.length < pageSize) return;
    afterUs = page.at(-1)?.at ?? afterUs;
  }
}

export interface SentRequest {
  atUs: number;
  destructionId: string;
  attempt: number;
  workerId: string;
}

/**
 * $1, $2 sent from, to (µs); $3 numbers of the app's lines, $4 SDKAppID, $5 the line of
 * attempts that name none, $6 the one line, $7 rows.
 */
const requestsSql = `
select ${microseconds('a.sent_at')} as at, a.destruction_id, a.attempt, a.worker_id
  from room_reaper.attempts a
 where a.sent_at between ${instant('$1')} and ${instant('$2')}
   and ${isOfApp('a', '$3', '$4')} and coalesce(a.line, $5::int) = $6
 order by a.sent_at, a.destruction_id
 limit $7`;

/** Every request of one window, in the order in which they were sent. */
export async function requestsInWindow(
  database: Database,
  sdkAppId: number,
  host: string | undefined,
  window: WorstWindow,
): Promise<SentRequest[]> {
  const lines = await readLineNumbers(database, sdkAppId);
  const rows = await database.query<{
    at: number;
    destruction_id: string;
    attempt: number;
    worker_id: string;
  }>('sent-requests', requestsSql, [
    window.fromUs,
    window.toUs,
    lines.map((line) => line.number),
    sdkAppId,
    lineOfOldAttempts(lines),
    lines.find((line) => line.host === host)?.number ?? 0,
    mostShown,
  ]);
  return rows.map((row) => ({
    atUs: row.at,
    destructionId: row.destruction_id,
    attempt: row.attempt,
    workerId: row.worker_id,
  }));
}

const nowSql = `select ${microseconds('clock_timestamp()')} as now`;

/** Now, on the database's clock, in microseconds since the epoch. */
export async function readNowUs(database: Database): Promise<number> {
  const [row] = await database.query<{ now: number }>('now', nowSql, []);
  if (row === undefined) throw new Error('the database did not say what time it is');
  return row.now;
}
