/**
 * Destructions that are begun anew: their job was retried from BullMQ's failed set
 * (src/worker/came-back.ts).
 */
import { readColumn, type Database } from './database.js';
import { firstAskedFor } from './precautions.js';

/**
 * $1 destruction id. Takes an outcome back: the row is open again and its attempts are kept,
 * the counter of its batch follows, and the batches that wait for it have not ended. A room that
 * was created after it was first asked for is another one from now on.
 *
 * Nothing happens, and nothing is returned, where it is open, where the room is gone, where
 * it was cancelled, or where it was begun anew before and its job has not been in the failed
 * set since: then this is the same run once more, after a crash.
 * Locks the destruction, then its batches, as the record statement does.
 */
const reopenSql = `
with before as materialized (
  select d.id, d.batch_id, d.outcome, ${firstAskedFor('d')} as guard from room_reaper.destructions d
   where d.id = $1 and d.outcome in ('rejected', 'failed', 'expired') and d.reopened_at is null
     for update
),
opened as (
  update room_reaper.destructions d
     set outcome = null, error_code = null, error_info = null, request_id = null, finished_at = null,
         reopened = d.reopened + 1, reopened_at = clock_timestamp(), only_created_before = b.guard
    from before b where d.id = b.id
),
waiting as (
  select batch_id from before where batch_id is not null
  union
  select j.batch_id from room_reaper.batch_joins j join before b on b.id = j.destruction_id
),
batch_locks as materialized (
  select id from room_reaper.batches where id in (select batch_id from waiting) order by id for update
),
counted as (
  update room_reaper.batches b
     set finished_at = null,
         rejected = b.rejected - case when b.id = f.batch_id and f.outcome = 'rejected' then 1 else 0 end,
         failed = b.failed - case when b.id = f.batch_id and f.outcome = 'failed' then 1 else 0 end,
         expired = b.expired - case when b.id = f.batch_id and f.outcome = 'expired' then 1 else 0 end
    from batch_locks k, before f where b.id = k.id
)
select extract(epoch from guard)::float8 * 1000 as guard from before`;

/**
 * @returns where it is open again: since when another room may have its RoomId, in milliseconds since
 *   the epoch.
 */
export async function reopenDestruction(
  database: Database,
  id: string,
): Promise<number | undefined> {
  const [guardMs] = await readColumn<number>(database, 'reopen', reopenSql, [id]);
  return guardMs === undefined ? undefined : Math.floor(guardMs);
}

/** $1 destruction ids, $2 when each was put there (epoch ms, on the database's clock). */
const inFailedSetSql = `
update room_reaper.destructions d set reopened_at = null
  from unnest($1::text[], $2::float8[]) as f (id, at)
 where d.id = f.id and d.reopened_at is not null and d.reopened_at < to_timestamp(f.at / 1000)`;

/** The jobs of these destructions are in BullMQ's failed set: who retries them from there begins anew. */
export async function noteInFailedSet(
  database: Database,
  jobs: readonly { id: string; atMs: number }[],
): Promise<void> {
  await database.query('in-failed-set', inFailedSetSql, [
    jobs.map((job) => job.id),
    jobs.map((job) => job.atMs),
  ]);
}
