/** Batches that have ended, written straight into a ledger: what a long life leaves in it. */
import type { Database } from '../../src/ledger/database.js';

export interface EndedBatch {
  sdkAppId: number;
  /** Its name too, and what its RoomIds begin with. */
  batchId: string;
  rooms: number;
  /** When the first of its rooms was sent; the others follow 5.1 ms apart. */
  secondsAgo: number;
}

/**
 * $1 batch id, $2 rooms, $3 SDKAppID, $4 prefix of the RoomIds, $5 how long ago the first was
 * sent, in seconds. Ids are random, as far as an
 * index can tell: no order of theirs makes a lookup cheap.
 */
const fillSql = `
with made as materialized (
  select md5($1 || n)::uuid::text as id, $4 || n as room_id, n from generate_series(1, $2::int) n
),
rooms as (
  insert into room_reaper.destructions (id, sdk_app_id, room_id, batch_id, requested_at, not_after,
    outcome, error_code, attempts, finished_at, total_viewers, total_gifts_sent, total_gift_coins,
    total_unique_gift_senders, total_likes_received, statistics_source)
  select id, $3::bigint, room_id, $1, now() - interval '1 hour', now() + interval '1 day',
         'destroyed', 0, 1, now(), 1, 2, 3, 4, 5, 'response' from made
)
insert into room_reaper.attempts (destruction_id, attempt, worker_id, slot_at, sent_at, ended_at,
  http_status, error_code, verdict, reason, may_have_acted, request_id, line)
select id, 1, 'bench', sent, sent, sent + interval '50 ms', 200, 0, 'destroyed', 'ok', false, 'Id-' || n,
       (select min(number) from room_reaper.lines where sdk_app_id = $3)
  from (select *, now() - $5 * interval '1 second' + n * interval '5.1 ms' as sent from made) m`;

/** $1 id, $2 SDKAppID, $3 rooms. */
const batchSql = `
insert into room_reaper.batches (id, sdk_app_id, name, total, enqueued_at, finished_at, destroyed)
values ($1, $2, $1, $3, now(), now(), $3)`;

export async function fillLedger(
  database: Database,
  { sdkAppId, batchId, rooms, secondsAgo }: EndedBatch,
): Promise<void> {
  await database.query('bench-batch', batchSql, [batchId, sdkAppId, rooms]);
  await database.query('bench-fill', fillSql, [
    ...[batchId, rooms, sdkAppId, `${batchId}-`],
    secondsAgo,
  ]);
}
