/** Lists that were asked for over HTTP, kept until all their rooms are on the queue. */
import type { Precautions } from '../destruction.js';
import { readColumn, type Database } from './database.js';
import { precautionsOf, readPrecautions, type PrecautionsRow } from './precautions.js';

/** $1 parts id, $2 position, $3 room ids. */
const writeSql = `
insert into room_reaper.list_parts (parts_id, position, room_ids) values ($1, $2, $3)
on conflict do nothing`;

export async function writePart(
  database: Database,
  partsId: string,
  position: number,
  roomIds: readonly string[],
): Promise<void> {
  await database.query('list-write', writeSql, [partsId, position, roomIds]);
}

/** $1 parts id, $2 after this position, $3 up to that. */
const partSql = `
select position, room_ids from room_reaper.list_parts where parts_id = $1 and position > $2 and position <= $3
 order by position limit 1`;

export async function readPart(
  database: Database,
  partsId: string,
  { after, upTo }: { after: number; upTo: number },
): Promise<{ position: number; roomIds: string[] } | undefined> {
  const [row] = await database.query<{ position: number; room_ids: string[] }>(
    'list-part',
    partSql,
    [partsId, after, upTo],
  );
  return row && { position: row.position, roomIds: row.room_ids };
}

/** $1 parts id, $2 after this position. */
const countSql = `
select coalesce(sum(cardinality(room_ids)), 0)::float8 as rooms
  from room_reaper.list_parts where parts_id = $1 and position > $2`;

/** How many rooms the parts behind a position have. */
export async function roomsBehind(
  database: Database,
  partsId: string,
  after: number,
): Promise<number> {
  return (await readColumn<number>(database, 'list-behind', countSql, [partsId, after]))[0] ?? 0;
}

/** $1 parts id, $2 up to this position. */
const dropSql = `delete from room_reaper.list_parts where parts_id = $1 and position <= $2`;

/** @param upTo - default: all of them. */
export async function dropParts(
  database: Database,
  partsId: string,
  upTo = 2 ** 31 - 1,
): Promise<void> {
  await database.query('list-drop', dropSql, [partsId, upTo]);
}

export interface WaitingList {
  batchId: string;
  /** Empty: it is a replay, whose rooms are known already. */
  partsId: string;
  lane: 'urgent' | 'normal' | 'bulk';
  notBeforeMs: number | undefined;
  /** Rooms of parts up to this one may be on the queue already; those behind it are not. */
  begunTo: number;
  /** Of the whole batch. */
  total: number;
  batchCreatedAtMs: number;
  precautions: Precautions;
}

/** How long a claim counts unless it is renewed, in seconds. */
export const claimSeconds = 15;

const claimUntil = `clock_timestamp() + ${claimSeconds} * interval '1 second'`;

/** $1 SDKAppID. The oldest that nobody has claimed; another server takes another. */
const claimSql = `
with next as (
  select batch_id from room_reaper.lists
   where sdk_app_id = $1 and due_at <= clock_timestamp()
     and (claimed_until is null or claimed_until < clock_timestamp())
   order by batch_id limit 1 for update skip locked
), claimed as (
  update room_reaper.lists l set claimed_until = ${claimUntil} from next where l.batch_id = next.batch_id
  returning l.batch_id, l.parts_id, l.lane, l.not_before, l.begun_to
)
select c.batch_id, c.parts_id, c.lane, c.begun_to, b.total,
       extract(epoch from c.not_before)::float8 * 1000 as not_before,
       extract(epoch from b.created_at)::float8 * 1000 as created_at,
       ${precautionsOf('b')}
  from claimed c join room_reaper.batches b on b.id = c.batch_id`;

export async function claimList(
  database: Database,
  sdkAppId: number,
): Promise<WaitingList | undefined> {
  const [row] = await database.query<
    PrecautionsRow & {
      batch_id: string;
      parts_id: string;
      lane: WaitingList['lane'];
      begun_to: number;
      total: number;
      not_before: number | null;
      created_at: number;
    }
  >('list-claim', claimSql, [sdkAppId]);
  return (
    row && {
      ...{ batchId: row.batch_id, partsId: row.parts_id, lane: row.lane, begunTo: row.begun_to },
      total: row.total,
      notBeforeMs: row.not_before ?? undefined,
      batchCreatedAtMs: Math.floor(row.created_at),
      precautions: readPrecautions(row),
    }
  );
}

/** $1 batch id. */
const renewSql = `update room_reaper.lists set claimed_until = ${claimUntil} where batch_id = $1`;

export async function renewClaim(database: Database, batchId: string): Promise<void> {
  await database.query('list-renew', renewSql, [batchId]);
}

/** $1 batch id, $2 position. */
const begunSql = `update room_reaper.lists set begun_to = greatest(begun_to, $2) where batch_id = $1`;

/** From now on rooms of parts up to this one may be on the queue. */
export async function markBegun(
  database: Database,
  batchId: string,
  position: number,
): Promise<void> {
  await database.query('list-begun', begunSql, [batchId, position]);
}

/** $1 batch id, $2 seconds. */
const putOffSql = `
update room_reaper.lists
   set claimed_until = null, due_at = clock_timestamp() + $2::float8 * interval '1 second'
 where batch_id = $1`;

/** It is not claimed any more; in so many seconds it is gone on with. */
export async function putOff(database: Database, batchId: string, seconds: number): Promise<void> {
  await database.query('list-put-off', putOffSql, [batchId, seconds]);
}

/**
 * $1 batch id, $2 the priority of its last room, or null: it was cancelled. What is done with its
 * rooms, and that the batch has them all on the queue, becomes true at once.
 */
const doneSql = `
with done as (delete from room_reaper.lists where batch_id = $1 returning parts_id),
     parts as (delete from room_reaper.list_parts where parts_id in (select parts_id from done))
update room_reaper.batches
   set enqueued_at = coalesce(enqueued_at, clock_timestamp()), last_priority = greatest(last_priority, $2::int)
 where id = $1 and $2::int is not null`;

export async function endList(
  database: Database,
  batchId: string,
  lastPriority: number | undefined,
): Promise<void> {
  await database.query('list-end', doneSql, [batchId, lastPriority ?? null]);
}

/** $1 batch id. */
const partsSql = `select parts_id from room_reaper.lists where batch_id = $1`;

/** Under which id the parts of a batch are; undefined: all of its rooms are on the queue. */
export async function partsOfBatch(
  database: Database,
  batchId: string,
): Promise<string | undefined> {
  return (await readColumn<string>(database, 'list-parts-id', partsSql, [batchId]))[0];
}

/** $1 SDKAppID. */
const roomsSql = `
select coalesce(sum(b.total), 0)::float8 as rooms
  from room_reaper.lists l join room_reaper.batches b on b.id = l.batch_id where l.sdk_app_id = $1`;

/** How many rooms, at most, are still to be put on the queue. */
export async function roomsInLists(database: Database, sdkAppId: number): Promise<number> {
  return (await readColumn<number>(database, 'list-rooms', roomsSql, [sdkAppId]))[0] ?? 0;
}

/** No parameters. */
const orphansSql = `
delete from room_reaper.list_parts p
 where p.written_at < clock_timestamp() - interval '1 day'
   and not exists (select from room_reaper.lists l where l.parts_id = p.parts_id)`;

/** Parts of lists whose request was broken off, by a crash of the server for one. */
export async function dropOrphans(database: Database): Promise<void> {
  await database.query('list-orphans', orphansSql, []);
}
