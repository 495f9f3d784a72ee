/** Reserving slots: the one statement that holds the quota (docs/architecture.md, "The limiter"). */
import { isCancelled, wasSent } from './cancel.js';
import type { Database } from './database.js';
import type { Destruction, Outcome } from '../destruction.js';

/** A destruction that wants to send its next attempt. */
export interface SlotRequest extends Destruction {
  /** A slot that was granted for it and could not be used: others may have its place in the window. */
  givenUpSlotMs?: number;
}

export interface StoppedLine {
  /** An outage of the API, which passes by itself; else something that a person must mend. */
  outage: boolean;
  code: number | undefined;
  reason: string;
  remedy: string | undefined;
  /** Name of the worker that said so; of an outage it is all of them. */
  by: string | undefined;
  /** When one job may try again, in milliseconds since the epoch, on the database's clock. */
  probeAtMs: number;
}

export type Reservation =
  /** The ledger knows how it ended: send nothing. */
  | { kind: 'finished'; outcome: Outcome }
  /** It was taken back: send nothing (more). */
  | { kind: 'cancelled'; sentBefore: boolean }
  /** Its deadline is over: send nothing. */
  | { kind: 'expired' }
  /** Its id is that of another room's destruction: whoever wrote the job is not to be believed. */
  | { kind: 'foreign' }
  | { kind: 'stopped'; line: StoppedLine }
  | {
      kind: 'granted';
      attempt: number;
      /** Milliseconds since the epoch, on the database's clock. */
      slotAtMs: number;
      /** Whether an earlier attempt may have destroyed the room: the label of a later "gone". */
      mayHaveActedBefore: boolean;
      /** The line was stopped, or in an outage: this is the one attempt that tries whether it may run again. */
      probe: Probe | undefined;
    };

/** What a probe tries: whether the cause of a stop was mended, or whether an outage is over. */
export type Probe = 'stop' | 'outage';

export interface ReserveResult {
  /**
   * In the order of the requests; `undefined` where none could be made for a passing
   * reason (another worker took up the same destruction at the same instant, or the reply
   * lacks it): ask again.
   */
  reservations: (Reservation | undefined)[];
  /** The database's clock while the statement ran, in milliseconds since the epoch. */
  databaseNowMs: number;
  /** No slot comes before this (a brake, a new line), in milliseconds since the epoch. */
  notBeforeMs: number;
  /** False in a fresh or restored database: `ensureLine` makes the row. */
  lineExists: boolean;
}

export interface ReserveOptions {
  lineId: string;
  sdkAppId: number;
  workerId: string;
  /** Interval between slots when nothing brakes, in milliseconds. */
  intervalMs: number;
  /** Slots in one window of the API: its quota. */
  windowSlots: number;
  /** How far ahead of now the first slot lies at least, in milliseconds: the way back of the reply. */
  leadMs: number;
  /**
   * When this process last had an answer that shows the API at work, in milliseconds since the
   * epoch, on the database's clock: others know by it that an outage is theirs alone.
   */
  answeredAtMs: number | undefined;
  /** Slots of this worker that were used late. */
  moved: readonly MovedSlot[];
  /** The newest slot that this worker holds or used: a row that lacks it comes from before it. */
  newestSlotMs: number | undefined;
}

/** A slot, and when it was used, in milliseconds since the epoch, on the database's clock. */
export interface MovedSlot {
  slotAtMs: number;
  usedAtMs: number;
}

/** Longest pause between two probes of a stopped line, and of one in an outage, in milliseconds. */
const longestProbePauseMs = 3_600_000;
const longestOutagePauseMs = 2_000;

/**
 * For so long after it is due, the probe of a stopped line is for another worker than the one that
 * stopped it or probed last, whose trouble it may be alone. In milliseconds.
 */
const forOthersMs = 5_000;

/** SQL: the interval in force of a line, in milliseconds; `full` is the interval when nothing brakes. */
export function intervalInForce(line: string, full: string): string {
  return `room_reaper.interval_in_force(${full}::float8, ${line}.braked_rate, ${line}.over_quota_rate,
    extract(epoch from clock_timestamp() - ${line}.braked_at)::float8)`;
}

/**
 * SQL: before this a line grants no slot, in epoch milliseconds. It was a window ahead at most
 * when it was written; what lies further ahead now is from before the clock went back.
 */
function notBefore(line: string): string {
  return `extract(epoch from least(${line}.not_before, clock_timestamp() + interval '1 second'))::float8 * 1000`;
}

