/** What was sent in each minute: counted once, and kept. */
import type { Database } from './database.js';
import { onlyReads } from './line.js';
import { isOfApp, readLineNumbers } from './sent.js';

/** So long after a minute its requests have been answered, in seconds. */
const settledSeconds = 30;

/** How far back minutes are counted where nobody did so for long. */
const farthest = "interval '1 day'";

/** Minutes of one statement: at the quota some 120,000 requests. */
const minutesAtOnce = 10;

/** Of a window only what is less than a second apart. */
const window = "interval '999999 microseconds'";

/** Of a request that went wrong. What is under way is no error. */
const codeOf = (attempt: string) =>
  `case when ${attempt}.verdict in ('destroyed', 'gone') then null when ${attempt}.error_code <> 0 then ${attempt}.error_code::text when ${attempt}.ended_at is not null then 'none' end`;

/**
 * $1 SDKAppID, $2 numbers of the app's lines. Counts the next minutes, from the first in which
 * anything was sent; the last of them has a row in any case, so that it is known how far it was
 * counted. Whoever counts them at the same time
 * comes to the same.
 */
const fillSql = `
with ended as (
  select date_trunc('minute', clock_timestamp() - ${settledSeconds} * interval '1 second') as at
),
span as (
  select n.at as from_at, least(e.at, n.at + ${minutesAtOnce} * interval '1 minute') as until_at, e.at as ended_at
    from ended e, lateral (
      select greatest(e.at - ${farthest}, (
        select max(minute) + interval '1 minute' from room_reaper.minutes where sdk_app_id = $1)) as at) f,
    lateral (
      select greatest(f.at, least(e.at - interval '1 minute', date_trunc('minute', (
        select min(sent_at) from room_reaper.attempts where sent_at >= f.at)))) as at) n
   where f.at < e.at
),
requests as materialized (
  select a.sent_at, a.destruction_id, a.attempt, a.verdict, a.ended_at, a.error_code,
         count(*) over (partition by a.line order by a.sent_at range between ${window} preceding and current row) as in_window
    from span s, lateral (
      select * from room_reaper.attempts t
       where t.sent_at >= s.from_at - interval '1 second' and t.sent_at < s.until_at and ${isOfApp('t', '$2', '$1')}) a
),
counted as (
  select date_trunc('minute', r.sent_at) as minute, r.verdict, d.outcome, ${codeOf('r')} as code,
         count(*)::int as requests, max(r.in_window)::int as worst
    from requests r, span s, lateral (
      select (select e.outcome from room_reaper.destructions e where e.id = r.destruction_id and e.attempts = r.attempt)) d (outcome)
   where r.sent_at >= s.from_at
   group by 1, 2, 3, 4
),
minutes as (
  select minute, sum(requests) as requests, max(worst) as worst,
         (select coalesce(jsonb_object_agg(v.verdict, v.n), '{}') from (
           select verdict, sum(requests) as n from counted x where x.minute = c.minute and verdict is not null group by 1) v) as verdicts,
         (select coalesce(jsonb_object_agg(o.outcome, o.n), '{}') from (
           select outcome, sum(requests) as n from counted x where x.minute = c.minute and outcome is not null group by 1) o) as outcomes,
         (select coalesce(jsonb_object_agg(e.code, e.n), '{}') from (
           select code, sum(requests) as n from counted x where x.minute = c.minute and code is not null group by 1) e) as codes
    from counted c group by minute
  union all
  select until_at - interval '1 minute', 0, 0, '{}', '{}', '{}' from span
   where not exists (select from counted c where c.minute = span.until_at - interval '1 minute')
),
kept as (
  insert into room_reaper.minutes (sdk_app_id, minute, requests, worst_window, verdicts, outcomes, codes)
  select $1, minute, requests, worst, verdicts, outcomes, codes from minutes
  on conflict do nothing
)
select until_at < ended_at as more from span`;

/** Counts the minutes that ended since the last that is counted; the first time, those of a day. */
export async function fillMinutes(
  database: Database,
  sdkAppId: number,
  signal?: AbortSignal,
): Promise<void> {
  for (;;) {
    const lines = (await readLineNumbers(database, sdkAppId)).map(({ number }) => number);
    const [row] = await database.query<{ more: boolean }>('minutes-fill', fillSql, [
      sdkAppId,
      lines,
    ]);
    if (row === undefined || !row.more || signal?.aborted) return;
  }
}

