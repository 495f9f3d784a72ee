/** Batches: destructions asked for together. */
import { readColumn, type Database } from './database.js';
import {
  countsOf,
  outcomes,
  type OutcomeCounts,
  type Precautions,
  type SourceCounts,
} from '../destruction.js';
import {
  otherPrecautions,
  precautionsOf,
  readPrecautions,
  type PrecautionsRow,
} from './precautions.js';
import { readBatchRates, type BatchRates } from './requests-lately.js';
import { rescuedOf, sourcesOf, type RescuedRow } from './room-events.js';
import { instant } from './sent.js';

export interface Batch {
  id: string;
  name: string;
  total: number;
  createdAtMs: number;
  /** False where an unfinished batch of the same list is continued. */
  isNew: boolean;
  /** Of each of its rooms. */
  precautions: Precautions;
}

export interface NewBatch {
  id: string;
  sdkAppId: number;
  /** The name that it was given. */
  name: string | undefined;
  /** The name that it gets where it was given none. */
  madeUpName: string;
  /** SHA-256 of the list of rooms. */
  fingerprint: string;
  /** Rooms in it, each once. */
  total: number;
  /** Who asked. */
  by: string;
  note: string | undefined;
  /** The name of the token that asked over HTTP, if that is how it was asked. */
  token?: string | undefined;
  /** Of each of its rooms; default: none, or those of the batch that is continued. */
  precautions?: Precautions;
  /** Of a list that is put on the queue by a server, later: what it needs for that. */
  list?: { partsId: string; lane: string; notBeforeMs: number | undefined };
}

/**
 * The same list under the same name (or under none), by the same token (or by none), while its batch
 * is unfinished, is the same batch: somebody runs an interrupted command again. Once it has finished, or was
 * cancelled, it is a new request.
 *
 * $1 id, $2 SDKAppID, $3 name, $4 fingerprint, $5 total, $6 made-up name, $7 who, $8 note, $9 token;
 * $10 id of the parts of its list, $11 lane, $12 when it is due (ms), or null: a list that is put on
 * the queue later is written down with the batch, unless one is already; $13 whether it wants
 * snapshots, $14 when its rooms were created at the latest (ms), or null: one that is continued has
 * its own, and where these are others it does not agree, and nothing is written.
 * Run again with the same id, it finds what it made. Locks nothing: two people who start the same list
 * at the same instant make two batches, and the queue joins their rooms.
 */
const openSql = `
with known as (
  select id, name, total, created_at, snapshot, only_created_before, (snapshot or not $13::bool)
         and ($14::float8 is null or only_created_before is not distinct from to_timestamp($14 / 1000)) as agrees
    from room_reaper.batches
   where sdk_app_id = $2 and (id = $1
      or fingerprint = $4 and finished_at is null and cancelled_at is null and token is not distinct from $9
     and (name = $3 and not made_up_name or $3::text is null and (made_up_name or name is null)))
   order by id = $1 desc, created_at desc limit 1
), made as (
  insert into room_reaper.batches
    (id, sdk_app_id, name, made_up_name, fingerprint, total, asked_by, note, token, snapshot, only_created_before)
  select $1, $2, coalesce($3, $6), $3 is null, $4, $5, $7, $8, $9, $13, to_timestamp($14 / 1000)
   where not exists (select from known)
  returning id, name, total, created_at, snapshot, only_created_before
), listed as (
  insert into room_reaper.lists (batch_id, sdk_app_id, parts_id, lane, not_before, begun_to)
  select b.id, $2, $10, $11, to_timestamp($12::float8 / 1000), b.begun_to
    from (select id, ${2 ** 31 - 1} as begun_to from known where agrees union all select id, 0 from made) b
   where $10::text is not null
  on conflict (batch_id) do nothing
)
select id, name, total, extract(epoch from created_at)::float8 * 1000 as created_at, id = $1 as is_new, agrees,
       ${precautionsOf('known')} from known
union all
select id, name, total, extract(epoch from created_at)::float8 * 1000, true, true,
       ${precautionsOf('made')} from made`;

type OpenedRow = Pick<ProgressRow, 'id' | 'name' | 'total' | 'created_at'> &
  PrecautionsRow & { is_new: boolean; agrees: boolean };

