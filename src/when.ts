import { ReaperError } from './errors.js';
import { printable } from './redact.js';

const unitMs: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** `30m` → milliseconds. @throws ReaperError `INVALID`. */
export function readDuration(flag: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(s|m|h|d)$/.exec(text);
  if (match?.[1] === undefined || match[2] === undefined) {
    throw new ReaperError(
      'INVALID',
      `${flag} must be a duration such as 90s, 30m, 2h or 1d, got ${printable(JSON.stringify(text))}`,
    );
  }
  return Number(match[1]) * (unitMs[match[2]] ?? 0);
}

const clockForm = /^(\d{1,2}):(\d{2})$/;
/** ISO 8601 with an offset, or without one in local time. */
const dateForm =
  /^(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(\.\d{1,9})?)?(Z|[+-]\d\d(?::?\d\d)?)?$/;

/**
 * `2026-11-23T02:30:00Z`, or `02:30` for the next such time here → milliseconds since the epoch.
 *
 * Read by forms of its own: Date.parse takes `CST` for US Central, leaves `(tomorrow)` out, and
 * takes the 30th of February for the 2nd of March.
 *
 * @throws ReaperError `INVALID` where it is no time, is over, or where clocks are changed is none
 *   or two.
 */
export function readTime(flag: string, text: string, now: number): number {
  const first = readTimeOr(flag, text, now, nextTimes);
  if (first > now) return first;
  throw new ReaperError('INVALID', `${flag} must be in the future, got ${shown(text)}`);
}

/**
 * The same for a time that is over: `23:00` is the last such time here.
 *
 * @param dueMs - when it must be over, in milliseconds since the epoch.
 * @throws ReaperError `INVALID` also where it is over later.
 */
export function readTimeBefore(flag: string, text: string, dueMs: number): number {
  const time = readTimeOr(flag, text, dueMs, lastTimes);
  const problem = createdBeforeProblem(time, dueMs);
  if (problem === undefined) return time;
  throw new ReaperError('INVALID', `${flag} ${problem}, got ${shown(text)}`);
}

/** What a clock says may differ from ours by so much, in milliseconds. */
const clockSlackMs = 60_000;

/**
 * Why rooms that are destroyed at `dueMs` cannot be asked for as those created before `timeMs`, both in
 * milliseconds since the epoch; undefined: they can.
 */
export function createdBeforeProblem(timeMs: number, dueMs: number): string | undefined {
  if (timeMs <= dueMs + clockSlackMs && timeMs >= firstMs) return undefined;
  return timeMs > dueMs
    ? 'must be over when the rooms are due: none of them can be newer then'
    : 'must be a time since 2020';
}

/** Nothing of this service is older, in milliseconds since the epoch. */
const firstMs = Date.UTC(2020, 0, 1);

const shown = (text: string) => printable(JSON.stringify(text));

type ClockTimes = (today: readonly number[], asUtc: number, now: number) => readonly number[];

/** @param clockTimes - which times a clock time means, of those of today and of the days around it. */
function readTimeOr(flag: string, text: string, now: number, clockTimes: ClockTimes): number {
  const got = `got ${shown(text)}`;
  const clock = clockForm.exec(text);
  const date = dateForm.exec(text);
  const fields = clock
    ? { ...dayOf(now), hour: Number(clock[1]), minute: Number(clock[2]), second: 0 }
    : date && fieldsOf(date);
  if (!fields || !exists(fields)) {
    throw new ReaperError(
      'INVALID',
      `${flag} must be a time such as 02:30 or 2026-11-23T02:30:00Z, ${got}`,
    );
  }
  const offset = date?.[8] === undefined ? undefined : offsetMs(date[8]);
  if (Number.isNaN(offset)) {
    throw new ReaperError('INVALID', `${flag} must have an offset such as Z or +08:00, ${got}`);
  }
  const asUtc = utcOf(fields) + Math.floor(Number(date?.[7] ?? 0) * 1000);
  const times = offset === undefined ? localTimes(asUtc) : [asUtc - offset];
  const [first, second] = clock ? clockTimes(times, asUtc, now) : times;
  if (first === undefined) {
    throw new ReaperError(
      'INVALID',
      `${flag} must be a time that clocks here show, ${got}: they are put forward over it; give one with an offset, such as 2026-11-23T02:30:00Z`,
    );
  }
  if (second !== undefined && !clock) {
    const both = [first, second].map((each) => new Date(each).toISOString()).join(' or ');
    throw new ReaperError(
      'INVALID',
      `${flag} must be one time, ${got}, which clocks here show twice, because they are put back; give ${both}`,
    );
  }
  return first;
}

interface Fields {
  year: number;
  /** From 0. */
  month: number;
  day: number;
  hour: number;
  minute: number;
  second: number;
}

/** The day that it is here. */
function dayOf(ms: number): Pick<Fields, 'year' | 'month' | 'day'> {
  const at = new Date(ms);
  return { year: at.getFullYear(), month: at.getMonth(), day: at.getDate() };
}

function fieldsOf(date: RegExpExecArray): Fields {
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = date
    .slice(1, 7)
    .map((each: string | undefined) => Number(each ?? 0));
  return { year, month: month - 1, day, hour, minute, second };
}

function exists(fields: Fields): boolean {
  const { month, day, hour, minute, second } = fields;
  const date = new Date(utcOf(fields));
  const isDay = date.getUTCMonth() === month && date.getUTCDate() === day;
  return hour < 24 && minute < 60 && second < 60 && isDay;
}

function utcOf({ year, month, day, hour, minute, second }: Fields): number {
  return Date.UTC(year, month, day, hour, minute, second);
}

/** `+08:00`, `+0800`, `+08` or `Z` in milliseconds; NaN where no place has it. */
function offsetMs(text: string): number {
  if (text === 'Z') return 0;
  const minutes = Number(text.slice(1, 3)) * 60 + Number(text.slice(3).replace(':', ''));
  const possible = minutes <= 14 * 60 && Number(text.slice(3).replace(':', '')) < 60;
  return possible ? (text.startsWith('-') ? -1 : 1) * minutes * 60_000 : Number.NaN;
}

const dayMs = 86_400_000;

/** When clocks here show what a clock in Greenwich shows at `asUtc`: once, or where they are changed never or twice. */
function localTimes(asUtc: number): number[] {
  const offsetAt = (ms: number) => -new Date(ms).getTimezoneOffset() * 60_000;
  const times = [asUtc - dayMs, asUtc + dayMs].map((near) => asUtc - offsetAt(near));
  return [...new Set(times)]
    .filter((time) => time + offsetAt(time) === asUtc)
    .sort((a, b) => a - b);
}

/** The times of today that are still to come, else those of tomorrow. */
function nextTimes(today: readonly number[], asUtc: number, now: number): number[] {
  // Where it is left out today, and clocks were not put forward over it yet, it is not meant tomorrow.
  const isLeftOut = today.length === 0 && localNow(now) < asUtc;
  const left = today.filter((time) => time > now);
  return isLeftOut || left.length > 0 ? left : localTimes(asUtc + dayMs);
}

/** The times of today that are over, else those of yesterday. */
function lastTimes(today: readonly number[], asUtc: number, now: number): number[] {
  const over = today.filter((time) => time <= now);
  return over.length > 0 ? over : localTimes(asUtc - dayMs);
}

/** What clocks here show, as if it were Greenwich. */
function localNow(now: number): number {
  return now - new Date(now).getTimezoneOffset() * 60_000;
}
