/** The line's row: making it, stopping, braking, reading it. */
import { readColumn, type Database } from './database.js';
import { intervalInForce, readStop, type StoppedLine, type StopRow } from './grant.js';
import { isAlive } from './alive.js';

/** Length of the API's window, in milliseconds. */
const windowMs = 1000;

/** Pause before the first probe of a stopped line, in milliseconds; doubles with each failure, up to an hour. */
export const firstProbePauseMs = 60_000;

/** The slowest a brake goes, in requests per second. */
const slowestRate = 1;

/** Pause before the first probe of an outage, and before the second, in milliseconds. */
const firstOutagePauseMs = 500;
const secondOutagePauseMs = 1_000;

/**
 * An outage is the API's, not one worker's, where no worker had a good answer for so long, in
 * milliseconds; on a slow line, for three intervals.
 */
const silentForMs = 1_200;

export interface LineKey {
  host: string;
  sdkAppId: number;
  command: string;
}

/** Id of a line: quotas are per SDKAppID and command, and a stand-in host has its own. */
export function lineId(key: LineKey): string {
  return `${key.host} ${key.sdkAppId} ${key.command}`;
}

/**
 * $1 id, $2 SDKAppID, $3 host, $4 command, $5 interval (ms), $6 slots in a window.
 *
 * In a fresh or restored database nobody knows what was sent in the last second. So it
 * begins as if every slot up to a full window ahead were taken.
 */
const ensureSql = `
insert into room_reaper.lines (id, sdk_app_id, host, command, interval_ms, not_before, recent)
select $1, $2, $3, $4, $5::float8, clock_timestamp() + ${windowMs} * interval '1 millisecond',
       array(select extract(epoch from clock_timestamp())::float8 * 1000 + ${windowMs} - n * $5::float8
               from generate_series($6::int, 1, -1) n)
on conflict (id) do nothing`;

export async function ensureLine(
  database: Database,
  key: LineKey,
  intervalMs: number,
  windowSlots: number,
): Promise<void> {
  await database.query('line-ensure', ensureSql, [
    lineId(key),
    key.sdkAppId,
    key.host,
    key.command,
    intervalMs,
    windowSlots,
  ]);
}

export interface StopCause {
  /** The API's code, or an HTTP status. */
  code: number | undefined;
  reason: string;
  remedy: string | undefined;
  /** Whether it is about the app and not about one command: the other commands wait too. */
  holdsAll?: boolean;
}

export interface StopOptions {
  /** The worker that says so. */
  by?: { workerId: string; name: string };
  /**
   * What shows that it may be the trouble of this worker alone, whose key is an old one: that
   * others live, who can be asked; or that a request of theirs succeeded that was sent after this
   * (milliseconds since the epoch, on the database's clock).
   */
  unless?: 'others_live' | { othersSucceedSinceMs: number } | undefined;
}

/**
 * $1 id, $2 code, $3 reason, $4 remedy, $5 id and $6 name of the worker, $7 whether others that
 * live are a reason not to, $8 since when the success of others is one (epoch ms, or null).
 *
 * Where it is stopped already, as after a probe, the newest reason is shown; since when, and when
 * the next probe is, stay as they were. A stop takes the place of an outage.
 */
const stopSql = `
update room_reaper.lines l
   set stopped_at = case when outage then clock_timestamp() else coalesce(stopped_at, clock_timestamp()) end,
       stop_code = $2, stop_reason = $3, stop_remedy = $4, stop_worker = $6, probed_by = $5, stop_holds_all = $9,
       probe_at = coalesce(case when not outage then probe_at end,
         clock_timestamp() + ${firstProbePauseMs} * interval '1 millisecond'),
       probe_pause_ms = coalesce(case when stopped_at is not null and not outage then probe_pause_ms end,
         ${firstProbePauseMs} * 2),
       outage = false
 where id = $1
   and (stopped_at is not null and not outage
     or not ($7 and exists (select from room_reaper.workers w
                             where w.line_id = l.id and w.id is distinct from $5 and ${isAlive('w')}))
    and not exists (select from room_reaper.attempts a
                     where a.line = l.number and a.worker_id is distinct from $5 and a.sent_at > to_timestamp($8::float8 / 1000)
                       and a.verdict in ('destroyed', 'gone', 'rejected')))
returning id`;

