/** Numbers and times as people read them. */
import type { Whole } from './api';

const grouped = new Intl.NumberFormat('en-US');
const oneDigit = new Intl.NumberFormat('en-US', { maximumFractionDigits: 1 });

/** `1,234,567`, of any size exactly. */
export function count(value: Whole): string {
  return grouped.format(value);
}

export function decimal(value: number): string {
  return oneDigit.format(value);
}

/** @param part - from 0 to 1. Never 100 % of what is not whole, nor 0 % of what has begun. */
export function percent(part: number): string {
  const tenths = part < 1 ? Math.min(Math.floor(part * 1_000), 999) : 1_000;
  return `${oneDigit.format((part > 0 ? Math.max(tenths, 1) : 0) / 10)} %`;
}

/** `2 h 5 min`, `3 min 20 s`, `12 s`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const parts = [
    [Math.floor(whole / 86_400), 'd'],
    [Math.floor(whole / 3_600) % 24, 'h'],
    [Math.floor(whole / 60) % 60, 'min'],
    [whole % 60, 's'],
  ] as const;
  const first = parts.findIndex(([amount]) => amount > 0);
  if (first < 0) return '0 s';
  return parts
    .slice(first, first + 2)
    .filter(([amount]) => amount > 0)
    .map(([amount, unit]) => `${amount} ${unit}`)
    .join(' ');
}

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });
const clockSeconds = new Intl.DateTimeFormat('en-GB', {
  ...{ hour: '2-digit', minute: '2-digit', second: '2-digit' },
});
const day = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric' });

/** Local: the time of today, else with its date. */
export function localTime(at: Date, now = new Date(), withSeconds = true): string {
  const time = (withSeconds ? clockSeconds : clock).format(at);
  return day.format(at) === day.format(now) ? time : `${day.format(at)}, ${time}`;
}

/** `02:31:07 UTC`, `2026-11-23 02:31:07 UTC+8`: as texts of the server have times. Without a day it is today there. */
const serverTime = /(?:(\d{4}-\d\d-\d\d) )?(\d\d:\d\d:\d\d) UTC(?:([+-]\d{1,2})(?::(\d\d))?)?/g;

/** The times in a text of the server as they are here. */
export function withLocalTimes(text: string, now = new Date()): string {
  return text.replace(
    serverTime,
    (_, day: string | undefined, clock: string, hours = '+0', minutes = '0') => {
      const sign = String(hours).startsWith('-') ? -1 : 1;
      const offsetMs = Number(hours) * 3_600_000 + sign * Number(minutes) * 60_000;
      const today = new Date(now.getTime() + offsetMs).toISOString().slice(0, 10);
      return localTime(new Date(Date.parse(`${day ?? today}T${clock}Z`) - offsetMs), now);
    },
  );
}

/** For an input of type `datetime-local`. */
export function toLocalInput(at: Date): string {
  const shifted = new Date(at.getTime() - at.getTimezoneOffset() * 60_000);
  return shifted.toISOString().slice(0, 16);
}

/** The reverse, as UTC; undefined where nothing is given. */
export function fromLocalInput(text: string): string | undefined {
  return text === '' ? undefined : new Date(text).toISOString();
}

/** `1 room`, `2 rooms`. */
export function rooms(value: Whole): string {
  return `${count(value)} ${Number(value) === 1 ? 'room' : 'rooms'}`;
}
