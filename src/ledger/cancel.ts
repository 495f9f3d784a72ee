/**
 * Cancelling: facts of the ledger that the reserve statement honours.
 *
 * A batch or a single destruction is marked first. From that commit on no worker is granted
 * a slot for it, whatever is on the queue. Taking the jobs off the queue and recording their
 * outcomes comes after, at its own pace, and may be begun again after a crash: a row is made
 * for each destruction before its job is removed, so none can get lost between the two.
 */
import { readColumn, type Database } from './database.js';
import type { Destruction, Outcome } from '../destruction.js';

/**
 * SQL: whether the destruction `id` of the batch `batchId` is cancelled. A room that a batch
 * which is not cancelled waits for too is not.
 */
export function isCancelled(id: string, batchId: string): string {
  return `(exists (select from room_reaper.cancelled_destructions c where c.destruction_id = ${id})
    or exists (select from room_reaper.batches b where b.id = ${batchId} and b.cancelled_at is not null)
      and not exists (select from room_reaper.batch_joins j join room_reaper.batches b on b.id = j.batch_id
        where j.destruction_id = ${id} and b.cancelled_at is null))`;
}

/**
 * SQL: whether the attempt `t` was sent, as far as can be known. Where a worker died between
 * reserving and recording, it may have been.
 */
export function wasSent(t: string): string {
  return `(${t}.ended_at is null or ${t}.sent_at is not null)`;
}

/** How a cancelled destruction ends: `cancelled` is said of rooms that were never sent, and of no other. */
export function cancelledEnd(sentBefore: boolean): { outcome: Outcome; reason: string } {
  return sentBefore
    ? { outcome: 'failed', reason: 'cancelled while it waited to be sent again' }
    : { outcome: 'cancelled', reason: 'cancelled before it was sent' };
}

/** $1 batch ids, $2 who. A batch that has ended stays as it is. */
const markBatchesSql = `
update room_reaper.batches set cancelled_at = clock_timestamp(), cancelled_by = $2
 where id = any ($1::text[]) and finished_at is null and cancelled_at is null`;

export async function markBatchesCancelled(
  database: Database,
  batchIds: readonly string[],
  by: string,
): Promise<void> {
  await database.query('cancel-batches', markBatchesSql, [batchIds, by]);
}

/** $1 destruction ids, $2 who. */
const markSql = `
insert into room_reaper.cancelled_destructions (destruction_id, cancelled_by)
select *, $2 from unnest($1::text[])
on conflict do nothing`;

export async function markDestructionsCancelled(
  database: Database,
  ids: readonly string[],
  by: string,
): Promise<void> {
  await database.query('cancel-destructions', markSql, [ids, by]);
}

/** $1 SDKAppID. */
const unfinishedSql = `
select id from room_reaper.batches where sdk_app_id = $1 and finished_at is null`;

export function unfinishedBatches(database: Database, sdkAppId: number): Promise<string[]> {
  return readColumn(database, 'cancel-unfinished', unfinishedSql, [sdkAppId]);
}

/** $1 destruction ids, $2 their batch ids. */
const cancelledAmongSql = `
select a.id from unnest($1::text[], $2::text[]) as a (id, batch_id)
 where ${isCancelled('a.id', 'a.batch_id')}`;

export async function cancelledAmong(
  database: Database,
  destructions: readonly Pick<Destruction, 'id' | 'batchId'>[],
): Promise<Set<string>> {
  const ids = destructions.map((each) => each.id);
  const batchIds = destructions.map((each) => each.batchId ?? null);
  return new Set(await readColumn(database, 'cancelled-among', cancelledAmongSql, [ids, batchIds]));
}

/** $1 destruction ids. */
const sentAmongSql = `
select distinct t.destruction_id from room_reaper.attempts t
 where t.destruction_id = any ($1::text[]) and ${wasSent('t')}`;