/** @throws ReaperError `CONFLICT` where it would go on with a batch that has other precautions. */
export async function openBatch(database: Database, batch: NewBatch): Promise<Batch> {
  await finishBatches(database, batch.sdkAppId);
  const [row] = await database.query<OpenedRow>('batch-open', openSql, [
    batch.id,
    batch.sdkAppId,
    batch.name ?? null,
    batch.fingerprint,
    batch.total,
    batch.madeUpName,
    batch.by,
    batch.note ?? null,
    batch.token ?? null,
    batch.list?.partsId ?? null,
    batch.list?.lane ?? null,
    batch.list?.notBeforeMs ?? null,
    batch.precautions?.snapshot === true,
    batch.precautions?.onlyCreatedBeforeMs ?? null,
  ]);
  if (row === undefined) throw new Error('the batch was neither found nor made');
  if (!row.agrees) throw otherPrecautions(row.id, readPrecautions(row));
  return {
    id: row.id,
    // Batches of the first versions may have none.
    name: row.name ?? row.id,
    total: row.total,
    createdAtMs: Math.floor(row.created_at),
    isNew: row.is_new,
    precautions: readPrecautions(row),
  };
}

/** $1 batch id, $2 the priority of its last room, or null. Continued, a batch may end further back. */
const enqueuedSql = `
update room_reaper.batches
   set enqueued_at = coalesce(enqueued_at, clock_timestamp()),
       last_priority = greatest(last_priority, $2::int)
 where id = $1`;

/**
 * All rooms of the batch are on the queue.
 *
 * @param lastPriority - the BullMQ priority of the last of them.
 */
export async function markEnqueued(
  database: Database,
  batchId: string,
  lastPriority?: number,
): Promise<void> {
  await database.query('batch-enqueued', enqueuedSql, [batchId, lastPriority ?? null]);
}

/** $1 batch id. */
const cancelledBySql = `
select coalesce(cancelled_by, '') as by from room_reaper.batches where id = $1 and cancelled_at is not null`;

/** Who cancelled the batch; undefined where nobody did. */
export async function cancelledBy(
  database: Database,
  batchId: string,
): Promise<string | undefined> {
  return (await readColumn<string>(database, 'batch-cancelled-by', cancelledBySql, [batchId]))[0];
}

/** $1 batch id. */
const forgetSql = `
delete from room_reaper.batches where id = $1 and enqueued_at is null`;

/** A batch that was opened a moment ago and whose first room was refused: nothing was asked for. */
export async function forgetBatch(database: Database, batchId: string): Promise<void> {
  await database.query('batch-forget', forgetSql, [batchId]);
}

/** $1 batch id, $2 destruction ids, $3 room ids. */
const joinSql = `
insert into room_reaper.batch_joins (batch_id, destruction_id, room_id)
select $1, * from unnest($2::text[], $3::text[])
on conflict do nothing`;

/** These rooms of the batch were pending already, under destructions of others: their outcome counts. */
export async function joinDestructions(
  database: Database,
  batchId: string,
  joined: readonly { destructionId: string; roomId: string }[],
): Promise<void> {
  await database.query('batch-join', joinSql, [
    batchId,
    joined.map((each) => each.destructionId),
    joined.map((each) => each.roomId),
  ]);
}

/** $1 destruction ids. */
const finishedSql = `
select id from room_reaper.destructions where id = any ($1::text[]) and outcome is not null`;

/** $1 batch id, $2 room ids. */
const joinedFinishedSql = `
select j.room_id from room_reaper.batch_joins j join room_reaper.destructions d on d.id = j.destruction_id
 where j.batch_id = $1 and j.room_id = any ($2::text[]) and d.outcome is not null`;

/** Which of these rooms the batch had joined to destructions that have ended. */
export async function joinedAndFinished(
  database: Database,
  batchId: string,
  roomIds: readonly string[],
): Promise<Set<string>> {
  return new Set(
    await readColumn(database, 'joined-finished', joinedFinishedSql, [batchId, roomIds]),
  );
}

export async function finishedAmong(
  database: Database,
  ids: readonly string[],
): Promise<Set<string>> {
  return new Set(await readColumn(database, 'finished-among', finishedSql, [ids]));
}