/** @returns false where it was not stopped, for what `unless` says. */
export async function stopLine(
  database: Database,
  id: string,
  { code, reason, remedy, holdsAll = false }: StopCause,
  { by, unless }: StopOptions = {},
): Promise<boolean> {
  const stopped = await database.query('line-stop', stopSql, [
    id,
    code ?? null,
    reason,
    remedy ?? null,
    by?.workerId ?? null,
    by?.name ?? null,
    unless === 'others_live',
    typeof unless === 'object' ? unless.othersSucceedSinceMs : null,
    holdsAll,
  ]);
  return stopped.length > 0;
}

/** $1 id. */
const resumeSql = `
update room_reaper.lines
   set stopped_at = null, stop_code = null, stop_reason = null, stop_remedy = null,
       stop_worker = null, probed_by = null, probe_at = null, probe_pause_ms = null, outage = false
 where id = $1 and stopped_at is not null
returning id`;

/** Lets a stopped line run again, or one in an outage. @returns false where it was neither. */
export async function resumeLine(database: Database, id: string): Promise<boolean> {
  return (await database.query('line-resume', resumeSql, [id])).length > 0;
}

/**
 * $1 id, $2 code, $3 reason. Not where the line is stopped, and not where another worker had a
 * good answer a moment ago. Locks the row.
 */
const beginOutageSql = `
update room_reaper.lines
   set stopped_at = clock_timestamp(), outage = true, stop_code = $2, stop_reason = $3, stop_remedy = null,
       stop_worker = null, probe_at = clock_timestamp() + ${firstOutagePauseMs} * interval '1 millisecond',
       probe_pause_ms = ${secondOutagePauseMs}
 where id = $1 and stopped_at is null
   and (answered_at is null or answered_at <
     clock_timestamp() - greatest(${silentForMs}, 3 * interval_ms) * interval '1 millisecond')
returning id`;

/** $1 id. */
const isStoppedSql = `
select stopped_at is not null as stopped from room_reaper.lines where id = $1`;

/**
 * Brakes the line to probes, for all workers, because the API does not work.
 *
 * @returns false where it works for other workers.
 */
export async function beginOutage(
  database: Database,
  id: string,
  cause: { code: number | undefined; reason: string },
): Promise<boolean> {
  const begun = await database.query('outage-begin', beginOutageSql, [
    id,
    cause.code ?? null,
    cause.reason,
  ]);
  if (begun.length > 0) return true;
  return (await readColumn<boolean>(database, 'line-is-stopped', isStoppedSql, [id]))[0] ?? false;
}

/** $1 id. A stop that took the outage's place in the meantime stays. */
const endOutageSql = `
update room_reaper.lines
   set stopped_at = null, stop_code = null, stop_reason = null, probe_at = null, probe_pause_ms = null,
       outage = false, answered_at = clock_timestamp()
 where id = $1 and outage
returning id`;

/** The API works again. @returns false where another worker has said so. */
export async function endOutage(database: Database, id: string): Promise<boolean> {
  return (await database.query('outage-end', endOutageSql, [id])).length > 0;
}

/** $1 id. */
const probeNowSql = `
update room_reaper.lines set probe_at = clock_timestamp() where id = $1 and stopped_at is not null`;

/** A person asks for work on a stopped line: one job may try now. */
export async function probeNow(database: Database, id: string): Promise<void> {
  await database.query('line-probe-now', probeNowSql, [id]);
}

