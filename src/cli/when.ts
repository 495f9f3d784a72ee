import { invalid } from './invalid.js';
import { printable } from '../redact.js';

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
    throw invalid(
      `${flag} must be a duration such as 90s, 30m, 2h or 1d, got ${printable(JSON.stringify(text))}`,
    );
  }
  return Number(match[1]) * (unitMs[match[2]] ?? 0);
}

/**
 * `2026-11-23T02:30:00Z`, or `02:30` for the next such time here → milliseconds since the epoch.
 *
 * @throws ReaperError `INVALID` where it is no time, or is over.
 */
export function readTime(flag: string, text: string, now: number): number {
  const clock = /^(\d{1,2}):(\d{2})$/.exec(text);
  if (clock) {
    const at = new Date(now);
    at.setHours(Number(clock[1]), Number(clock[2]), 0, 0);
    if (at.getTime() <= now) at.setDate(at.getDate() + 1);
    if (Number(clock[1]) < 24 && Number(clock[2]) < 60) return at.getTime();
  }
  // Date.parse takes the 30th of February for the 2nd of March: another day than was meant.
  const day = /^\d{4}-\d\d-\d\d/.exec(text)?.[0];
  // A day alone would be midnight in Greenwich.
  const exists = day !== undefined && isDay(day) && /^.{10}[T ]\d\d:\d\d/.test(text);
  const at = exists ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(at)) {
    throw invalid(
      `${flag} must be a time such as 02:30 or 2026-11-23T02:30:00Z, got ${printable(JSON.stringify(text))}`,
    );
  }
  if (at <= now)
    throw invalid(`${flag} must be in the future, got ${printable(JSON.stringify(text))}`);
  return at;
}

function isDay(day: string): boolean {
  const date = new Date(`${day}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(day);
}