const sumOfCounters = outcomes.map((outcome) => `b.${outcome}`).join(' + ');

/**
 * $1 SDKAppID. Batches whose last room has ended without that being noted. The counters of a batch
 * are exact at any instant. Rooms that it joined are looked up one by one, so only where they can
 * be what is missing; one of them may have been lost with its queue, and have been made anew under
 * the batch itself.
 */
const hasEnded = `
b.sdk_app_id = $1 and b.finished_at is null and b.enqueued_at is not null
   and case when b.total <= ${sumOfCounters} + (
         select count(*) from room_reaper.batch_joins j where j.batch_id = b.id)
       then b.total <= ${sumOfCounters} + (
         select count(distinct j.room_id) from room_reaper.batch_joins j join room_reaper.destructions d on d.id = j.destruction_id
          where j.batch_id = b.id and d.outcome is not null
            and not exists (select from room_reaper.destructions o
              where o.batch_id = b.id and o.room_id collate "C" = j.room_id collate "C" and o.outcome is not null)) end`;

const finishSql = `update room_reaper.batches b set finished_at = clock_timestamp() where ${hasEnded}`;

/** Notes when batches ended. */
export async function finishBatches(database: Database, sdkAppId: number): Promise<void> {
  await database.query('batch-finish', finishSql, [sdkAppId]);
}

/** $1 SDKAppID. With when the last of their rooms ended. */
const endedSql = `
select b.id, extract(epoch from greatest(b.enqueued_at,
         (select max(d.finished_at) from room_reaper.destructions d where d.batch_id = b.id),
         (select max(d.finished_at) from room_reaper.batch_joins j join room_reaper.destructions d on d.id = j.destruction_id
           where j.batch_id = b.id)))::float8 * 1000 as ended_at
  from room_reaper.batches b where ${hasEnded}`;

/** When batches ended that nobody noted yet, in milliseconds since the epoch, by their ids. */
export async function readEnded(
  database: Database,
  sdkAppId: number,
): Promise<Map<string, number>> {
  const rows = await database.query<{ id: string; ended_at: number }>('batch-ended', endedSql, [
    sdkAppId,
  ]);
  return new Map(rows.map((row) => [row.id, row.ended_at]));
}

/** $1 SDKAppID. By an index that has no others. */
const unfinishedSql = `
select count(*)::int as batches from room_reaper.batches where sdk_app_id = $1 and finished_at is null`;

/** How many batches have rooms that have not ended, as far as that was noted. */
export async function countUnfinished(database: Database, sdkAppId: number): Promise<number> {
  return (
    (await readColumn<number>(database, 'batch-unfinished', unfinishedSql, [sdkAppId]))[0] ?? 0
  );
}

export interface BatchProgress extends OutcomeCounts {
  id: string;
  name: string | undefined;
  total: number;
  createdAtMs: number;
  /** When all of its rooms were on the queue. */
  enqueuedAtMs: number | undefined;
  finishedAtMs: number | undefined;
  /** Who asked. */
  by: string | undefined;
  note: string | undefined;
  /** The name of the token that asked over HTTP. */
  token: string | undefined;
  /** Of a replay: the batch that its rooms came from, where it is one, and what chose them. */
  parentId: string | undefined;
  origin: string | undefined;
  cancelledAtMs: number | undefined;
  cancelledBy: string | undefined;
  statisticsFrom: SourceCounts;
  /** Rooms of it that ended per second, over the last seconds. */
  ratePerSecond: number;
  /** Of each of its rooms. */
  precautions: Precautions;
}

/**
 * $1 SDKAppID, $3 most rows; each of the others may be null: $2 id or name, $4 part of the name, or
 * beginning of the id, $5 who asked, $6 asked for since then (epoch ms), $7 whether only those that
 * have not ended, $8 when (epoch µs) and $9 which was the last that is known: those behind it; $10
 * the token that asked, $11 the batch that it replays.
 * Newest first. What costs a look at each batch is done for the rows of the page alone.
 */