/**
 * Records an attempt for each destruction and grants it the next slot, all in one
 * statement, so that neither exists without the other.
 *
 * $1 line id, $2 worker id, $3 interval (ms), $4 lead (ms), $5 SDKAppID; $6–$10 arrays
 * of one element per destruction: id, room, batch, requested at (epoch ms), not after
 * (epoch ms). $11 slots given up (epoch ms), $12 slots in a window, $13 when this worker
 * last had an answer that shows the API at work (epoch ms, or null); $14 and $15 slots used late,
 * and when (epoch ms); $16 the newest slot that this worker knows (epoch ms, or null).
 *
 * Returns a row per destruction in the order given; `slot_at` is null where none was
 * granted. Locks the line's row until it commits: reservations of all workers follow
 * one another. `clock_timestamp()` in the update is read under that lock.
 *
 * An un-ended row of this same worker is an attempt that it did not send (a slot given
 * up, or a reply of this statement that was lost): its number is used again.
 */
const reserveSql = `
with asked as materialized (
  select * from unnest($6::text[], $7::text[], $8::text[], $9::float8[], $10::float8[])
    with ordinality as a (id, room_id, batch_id, requested_at, not_after, ord)
),
known as (
  insert into room_reaper.destructions (id, sdk_app_id, room_id, batch_id, requested_at, not_after)
  select id, $5, room_id, batch_id, to_timestamp(requested_at / 1000), to_timestamp(not_after / 1000)
    from asked
   order by id
  on conflict (id) do nothing
),
history as materialized (
  select a.id, a.ord, a.not_after, d.outcome, coalesce(d.room_id <> a.room_id, false) as is_foreign,
         coalesce(h.attempts, 0) as attempts, coalesce(h.may_have_acted, false) as may_have_acted,
         coalesce(h.sent, false) as sent, ${isCancelled('a.id', 'a.batch_id')} as cancelled
    from asked a
    left join room_reaper.destructions d on d.id = a.id
    left join lateral (
      select max(t.attempt) as attempts,
             bool_or(t.ended_at is null or t.may_have_acted) as may_have_acted,
             bool_or(${wasSent('t')}) as sent
        from room_reaper.attempts t
       where t.destruction_id = a.id and (t.ended_at is not null or t.worker_id <> $2)
    ) h on true
),
open as materialized (
  select *, row_number() over (order by ord) - 1 as position
    from history
   where outcome is null and not is_foreign and not cancelled
     and not_after > extract(epoch from clock_timestamp()) * 1000
),
line as (
  update room_reaper.lines l
     set interval_ms = ${intervalInForce('l', '$3')},
         recent = room_reaper.grant_slots(
           room_reaper.known_slots(
             room_reaper.move_slots(l.recent, $14::float8[], $15::float8[]), $16,
             extract(epoch from clock_timestamp())::float8 * 1000, ${intervalInForce('l', '$3')}, $12),
           $11::float8[],
           extract(epoch from clock_timestamp())::float8 * 1000 + $4,
           ${notBefore('l')},
           (case when l.stopped_at is null then (select count(*) from open) else 1 end)::int,
           ${intervalInForce('l', '$3')}, $12),
         probe_at = case when l.stopped_at is null then null
           else clock_timestamp() + l.probe_pause_ms * interval '1 millisecond' end,
         probed_by = case when l.stopped_at is null then null else $2 end,
         probe_pause_ms = case when l.stopped_at is null then null
           when l.outage then least(l.probe_pause_ms * 2, ${longestOutagePauseMs})
           else least(l.probe_pause_ms * 2, ${longestProbePauseMs}) end,
         answered_at = greatest(l.answered_at, to_timestamp($13::float8 / 1000))
   where l.id = $1 and exists (select from open)
     and (l.stopped_at is null
       or l.probe_at <= clock_timestamp() - case
            when l.outage or l.probed_by is distinct from $2 then interval '0'
            else ${forOthersMs} * interval '1 millisecond' end)
  returning l.number, l.recent, cardinality(l.recent) as remembered, l.probe_at,
    case when l.stopped_at is null then null when l.outage then 'outage' else 'stop' end as probe,
    case when l.stopped_at is null then (select count(*) from open) else 1 end as granted
),
slots as (
  select o.id, l.number as line, o.attempts + 1 as attempt, l.recent[l.remembered - l.granted + o.position + 1] as slot_at
    from open o join line l on o.position < l.granted
),
granted as (
  insert into room_reaper.attempts (destruction_id, attempt, worker_id, slot_at, line)
  select id, attempt, $2, to_timestamp(slot_at / 1000), line from slots
  on conflict (destruction_id, attempt) do update set slot_at = excluded.slot_at
    where attempts.worker_id = excluded.worker_id and attempts.ended_at is null
  returning destruction_id, attempt
)
select h.id, h.is_foreign, h.outcome, o.id is null as closed, h.cancelled, h.sent, h.may_have_acted, g.attempt,
       n.slot_at, l.probe,
       s.id is not null as line_exists, s.stopped_at is not null as stopped, s.outage, s.stop_code,
       s.stop_reason, s.stop_remedy, s.stop_worker,
       extract(epoch from coalesce(l.probe_at, s.probe_at))::float8 * 1000 as probe_at,
       ${notBefore('s')} as not_before,
       extract(epoch from clock_timestamp())::float8 * 1000 as now
  from history h
  left join open o on o.id = h.id
  left join granted g on g.destruction_id = h.id
  left join slots n on n.id = g.destruction_id
  left join line l on true
  left join room_reaper.lines s on s.id = $1
 order by h.ord`;