export interface Minute {
  /** When it began, in milliseconds since the epoch. */
  atMs: number;
  requests: number;
  /** Most requests to one host in any sliding second that ended in it. */
  worstWindow: number;
  /** Requests, by what their answers mean. */
  verdicts: Partial<Record<string, number>>;
  /** Destructions that ended with a request of this minute, by outcome. */
  outcomes: Partial<Record<string, number>>;
  /** Answers that were errors, by code; `none`: there was no answer. */
  codes: Partial<Record<string, number>>;
}

/** $1 SDKAppID, $2 from and $3 before (ms). */
const readSql = `
select extract(epoch from minute)::float8 * 1000 as at, requests, worst_window, verdicts, outcomes, codes
  from room_reaper.minutes
 where sdk_app_id = $1 and minute >= to_timestamp($2 / 1000.0) and minute < to_timestamp($3 / 1000.0)
 order by minute`;

/** @returns minutes that began in that time, in order; one without a request may be left out. */
export async function readMinutes(
  database: Database,
  { sdkAppId, fromMs, toMs }: { sdkAppId: number; fromMs: number; toMs: number },
): Promise<Minute[]> {
  const rows = await database.query<{
    at: number;
    requests: number;
    worst_window: number;
    verdicts: Minute['verdicts'];
    outcomes: Minute['outcomes'];
    codes: Minute['codes'];
  }>('minutes-read', readSql, [sdkAppId, fromMs, toMs]);
  return rows.map(({ at, worst_window: worstWindow, ...rest }) => ({
    atMs: Math.round(at),
    ...rest,
    worstWindow,
  }));
}

/** $1 SDKAppID. */
const countedUntilSql = `
select extract(epoch from max(minute) + interval '1 minute')::float8 * 1000 as at
  from room_reaper.minutes where sdk_app_id = $1`;

/** Until when minutes are counted, in milliseconds since the epoch; undefined: none is. */
export async function countedUntil(
  database: Database,
  sdkAppId: number,
): Promise<number | undefined> {
  const [row] = await database.query<{ at: number | null }>('minutes-until', countedUntilSql, [
    sdkAppId,
  ]);
  return row?.at === null || row === undefined ? undefined : Math.round(row.at);
}

/** A time in which nothing was sent, and why. */
export interface Halted {
  state: 'stopped' | 'outage' | 'paused';
  /** In milliseconds since the epoch. */
  fromMs: number;
  /** undefined: it lasts. */
  toMs: number | undefined;
  reason: string | undefined;
}

/**
 * $1 SDKAppID, $2 host, $3 from and $4 before (ms). Stops and outages are told by their ends, or by
 * the line where they last; pauses by the action log. Not those of a command that only reads.
 */
const haltsSql = `
with halts as (
  select case type when 'line.resumed' then 'stopped' else 'outage' end as state,
         (data ->> 'since')::timestamptz as from_at, created_at as to_at, data ->> 'reason' as reason
    from room_reaper.events
   where sdk_app_id = $1 and type in ('line.resumed', 'line.outage_ended')
     and coalesce(data ->> 'command', '') not like 'get\\_%' and created_at >= to_timestamp($3 / 1000.0)
  union all
  select case when outage then 'outage' else 'stopped' end, stopped_at, null, stop_reason
    from room_reaper.lines where sdk_app_id = $1 and host = $2 and stopped_at is not null and not ${onlyReads}
  union all
  select 'paused', at, next_at, reason from (
    select what, at, reason, lead(at) over (order by id) as next_at from room_reaper.actions
     where sdk_app_id = $1 and what in ('queue.pause', 'queue.resume') and outcome = 'done') p
   where what = 'queue.pause'
)
select state, extract(epoch from from_at)::float8 * 1000 as "from", extract(epoch from to_at)::float8 * 1000 as "to", reason
  from halts
 where from_at < to_timestamp($4 / 1000.0) and (to_at is null or to_at >= to_timestamp($3 / 1000.0))
 order by from_at`;

/** @returns when nothing was sent in that time, in order of the beginnings. */
export async function readHalts(
  database: Database,
  {
    sdkAppId,
    host,
    fromMs,
    toMs,
  }: { sdkAppId: number; host: string; fromMs: number; toMs: number },
): Promise<Halted[]> {
  const rows = await database.query<{
    state: Halted['state'];
    from: number;
    to: number | null;
    reason: string | null;
  }>('halts-read', haltsSql, [sdkAppId, host, fromMs, toMs]);
  return rows.map(({ state, from, to, reason }) => ({
    ...{ state, fromMs: Math.round(from), toMs: to === null ? undefined : Math.round(to) },
    reason: reason ?? undefined,
  }));
}