/**
 * $1 id, $2 interval (ms) at the full rate, $3 reason.
 *
 * What the API allowed is the number of slots in the last second, which may be fewer than
 * the rate in force where the workers have less to do.
 *
 * Halves the rate in force and keeps the line empty for one window. At most once a
 * window: the answers in flight when the brake was put on say nothing new.
 */
const brakeSql = `
update room_reaper.lines l
   set braked_rate = greatest(${slowestRate}, 500 / ${intervalInForce('l', '$2')}),
       braked_at = clock_timestamp(), brake_reason = $3,
       over_quota_rate = least(1000 / ${intervalInForce('l', '$2')}, greatest(${slowestRate},
         (select count(*) from unnest(l.recent) slot
           where slot between extract(epoch from clock_timestamp()) * 1000 - ${windowMs}
                          and extract(epoch from clock_timestamp()) * 1000))),
       over_quota_at = clock_timestamp(),
       not_before = greatest(l.not_before, clock_timestamp() + ${windowMs} * interval '1 millisecond')
 where id = $1 and (braked_at is null or braked_at < clock_timestamp() - ${windowMs} * interval '1 millisecond')
returning braked_rate`;

/** Slows the line for all workers. @returns the rate now in force, or undefined where it was braked a moment ago. */
export async function brakeLine(
  database: Database,
  id: string,
  intervalMs: number,
  reason: string,
): Promise<number | undefined> {
  const parameters = [id, intervalMs, reason];
  return (await readColumn<number>(database, 'line-brake', brakeSql, parameters))[0];
}

/** Since when, and why, nothing but probes is sent. */
export interface Halt extends StoppedLine {
  sinceMs: number;
}

/** What the row of a line says. */
type RowState =
  | { kind: 'running' }
  /** It runs below its full rate, because the API said "over quota". */
  | { kind: 'braked' }
  /** The API does not work, which passes by itself. */
  | { kind: 'outage'; halt: Halt }
  /** Something that a person must mend. */
  | { kind: 'stopped'; halt: Halt };

/** Whether rooms move, and why not: the one answer, for whoever asks. */
export type LineState =
  | RowState
  /** No worker has run on this host yet. */
  | { kind: 'never_used' }
  /** A person holds the queue; `otherwise` is how it goes on when they let it. */
  | { kind: 'paused'; otherwise: RowState | { kind: 'never_used' } };

export interface Line {
  id: string;
  host: string;
  /** Rate in force, per second; also of a line that does not move. */
  ratePerSecond: number;
  /** Why the rate is below the full one. */
  brakeReason: string | undefined;
  /** What the API was found to allow: what was sent in the second before it last said "over quota". */
  quotaFound: { ratePerSecond: number; atMs: number } | undefined;
  state: RowState;
  /** Its newest slot, on the database's clock. */
  lastSlotMs: number | undefined;
  databaseNowMs: number;
}

/** @param line - undefined: it has no row yet. @param paused - the queue is, by hand. */
export function stateOf(line: Line | undefined, paused: boolean): LineState {
  const otherwise = line?.state ?? { kind: 'never_used' };
  return paused ? { kind: 'paused', otherwise } : otherwise;
}

/** Whether rooms are sent, as far as that depends on the line. */
export function isMoving({ kind }: LineState): boolean {
  return kind === 'running' || kind === 'braked';
}

/** Why nothing but probes is sent, also where the queue is paused besides. */
export function haltOf(state: LineState): Halt | undefined {
  const underneath = state.kind === 'paused' ? state.otherwise : state;
  return 'halt' in underneath ? underneath.halt : undefined;
}

/** How long the quota that was found is worth showing, in milliseconds. */
const quotaFoundShownMs = 3_600_000;

/** SQL: whether a line is of a command that only reads (src/ledger/reserve-reads.ts). */
export const onlyReads = `command ~ '(^|/)get_'`;