/** What the row of a line says of its stop. */
export interface StopRow {
  outage: boolean | null;
  stop_code: number | null;
  stop_reason: string | null;
  stop_remedy: string | null;
  stop_worker: string | null;
  probe_at: number | null;
  now: number;
}

type Row = StopRow &
  Record<'is_foreign' | 'closed' | 'cancelled' | 'sent' | 'may_have_acted', boolean> &
  Record<'line_exists' | 'stopped', boolean> &
  Record<'attempt' | 'slot_at' | 'not_before', number | null> & {
    id: string;
    outcome: Outcome | null;
    probe: Probe | null;
  };

export function readStop(row: StopRow): StoppedLine {
  return {
    outage: row.outage ?? false,
    code: row.stop_code ?? undefined,
    reason: row.stop_reason ?? '',
    remedy: row.stop_remedy ?? undefined,
    by: row.stop_worker ?? undefined,
    probeAtMs: row.probe_at ?? row.now,
  };
}

/**
 * Reserves a slot for each destruction.
 *
 * @throws the driver's error where the database cannot be used.
 */
export async function reserveSlots(
  database: Database,
  options: ReserveOptions,
  requests: readonly SlotRequest[],
): Promise<ReserveResult> {
  const { moved } = options;
  const rows = await database.query<Row>('reserve', reserveSql, [
    options.lineId,
    options.workerId,
    options.intervalMs,
    options.leadMs,
    options.sdkAppId,
    requests.map((request) => request.id),
    requests.map((request) => request.roomId),
    requests.map((request) => request.batchId ?? null),
    requests.map((request) => request.requestedAtMs),
    requests.map((request) => request.notAfterMs),
    requests.flatMap((request) =>
      request.givenUpSlotMs === undefined ? [] : [request.givenUpSlotMs],
    ),
    options.windowSlots,
    options.answeredAtMs ?? null,
    moved.map(({ slotAtMs }) => slotAtMs),
    moved.map(({ usedAtMs }) => usedAtMs),
    options.newestSlotMs ?? null,
  ]);
  return {
    // A reply that was altered on the way can lack a row: nobody may take another's for his.
    reservations: requests.map(({ id: destructionId }, index) => {
      const row = rows[index];
      return row?.id === destructionId ? readRow(row) : undefined;
    }),
    databaseNowMs: rows[0]?.now ?? 0,
    notBeforeMs: rows[0]?.not_before ?? 0,
    lineExists: rows[0]?.line_exists ?? false,
  };
}

function readRow(row: Row): Reservation | undefined {
  if (row.is_foreign) return { kind: 'foreign' };
  if (row.outcome !== null) return { kind: 'finished', outcome: row.outcome };
  if (row.cancelled) return { kind: 'cancelled', sentBefore: row.sent };
  if (row.closed) return { kind: 'expired' };
  if (row.attempt !== null && row.slot_at !== null) {
    return {
      kind: 'granted',
      attempt: row.attempt,
      slotAtMs: row.slot_at,
      mayHaveActedBefore: row.may_have_acted,
      probe: row.probe ?? undefined,
    };
  }
  return row.stopped ? { kind: 'stopped', line: readStop(row) } : undefined;
}
