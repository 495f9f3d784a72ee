/** What the ledger knows of one room. */
import type { Destruction, Outcome } from '../destruction.js';
import { readColumn, type Database } from './database.js';
import type { AttemptEnd, DestructionEnd } from './record.js';
import { readStatistics, type TotalsRow } from './report-rows.js';
import { readRoomEvents, type KnownEvent } from './room-events.js';

export interface KnownAttempt extends Omit<AttemptEnd, 'endedAtMs' | 'verdict' | 'reason'> {
  slotAtMs: number;
  /** Machine and process that made it; undefined: of a worker that is long gone. */
  worker: string | undefined;
  /** undefined: nothing was written to a connection, or nobody recorded it. */
  sentAtMs: number | undefined;
  /** undefined: it is under way, or its answer was never recorded. */
  endedAtMs: number | undefined;
  verdict: string | undefined;
  reason: string | undefined;
}

export interface KnownDestruction
  extends
    Pick<Destruction, 'id' | 'requestedAtMs' | 'notAfterMs'>,
    Omit<DestructionEnd, 'outcome'> {
  batch: { id: string; name: string | undefined } | undefined;
  /** undefined while it is open. */
  outcome: Outcome | undefined;
  finishedAtMs: number | undefined;
  statisticsSource: string | undefined;
  /** When they were read, where they are from a snapshot. */
  snapshotAtMs: number | undefined;
  /** In their order; the newest of them where there are more than were asked for. */
  attempts: KnownAttempt[];
  /** How many there are in all. */
  attemptCount: number;
}

export interface RoomHistory {
  /** Newest first. */
  destructions: KnownDestruction[];
  /** How many there are in all. */
  total: number;
  /** What the API told of its ends: the newest, newest first. */
  events: KnownEvent[];
}

/**
 * $1 SDKAppID, $2 room, $3 most rows, $4 an id or null. Newest first. Beyond these, the one of that
 * id, and the newest that destroyed the room or else found it gone, for that may be long ago. Totals as text: bigints do not
 * fit a double.
 */
const destructionsSql = `
with known as (
  select id, count(*) over ()::int as total,
         row_number() over (order by requested_at desc, id desc) as recency,
         row_number() over (order by array_position(
           array['destroyed', 'destroyed_statistics_lost', 'already_gone'], outcome), requested_at desc, id desc) as place
    from room_reaper.destructions where sdk_app_id = $1 and room_id = $2
)
select d.id, extract(epoch from d.requested_at)::float8 * 1000 as requested_at,
       extract(epoch from d.not_after)::float8 * 1000 as not_after, d.batch_id, b.name as batch_name,
       d.outcome, d.error_code, d.error_info, d.request_id,
       extract(epoch from d.finished_at)::float8 * 1000 as finished_at,
       d.total_viewers::text, d.total_gifts_sent::text, d.total_gift_coins::text,
       d.total_unique_gift_senders::text, d.total_likes_received::text, d.statistics_source,
       extract(epoch from d.snapshot_at)::float8 * 1000 as snapshot_at, k.total
  from known k join room_reaper.destructions d on d.id = k.id
  left join room_reaper.batches b on b.id = d.batch_id
 where k.recency <= $3 or k.place = 1 or k.id = $4
 order by k.recency`;

type DestructionRow = TotalsRow &
  Record<'batch_id' | 'batch_name' | 'error_info' | 'request_id', string | null> &
  Record<'error_code' | 'finished_at' | 'snapshot_at', number | null> &
  Record<'requested_at' | 'not_after' | 'total', number> & {
    id: string;
    outcome: Outcome | null;
    statistics_source: string | null;
  };