/** For which of these destructions a request was, or may have been, sent. */
export async function sentAmong(database: Database, ids: readonly string[]): Promise<Set<string>> {
  return new Set(await readColumn(database, 'sent-among', sentAmongSql, [ids]));
}

/**
 * $1 SDKAppID, $2 batch ids, $3 destruction ids, $4 whether all that were cancelled singly are
 * meant too, $5 the last id seen, $6 most rows. In the order of their ids.
 */
const openSql = `
select d.id, d.room_id, d.batch_id, extract(epoch from d.requested_at)::float8 * 1000 as requested_at,
       extract(epoch from d.not_after)::float8 * 1000 as not_after
  from room_reaper.destructions d
 where d.id in (select id from room_reaper.destructions where batch_id = any ($2::text[]) and outcome is null
     union all select unnest($3::text[])
     union all select destruction_id from room_reaper.cancelled_destructions where $4)
   and d.sdk_app_id = $1 and d.outcome is null and d.id > $5
 order by d.id limit $6`;

/** Which destructions of an app are meant. */
export interface Cancelled {
  sdkAppId: number;
  batchIds: readonly string[];
  ids: readonly string[];
  /** All that were cancelled singly too. */
  allSingle: boolean;
}

/** Those of them that the ledger knows and that have not ended. */
export async function openDestructions(
  database: Database,
  of: Cancelled,
  after: string,
  limit: number,
): Promise<Destruction[]> {
  const rows = await database.query<{
    id: string;
    room_id: string;
    batch_id: string | null;
    requested_at: number;
    not_after: number;
  }>('cancel-open', openSql, [of.sdkAppId, of.batchIds, of.ids, of.allSingle, after, limit]);
  return rows.map((row) => ({
    id: row.id,
    roomId: row.room_id,
    batchId: row.batch_id ?? undefined,
    requestedAtMs: row.requested_at,
    notAfterMs: row.not_after,
  }));
}

/** $1 SDKAppID, $2 room ids. */
const openOfRoomsSql = `
select id from room_reaper.destructions
 where sdk_app_id = $1 and room_id = any ($2::text[]) and outcome is null`;

/** Destructions of these rooms that a worker has taken up and that have not ended. */
export function openOfRooms(
  database: Database,
  sdkAppId: number,
  roomIds: readonly string[],
): Promise<string[]> {
  return readColumn(database, 'cancel-open-rooms', openOfRoomsSql, [sdkAppId, roomIds]);
}

/** $1 destruction ids. */
const outcomesSql = `
select id, room_id, outcome from room_reaper.destructions where id = any ($1::text[])`;

/** How these destructions ended; those that have not are there without an outcome. */
export async function outcomesOf(
  database: Database,
  ids: readonly string[],
): Promise<{ id: string; roomId: string; outcome: Outcome | undefined }[]> {
  const rows = await database.query<{ id: string; room_id: string; outcome: Outcome | null }>(
    'cancel-outcomes',
    outcomesSql,
    [ids],
  );
  return rows.map((row) => ({
    id: row.id,
    roomId: row.room_id,
    outcome: row.outcome ?? undefined,
  }));
}

/**
 * $1 batch ids. A cancelled batch none of whose rooms is open has ended, also where it was
 * interrupted before all of its rooms were on the queue.
 */
const finishSql = `
update room_reaper.batches b set finished_at = clock_timestamp()
 where b.id = any ($1::text[]) and b.cancelled_at is not null and b.finished_at is null
   and not exists (select from room_reaper.destructions d where d.batch_id = b.id and d.outcome is null)
   and not exists (select from room_reaper.batch_joins j join room_reaper.destructions d on d.id = j.destruction_id
     where j.batch_id = b.id and d.outcome is null)`;

/** Notes that these cancelled batches have ended. Call it when nothing of them is on the queue. */
export async function finishCancelled(
  database: Database,
  batchIds: readonly string[],
): Promise<void> {
  await database.query('cancel-finish', finishSql, [batchIds]);
}