/** $1 SDKAppID, $2 interval (ms) at the full rate. */
const stateSql = `
select id, host, 1000 / ${intervalInForce('lines', '$2')} as rate,
       brake_reason, over_quota_rate, extract(epoch from over_quota_at)::float8 * 1000 as over_quota_at,
       outage, extract(epoch from stopped_at)::float8 * 1000 as stopped_at, stop_code, stop_reason, stop_remedy, stop_worker,
       extract(epoch from probe_at)::float8 * 1000 as probe_at, recent[cardinality(recent)] as last_slot,
       extract(epoch from clock_timestamp())::float8 * 1000 as now
  from room_reaper.lines where sdk_app_id = $1 and not ${onlyReads} order by id`;

type StateRow = StopRow &
  Record<'over_quota_rate' | 'over_quota_at' | 'stopped_at' | 'last_slot', number | null> & {
    id: string;
    host: string;
    rate: number;
    brake_reason: string | null;
  };

/** The lines of an app, one per endpoint host that was ever used: those of the command that destroys. */
export async function readLines(
  database: Database,
  sdkAppId: number,
  intervalMs: number,
): Promise<Line[]> {
  const rows = await database.query<StateRow>('line-state', stateSql, [sdkAppId, intervalMs]);
  return rows.map((row) => {
    const isSlow = row.rate < 1000 / intervalMs - 0.01;
    const brakeReason = isSlow ? (row.brake_reason ?? undefined) : undefined;
    return {
      id: row.id,
      host: row.host,
      ratePerSecond: row.rate,
      brakeReason,
      quotaFound: readQuotaFound(row),
      state: readState(row, brakeReason !== undefined),
      lastSlotMs: row.last_slot ?? undefined,
      databaseNowMs: row.now,
    };
  });
}

/** $1 SDKAppID. */
const haltedReadsSql = `
select id, host, regexp_replace(command, '.*/', '') as command, outage,
       extract(epoch from stopped_at)::float8 * 1000 as stopped_at, stop_code, stop_reason, stop_remedy,
       stop_worker, extract(epoch from probe_at)::float8 * 1000 as probe_at,
       extract(epoch from clock_timestamp())::float8 * 1000 as now
  from room_reaper.lines where sdk_app_id = $1 and stopped_at is not null and ${onlyReads} order by id`;

/** A command that only reads and does not run: rooms that need it wait, the others go on. */
export interface HaltedRead {
  id: string;
  host: string;
  /** Without its path. */
  command: string;
  halt: Halt;
}

/** @throws the driver's error where the database cannot be used. */
export async function readHaltedReads(database: Database, sdkAppId: number): Promise<HaltedRead[]> {
  type Row = StopRow & { id: string; host: string; command: string; stopped_at: number };
  const rows = await database.query<Row>('halted-reads', haltedReadsSql, [sdkAppId]);
  return rows.map((row) => ({
    ...{ id: row.id, host: row.host, command: row.command },
    halt: { ...readStop(row), sinceMs: row.stopped_at },
  }));
}

function readQuotaFound(row: StateRow): Line['quotaFound'] {
  if (row.over_quota_rate === null || row.over_quota_at === null) return undefined;
  if (row.now - row.over_quota_at > quotaFoundShownMs) return undefined;
  return { ratePerSecond: row.over_quota_rate, atMs: row.over_quota_at };
}

function readState(row: StateRow, braked: boolean): RowState {
  if (row.stopped_at === null) return { kind: braked ? 'braked' : 'running' };
  const halt = { ...readStop(row), sinceMs: row.stopped_at };
  return { kind: row.outage ? 'outage' : 'stopped', halt };
}

const appsSql = `
select sdk_app_id::text as app from room_reaper.lines where not ${onlyReads}
union select sdk_app_id::text from room_reaper.batches order by app`;

/** The apps for which a worker ran, or a batch was asked for: their SDKAppIDs. */
export function readApps(database: Database): Promise<string[]> {
  return readColumn<string>(database, 'apps', appsSql, []);
}