/** $1 destruction ids, $2 most rows of each: the newest. In the order of the attempts. */
const attemptsSql = `
select * from (
  select a.destruction_id, a.attempt, extract(epoch from a.slot_at)::float8 * 1000 as slot_at,
         extract(epoch from a.sent_at)::float8 * 1000 as sent_at,
         extract(epoch from a.ended_at)::float8 * 1000 as ended_at,
         a.http_status, a.error_code, a.verdict, a.reason, a.request_id, a.raw_answer,
         w.host || ':' || w.pid as worker,
         a.ended_at is null or coalesce(a.may_have_acted, false) as may_have_acted,
         row_number() over (partition by a.destruction_id order by a.attempt desc) as recency,
         count(*) over (partition by a.destruction_id)::int as total
    from room_reaper.attempts a left join room_reaper.workers w on w.id = a.worker_id
   where a.destruction_id = any ($1::text[])) newest
 where recency <= $2
 order by destruction_id, attempt`;

type AttemptRow = Record<'sent_at' | 'ended_at' | 'http_status' | 'error_code', number | null> &
  Record<'verdict' | 'reason' | 'request_id' | 'raw_answer' | 'worker', string | null> &
  Record<'attempt' | 'slot_at' | 'total', number> & {
    destruction_id: string;
    may_have_acted: boolean;
  };

/**
 * @param most - of destructions, and of attempts of each: the newest are read, and of destructions
 *   one more where that says most of the room.
 * @param destructionId - is read whatever its age.
 */
export async function readRoomHistory(
  database: Database,
  sdkAppId: number,
  roomId: string,
  most: { destructions: number; attempts: number },
  destructionId?: string,
): Promise<RoomHistory> {
  const rows = await database.query<DestructionRow>('explain-destructions', destructionsSql, [
    sdkAppId,
    roomId,
    most.destructions,
    destructionId ?? null,
  ]);
  const attempts = await database.query<AttemptRow>('explain-attempts', attemptsSql, [
    rows.map((row) => row.id),
    most.attempts,
  ]);
  return {
    destructions: rows.map((row) => {
      const own = attempts.filter((attempt) => attempt.destruction_id === row.id);
      return readDestruction(row, own);
    }),
    total: rows[0]?.total ?? 0,
    events: await readRoomEvents(database, sdkAppId, roomId, most.destructions),
  };
}

/** $1 SDKAppID, $2 destruction id. */
const roomSql = `select room_id from room_reaper.destructions where sdk_app_id = $1 and id = $2`;

/** The room of a destruction; undefined: no worker has taken up such a one. */
export async function roomOf(
  database: Database,
  sdkAppId: number,
  destructionId: string,
): Promise<string | undefined> {
  const parameters = [sdkAppId, destructionId];
  return (await readColumn<string>(database, 'explain-room', roomSql, parameters))[0];
}

function readDestruction(row: DestructionRow, attempts: readonly AttemptRow[]): KnownDestruction {
  return {
    id: row.id,
    requestedAtMs: row.requested_at,
    notAfterMs: row.not_after,
    batch:
      row.batch_id === null ? undefined : { id: row.batch_id, name: row.batch_name ?? undefined },
    outcome: row.outcome ?? undefined,
    errorCode: row.error_code ?? undefined,
    errorInfo: row.error_info ?? undefined,
    requestId: row.request_id ?? undefined,
    finishedAtMs: row.finished_at ?? undefined,
    statistics: readStatistics(row),
    statisticsSource: row.statistics_source ?? undefined,
    snapshotAtMs: row.snapshot_at ?? undefined,
    attempts: attempts.map((attempt) => ({
      attempt: attempt.attempt,
      slotAtMs: attempt.slot_at,
      worker: attempt.worker ?? undefined,
      sentAtMs: attempt.sent_at ?? undefined,
      endedAtMs: attempt.ended_at ?? undefined,
      httpStatus: attempt.http_status ?? undefined,
      errorCode: attempt.error_code ?? undefined,
      verdict: attempt.verdict ?? undefined,
      reason: attempt.reason ?? undefined,
      mayHaveActed: attempt.may_have_acted,
      requestId: attempt.request_id ?? undefined,
      rawAnswer: attempt.raw_answer ?? undefined,
    })),
    attemptCount: attempts[0]?.total ?? 0,
  };
}
