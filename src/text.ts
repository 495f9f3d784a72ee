/** How numbers and times are shown to people. */
import {
  outcomes,
  type OutcomeCounts,
  type Precautions,
  type SourceCounts,
} from './destruction.js';
import { printable } from './redact.js';

/** `2,000`. Of its own: the first use of Intl costs a tenth of a start. */
export function count(value: number | bigint): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** `1 room`, `2,000 rooms`. */
export function rooms(value: number): string {
  return numbered(value, 'room');
}

/** `1 request`, `2 requests`. */
export function numbered(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** `8 s`, `25 min 30 s`, `3 h 05 min`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, '0')} s`;
  return `${Math.floor(whole / 3600)} h ${String(Math.floor((whole % 3600) / 60)).padStart(2, '0')} min`;
}

/** Local time with its zone, `02:31:07 UTC+8`. */
export function clockTime(ms: number): string {
  return instant(ms, ms);
}

/**
 * Local time, with the day where it is another than that of `nowMs`: `02:31:07 UTC+8`,
 * `2026-11-23 02:31:07 UTC`, with milliseconds `02:31:07.123 UTC+8`.
 */
export function instant(ms: number, nowMs: number, milliseconds = false): string {
  const at = new Date(ms);
  if (Number.isNaN(at.getTime())) return 'no time that a calendar has';
  const sameDay = at.toDateString() === new Date(nowMs).toDateString();
  const fraction = milliseconds ? `.${String(at.getMilliseconds()).padStart(3, '0')}` : '';
  return `${sameDay ? '' : `${dayOf(at)} `}${at.toTimeString().slice(0, 8)}${fraction} ${zoneOf(at)}`;
}

/** The same everywhere, in local time: `2026-11-23 02:31:07 UTC+8`. */
export function dayAndTime(ms: number): string {
  return `${dayOf(new Date(ms))} ${clockTime(ms)}`;
}

/** `asked for 2026-11-23 02:31:07 UTC by ada: after the event`. */
export function describeRequest(batch: {
  createdAtMs: number;
  by: string | undefined;
  note: string | undefined;
}): string {
  const by = batch.by === undefined ? '' : ` by ${printable(batch.by)}`;
  const note = batch.note === undefined ? '' : `: ${printable(batch.note)}`;
  return `asked for ${dayAndTime(batch.createdAtMs)}${by}${note}`;
}

/** What is done before each room of a request is destroyed, a line each. */
export function describePrecautions({ onlyCreatedBeforeMs, snapshot }: Precautions): string[] {
  return [
    ...(onlyCreatedBeforeMs === undefined
      ? []
      : [`rooms created after ${dayAndTime(onlyCreatedBeforeMs)} are left alone`]),
    ...(snapshot === true ? ['statistics are read before each room is destroyed'] : []),
  ];
}

/** The same for programs; without what nobody asked for. */
export function precautionsJson({ onlyCreatedBeforeMs, snapshot }: Precautions) {
  return {
    onlyCreatedBefore: isoTime(onlyCreatedBeforeMs),
    snapshot: snapshot === true || undefined,
  };
}

/**
 * `paused since 02:31:07 UTC by ada: a key is changed`; without a name where a dashboard did it.
 *
 * @param mark - who did it; undefined: nobody knows.
 */
export function pausedBy(
  mark: { by: string; note?: string | undefined; sinceMs: number } | undefined,
  nowMs: number,
): string {
  if (mark === undefined) return 'paused by hand';
  const note = mark.note === undefined ? '' : `: ${printable(mark.note)}`;
  return `paused since ${instant(mark.sinceMs, nowMs)} by ${printable(mark.by)}${note}`;
}

/**
 * `3 notifications are not delivered, 1 of them given up, the oldest of 02:31:07 UTC: HTTP 500`.
 *
 * @param failing - counts, and why the newest failed.
 */
export function deliveriesFail(
  failing: { waiting: number; givenUp: number; sinceMs: number; trouble: string },
  nowMs: number,
): string {
  const { waiting, givenUp, sinceMs, trouble } = failing;
  const all = waiting + givenUp;
  const what = all === 1 ? 'notification is' : 'notifications are';
  const lost = givenUp === 0 ? '' : `, ${count(givenUp)} of them given up`;
  return `${count(all)} ${what} not delivered${lost}, the oldest of ${instant(sinceMs, nowMs)}: ${printable(trouble)}`;
}

export const deliveriesRemedy =
  'look at what listens at NOTIFY_URL, and whether it has the same NOTIFY_SECRET; each is tried again for a day';

function dayOf(at: Date): string {
  const two = (value: number) => String(value).padStart(2, '0');
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

/** As it was at that time: `UTC`, `UTC+8`, `UTC-3:30`. */
function zoneOf(at: Date): string {
  const minutes = -at.getTimezoneOffset();
  if (minutes === 0) return 'UTC';
  const [whole, rest] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60];
  return `UTC${minutes < 0 ? '-' : '+'}${whole}${rest === 0 ? '' : `:${String(rest).padStart(2, '0')}`}`;
}

/** `3 destroyed, 1 rejected`; empty where there are none. */
export function outcomeList(counts: Partial<OutcomeCounts>): string {
  return outcomes
    .filter((outcome) => (counts[outcome] ?? 0) > 0)
    .map((outcome) => `${count(counts[outcome] ?? 0)} ${outcome}`)
    .join(', ');
}

/**
 * `statistics of 2,900 rooms from their answers, of 3 from the webhook, 1 lost`; empty where all that
 * there are come from answers.
 */
export function sourceList({ response, webhook, snapshot, lost }: SourceCounts): string {
  if (webhook + snapshot === 0) return '';
  const others = [
    [webhook, 'from the webhook'],
    [snapshot, 'from a snapshot'],
  ] as const;
  const parts = others.flatMap(([value, where]) =>
    value === 0 ? [] : [`of ${count(value)} ${where}`],
  );
  const missing = lost === 0 ? [] : [`${count(lost)} lost`];
  return [`statistics of ${rooms(response)} from their answers`, ...parts, ...missing].join(', ');
}

/**
 * `2026-11-23T02:31:07.000Z`; undefined also for a time that no calendar has: anyone with access
 * to the queue can write one.
 */
export function isoTime(ms: number | undefined): string | undefined {
  if (ms === undefined || Number.isNaN(new Date(ms).getTime())) return undefined;
  return new Date(ms).toISOString();
}

/** To so many digits after the point. */
export function rounded(value: number, digits = 1): number {
  return Math.round(value * 10 ** digits) / 10 ** digits;
}

/** Why something failed or stands, as others said it: `UserSig was made with the wrong key (70009)` */
export function withCode(reason: string, code: number | undefined): string {
  return `${printable(reason)}${code === undefined ? '' : ` (${code})`}`;
}

/** Why a line stands, and which worker said so. */
export function whyItStands(halt: {
  reason: string;
  code: number | undefined;
  by: string | undefined;
}): string {
  const by = halt.by === undefined ? '' : `, said by worker ${printable(halt.by)}`;
  return withCode(halt.reason, halt.code) + by;
}