const progressSql = `
with page as (
  select b.* from room_reaper.batches b
   where b.sdk_app_id = $1 and ($2::text is null or b.id = $2 or b.name = $2)
     and ($4::text is null or position(lower($4) in lower(b.name)) > 0 or starts_with(b.id, lower($4)))
     and ($5::text is null or b.asked_by = $5)
     and ($10::text is null or b.token = $10) and ($11::text is null or b.parent_id = $11)
     and ($6::float8 is null or b.created_at >= to_timestamp($6 / 1000))
     and ($7::bool is not true or b.finished_at is null and (${hasEnded}) is not true)
     and ($8::float8 is null or (b.created_at, b.id) < (${instant('$8')}, $9::text))
   order by b.created_at desc, b.id desc limit $3
)
select b.id, b.name, b.total, extract(epoch from b.created_at)::float8 * 1000 as created_at,
       extract(epoch from b.enqueued_at)::float8 * 1000 as enqueued_at,
       extract(epoch from b.finished_at)::float8 * 1000 as finished_at,
       b.asked_by, b.note, b.token, b.parent_id, b.origin,
       extract(epoch from b.cancelled_at)::float8 * 1000 as cancelled_at, b.cancelled_by,
       ${precautionsOf('b')}, r.*,
       ${outcomes.map((outcome) => `b.${outcome} + coalesce(j.${outcome}, 0)::int as ${outcome}`).join(', ')}
  from page b
  left join lateral (
    select ${outcomes.map((outcome) => `count(*) filter (where d.outcome = '${outcome}') as ${outcome}`).join(', ')}
      from room_reaper.batch_joins x join room_reaper.destructions d on d.id = x.destruction_id
     where x.batch_id = b.id
  ) j on true
  left join lateral (${rescuedOf('b.id')}) r on true
 order by b.created_at desc, b.id desc`;

type ProgressRow = RescuedRow &
  PrecautionsRow &
  Record<
    'name' | 'asked_by' | 'note' | 'token' | 'parent_id' | 'origin' | 'cancelled_by',
    string | null
  > &
  Record<'enqueued_at' | 'finished_at' | 'cancelled_at', number | null> &
  Record<'total' | 'created_at', number> & { id: string };

/** Which batches; all of them where nothing is said. */
export interface BatchFilter {
  idOrName?: string;
  /** Part of the name, in whatever case, or the beginning of the id. */
  like?: string | undefined;
  by?: string | undefined;
  /** Name of the token that asked over HTTP. */
  token?: string | undefined;
  /** Id of the batch that it replays. */
  parentId?: string | undefined;
  /** Asked for then or later, in milliseconds since the epoch. */
  createdFromMs?: number | undefined;
  /** Only those that have not ended. */
  unfinished?: boolean | undefined;
  /** Only those behind this one, in the order in which they are read. */
  after?: { createdAtUs: number; id: string } | undefined;
  limit: number;
}

/** @param readRates - how fast they move: asked where one has not ended. */
export async function readBatches(
  database: Database,
  sdkAppId: number,
  options: BatchFilter,
  readRates: () => Promise<BatchRates> = () => readBatchRates(database),
): Promise<BatchProgress[]> {
  const rows = await database.query<ProgressRow>('batch-progress', progressSql, [
    sdkAppId,
    options.idOrName ?? null,
    options.limit,
    options.like ?? null,
    options.by ?? null,
    options.createdFromMs ?? null,
    options.unfinished ?? null,
    options.after?.createdAtUs ?? null,
    options.after?.id ?? null,
    options.token ?? null,
    options.parentId ?? null,
  ]);
  const areMoving = rows.some((row) => row.finished_at === null);
  const rates: BatchRates = areMoving ? await readRates() : new Map();
  return rows.map((row) => ({
    ...countsOf(row),
    id: row.id,
    name: row.name ?? undefined,
    total: row.total,
    createdAtMs: row.created_at,
    enqueuedAtMs: row.enqueued_at ?? undefined,
    finishedAtMs: row.finished_at ?? undefined,
    by: row.asked_by ?? undefined,
    note: row.note ?? undefined,
    token: row.token ?? undefined,
    parentId: row.parent_id ?? undefined,
    origin: row.origin ?? undefined,
    cancelledAtMs: row.cancelled_at ?? undefined,
    cancelledBy: row.cancelled_by ?? undefined,
    statisticsFrom: sourcesOf(row),
    ratePerSecond: rates.get(row.id) ?? 0,
    precautions: readPrecautions(row),
  }));
}
