/** Reserving slots: the one statement that holds the quota (docs/architecture.md, "The limiter"). */
import { isCancelled, wasSent } from './cancel.js';
import type { Database } from './database.js';
import type { Destruction, Outcome } from '../destruction.js';
import {
  type Grant,
  grantLine,
  grantParameters,
  notBefore,
  type Probe,
  readStop,
  type ReserveOptions,
  type ReserveResult,
  type StoppedLine,
  type StopRow,
  type Wish,
} from './grant.js';

/** A destruction that wants to send its next attempt. */
export interface SlotRequest extends Destruction, Wish {}

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
  | (Grant & {
      attempt: number;
      /** Whether an earlier attempt may have destroyed the room: the label of a later "gone". */
      mayHaveActedBefore: boolean;
    });

/**
 * Records an attempt for each destruction and grants it the next slot, all in one
 * statement, so that neither exists without the other.
 *
 * $1–$10 as {@link grantLine} has them, $11 SDKAppID; $12–$16 arrays of one element per
 * destruction: id, room, batch, requested at (epoch ms), not after (epoch ms); $17 likewise, when
 * its room was created at the latest (epoch ms, or null).
 *
 * Returns a row per destruction in the order given; `slot_at` is null where none was
 * granted.
 *
 * An un-ended row of this same worker is an attempt that it did not send (a slot given
 * up, or a reply of this statement that was lost): its number is used again.
 */
const reserveSql = `
with asked as materialized (
  select * from unnest($12::text[], $13::text[], $14::text[], $15::float8[], $16::float8[], $17::float8[])
    with ordinality as a (id, room_id, batch_id, requested_at, not_after, only_created_before, ord)
),
known as (
  insert into room_reaper.destructions
    (id, sdk_app_id, room_id, batch_id, requested_at, not_after, only_created_before)
  select id, $11, room_id, batch_id, to_timestamp(requested_at / 1000), to_timestamp(not_after / 1000),
         to_timestamp(only_created_before / 1000)
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
  ${grantLine('(select count(*) from open)')}
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

type Row = StopRow &
  Record<'is_foreign' | 'closed' | 'cancelled' | 'sent' | 'may_have_acted', boolean> &
  Record<'line_exists' | 'stopped', boolean> &
  Record<'attempt' | 'slot_at' | 'not_before', number | null> & {
    id: string;
    outcome: Outcome | null;
    probe: Probe | null;
  };

/**
 * Reserves a slot for each destruction.
 *
 * @throws the driver's error where the database cannot be used.
 */
export async function reserveSlots(
  database: Database,
  options: ReserveOptions,
  requests: readonly SlotRequest[],
): Promise<ReserveResult<Reservation>> {
  const rows = await database.query<Row>('reserve', reserveSql, [
    ...grantParameters(options, requests),
    options.sdkAppId,
    requests.map((request) => request.id),
    requests.map((request) => request.roomId),
    requests.map((request) => request.batchId ?? null),
    requests.map((request) => request.requestedAtMs),
    requests.map((request) => request.notAfterMs),
    requests.map((request) => request.onlyCreatedBeforeMs ?? null),
  ]);
  return {
    // A reply that was altered on the way can lack a row: nobody may take another's for his. And
    // another worker may have taken up the same destruction at the same instant.
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
