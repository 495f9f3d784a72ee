/** Who works on a line: each worker says so every few seconds. */
import { isAlive } from './alive.js';
import type { Database } from './database.js';

/** How often a worker says that it lives, in milliseconds. */
export const beatEveryMs = 5_000;

/** How long one that was not heard of is shown, in milliseconds: somebody may look for it. */
const missedForMs = 600_000;

/** How long rows of workers that are gone are kept, in days: attempts name them. */
const keptDays = 30;

export type WorkerState = 'running' | 'stopped' | 'probing' | 'holding_back' | 'ended';

/** What a worker says of itself. */
export interface WorkerBeat {
  id: string;
  lineId: string;
  sdkAppId: number;
  host: string;
  pid: number;
  version: string;
  keyFingerprint: string;
  state: WorkerState;
  /** Why it holds back. */
  reason: string | undefined;
  inHand: number;
  /** How long it waits for an answer, in milliseconds: an event of its room may come until then. */
  requestTimeoutMs?: number;
}

export interface SeenWorker extends WorkerBeat {
  startedAtMs: number;
  /** When it was last heard of. Both on the database's clock, in milliseconds since the epoch. */
  seenAtMs: number;
  /** Whether that is a moment ago. */
  isAlive: boolean;
}

/** How people call a worker: the machine and the process there. */
export function workerName({ host, pid }: { host: string; pid: number }): string {
  return `${host}:${pid}`;
}

/**
 * $1 to $11: the fields of WorkerBeat in their order. Returns the schema's version: a newer program
 * may have brought it up to date.
 */
const beatSql = `
insert into room_reaper.workers (id, line_id, sdk_app_id, host, pid, version, key_fingerprint, state, reason, in_hand,
  request_timeout_ms)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
on conflict (id) do update
   set state = excluded.state, reason = excluded.reason, in_hand = excluded.in_hand, seen_at = clock_timestamp()
returning (select max(version) from room_reaper.migrations) as version`;

/** @returns the version of the schema. */
export async function beat(database: Database, worker: WorkerBeat): Promise<number | undefined> {
  const rows = await database.query<{ version: number }>('worker-beat', beatSql, [
    worker.id,
    worker.lineId,
    worker.sdkAppId,
    worker.host,
    worker.pid,
    worker.version,
    worker.keyFingerprint,
    worker.state,
    worker.reason ?? null,
    worker.inHand,
    worker.requestTimeoutMs ?? null,
  ]);
  return rows[0]?.version;
}

const forgetSql = `
delete from room_reaper.workers where seen_at < clock_timestamp() - ${keptDays} * interval '1 day'`;

/** Removes the rows of workers that were gone long ago. */
export async function forgetOldWorkers(database: Database): Promise<void> {
  await database.query('workers-forget', forgetSql, []);
}

/** $1 SDKAppID. */
const workersSql = `
select w.*, extract(epoch from started_at)::float8 * 1000 as started,
       extract(epoch from seen_at)::float8 * 1000 as seen, ${isAlive('w')} as is_alive
  from room_reaper.workers w
 where sdk_app_id = $1 and state <> 'ended'
   and seen_at > clock_timestamp() - ${missedForMs} * interval '1 millisecond'
 order by host, pid, started_at`;

interface WorkerRow {
  id: string;
  line_id: string;
  host: string;
  pid: number;
  version: string;
  key_fingerprint: string;
  state: WorkerState;
  reason: string | null;
  in_hand: number;
  started: number;
  seen: number;
  is_alive: boolean;
}

/** The workers of an app that are at work, and those that stopped saying so in the last minutes. */
export async function readWorkers(database: Database, sdkAppId: number): Promise<SeenWorker[]> {
  const rows = await database.query<WorkerRow>('workers', workersSql, [sdkAppId]);
  return rows.map((row) => ({
    id: row.id,
    lineId: row.line_id,
    sdkAppId,
    host: row.host,
    pid: row.pid,
    version: row.version,
    keyFingerprint: row.key_fingerprint,
    state: row.state,
    reason: row.reason ?? undefined,
    inHand: row.in_hand,
    startedAtMs: row.started,
    seenAtMs: row.seen,
    isAlive: row.is_alive,
  }));
}
