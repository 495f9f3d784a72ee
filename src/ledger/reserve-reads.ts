/**
 * Reserving slots for commands that only read (get_room_info, get_room_stats, get_room_list).
 * Each has a quota of its own, so a line of its own; nothing is recorded of what it reads.
 */
import type { Database } from './database.js';
import {
  type Grant,
  grantLine,
  grantParameters,
  notBefore,
  type Probe,
  probeIsDue,
  readStop,
  type ReserveOptions,
  type ReserveResult,
  spendProbe,
  type StoppedLine,
  type StopRow,
  type Wish,
} from './grant.js';

export type ReadReservation =
  | (Grant & {
      /** The probe is that of the whole app: it tries whether the cause of its stop was mended. */
      probesApp: boolean;
    })
  | {
      kind: 'stopped';
      line: StoppedLine;
      /** It is the app that is stopped, and not this command. */
      isApp: boolean;
    };

/**
 * $1–$10 as {@link grantLine} has them, $11 how many slots are asked for.
 *
 * A stop that holds all commands of the app (a wrong key) is in the row of destroy_room, so that
 * one row says it. Its probe may be a request that only reads.
 */
const reserveSql = `
with holding as materialized (
  select s.* from room_reaper.lines l join room_reaper.lines s on s.sdk_app_id = l.sdk_app_id and s.host = l.host
   where l.id = $1 and s.id <> l.id and s.stopped_at is not null and s.stop_holds_all
   limit 1
),
probing as (
  update room_reaper.lines s
     set ${spendProbe('s')}
   where s.id = (select id from holding) and s.stopped_at is not null and ${probeIsDue('s')}
  returning s.id
),
wanted as materialized (
  select case when not exists (select from holding) then $11::int
              when exists (select from probing) then 1 else 0 end as slots
),
line as (
  ${grantLine('(select slots from wanted)')}
)
select l.recent[l.remembered - l.granted + 1:] as slots,
       case when exists (select from probing) then 'stop' else l.probe end as probe,
       h.id is not null as is_app, s.id is not null as line_exists,
       h.id is not null or s.stopped_at is not null as stopped,
       case when h.id is null then s.outage else false end as outage,
       coalesce(h.stop_code, s.stop_code) as stop_code, coalesce(h.stop_reason, s.stop_reason) as stop_reason,
       coalesce(h.stop_remedy, s.stop_remedy) as stop_remedy, coalesce(h.stop_worker, s.stop_worker) as stop_worker,
       extract(epoch from coalesce(h.probe_at, l.probe_at, s.probe_at))::float8 * 1000 as probe_at,
       ${notBefore('s')} as not_before,
       extract(epoch from clock_timestamp())::float8 * 1000 as now
  from (values (1)) one
  left join room_reaper.lines s on s.id = $1
  left join line l on true
  left join holding h on true`;

type Row = StopRow & {
  slots: number[] | null;
  probe: Probe | null;
  is_app: boolean;
  line_exists: boolean;
  stopped: boolean;
  not_before: number | null;
};

/**
 * Reserves a slot for each wish.
 *
 * @throws the driver's error where the database cannot be used.
 */
export async function reserveReads(
  database: Database,
  options: ReserveOptions,
  wishes: readonly Wish[],
): Promise<ReserveResult<ReadReservation>> {
  const [row] = await database.query<Row>('reserve-reads', reserveSql, [
    ...grantParameters(options, wishes),
    wishes.length,
  ]);
  return {
    reservations: wishes.map((_, index) => (row === undefined ? undefined : readSlot(row, index))),
    databaseNowMs: row?.now ?? 0,
    notBeforeMs: row?.not_before ?? 0,
    lineExists: row?.line_exists ?? false,
  };
}

function readSlot(row: Row, index: number): ReadReservation | undefined {
  const slotAtMs = row.slots?.[index];
  if (slotAtMs !== undefined) {
    return { kind: 'granted', slotAtMs, probe: row.probe ?? undefined, probesApp: row.is_app };
  }
  return row.stopped ? { kind: 'stopped', line: readStop(row), isApp: row.is_app } : undefined;
}
