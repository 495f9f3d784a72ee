/**
 * Replays: rooms that are not gone, chosen from the ledger and asked for again.
 *
 * The choice is written down in one statement together with the batch that asks for it
 * (`replays`), so that what is added to the queue is exactly what was counted, a page at a
 * time, also where it is interrupted and gone on with.
 */
import { readColumn, type Database } from './database.js';
import type { Outcome } from '../destruction.js';
import type { Batch, NewBatch } from './batches.js';
import {
  firstAskedFor,
  precautionsOf,
  readPrecautions,
  type PrecautionsRow,
} from './precautions.js';

/** Outcomes after which a room may be asked for again; one that was created again is another, and asked for anew. */
export const replayable = ['failed', 'expired', 'rejected', 'cancelled'] as const;

export interface ReplayChoice {
  sdkAppId: number;
  batchId: string | undefined;
  /** null among them: rooms that have none. */
  codes: readonly (number | null)[] | undefined;
  outcomes: readonly Outcome[] | undefined;
  /** Only what ended then or later, in milliseconds since the epoch. */
  endedFromMs: number | undefined;
  /** Only what ended then or before. */
  endedToMs?: number | undefined;
  roomIds: readonly string[] | undefined;
  /** Also what the API refused for good. */
  force: boolean;
  protectedRooms: { rooms: readonly string[]; patterns: readonly string[] };
}

/** What becomes of a chosen room. */
export type ReplayFate =
  | 'replay'
  /** Another destruction of it found it gone, or destroyed it, since. */
  | 'gone'
  /** Another destruction of it is under way. */
  | 'pending'
  | 'protected'
  /** The API refused it for good: it would again. */
  | 'refused'
  /** Another room has its RoomId since: it would be left alone again. */
  | 'recreated'
  /** Somebody took it back, and cancelled rooms were not asked for. */
  | 'cancelled';

/**
 * CTE `rooms`: the rooms chosen, each once, by the newest of its destructions, with its fate.
 *
 * $1 SDKAppID, $2 batch id or null, $3 codes or null, $4 outcomes or null, $5 milliseconds
 * since the epoch or null, $6 room ids or null, $7 whether to replay what was rejected, $8 protected room ids,
 * $9 protected patterns, as of LIKE, $10 milliseconds since the epoch or null.
 */
const roomsCte = `
chosen as (
  select distinct d.room_id
    from room_reaper.destructions d
   where d.sdk_app_id = $1 and d.outcome in (${[...replayable, 'recreated'].map((outcome) => `'${outcome}'`).join(', ')})
     and ($2::text is null or d.batch_id = $2
       or d.id in (select destruction_id from room_reaper.batch_joins where batch_id = $2))
     and ($3::int[] is null or array_position($3, d.error_code) is not null)
     and ($4::text[] is null or d.outcome = any ($4))
     and ($5::float8 is null or d.finished_at >= to_timestamp($5 / 1000))
     and ($6::text[] is null or d.room_id = any ($6))
     and ($10::float8 is null or d.finished_at <= to_timestamp($10 / 1000))
),
rooms as (
  select c.room_id, n.id, n.batch_id, n.outcome, n.error_code, n.error_info, ${firstAskedFor('n')} as guard,
         case when all_of.gone then 'gone'
              when all_of.pending then 'pending'
              when c.room_id = any ($8::text[]) or c.room_id like any ($9::text[]) then 'protected'
              when n.outcome = 'recreated' then 'recreated'
              when n.outcome = 'rejected' and not $7::bool then 'refused'
              when n.outcome = 'cancelled' and not coalesce('cancelled' = any ($4), false) then 'cancelled'
              else 'replay' end as fate
    from chosen c
    cross join lateral (
      select d.* from room_reaper.destructions d
       where d.sdk_app_id = $1 and d.room_id = c.room_id and d.outcome is not null
       order by d.finished_at desc, d.id desc limit 1
    ) n
    cross join lateral (
      select bool_or(d.outcome is null) as pending,
             bool_or(d.id = n.id and d.outcome in ('destroyed', 'destroyed_statistics_lost', 'already_gone')) as gone
        from room_reaper.destructions d where d.sdk_app_id = $1 and d.room_id = c.room_id
    ) all_of
)`;

function choiceParameters(choice: ReplayChoice): unknown[] {
  return [
    choice.sdkAppId,
    choice.batchId ?? null,
    choice.codes ?? null,
    choice.outcomes ?? null,
    choice.endedFromMs ?? null,
    choice.roomIds ?? null,
    choice.force,
    choice.protectedRooms.rooms,
    choice.protectedRooms.patterns.map(likePattern),
    choice.endedToMs ?? null,
  ];
}

/** `a_*` → `a\_%`. */
function likePattern(pattern: string): string {
  return pattern.replace(/[\\%_]/g, '\\$&').replaceAll('*', '%');
}

export interface ReplayGroup {
  fate: ReplayFate;
  /** Of the newest destruction of each of these rooms. */
  outcome: Outcome;
  errorCode: number | undefined;
  errorInfo: string | undefined;
  rooms: number;
  example: string;
}

/** Parameters: those of `roomsCte`. */
const planSql = `
with ${roomsCte}
select fate, outcome, error_code, min(error_info) as error_info, count(*)::int as rooms, min(room_id) as example
  from rooms group by fate, outcome, error_code
 order by fate = 'replay' desc, rooms desc, fate, outcome, error_code`;

export async function planReplay(database: Database, choice: ReplayChoice): Promise<ReplayGroup[]> {
  type Row = Omit<ReplayGroup, 'errorCode' | 'errorInfo'> & {
    error_code: number | null;
    error_info: string | null;
  };
  const rows = await database.query<Row>('replay-plan', planSql, choiceParameters(choice));
  return rows.map(({ error_code, error_info, ...row }) => ({
    ...row,
    errorCode: error_code ?? undefined,
    errorInfo: error_info ?? undefined,
  }));
}

/** What tells this very choice from any other: how many rooms, which, and by which destructions. */
const choiceMark = `count(*) || '-' || coalesce(sum(hashtextextended(room_id || ' ' || id, 0)), 0)`;

/** Parameters: those of `roomsCte`. */
const markSql = `with ${roomsCte} select ${choiceMark} as mark from rooms where fate = 'replay'`;

/** A text that is another where other rooms would be replayed. */
export async function readChoiceMark(database: Database, choice: ReplayChoice): Promise<string> {
  const values = choiceParameters(choice);
  return (await readColumn<string>(database, 'replay-mark', markSql, values))[0] ?? '';
}

/** Parameters: those of `roomsCte`, $11 most rows. */
const protectedSql = `
with ${roomsCte}
select room_id from rooms where fate = 'protected' order by room_id limit $11`;

/** The first of the chosen rooms that are protected. */
export function protectedAmong(
  database: Database,
  choice: ReplayChoice,
  limit: number,
): Promise<string[]> {
  return readColumn(database, 'replay-protected', protectedSql, [
    ...choiceParameters(choice),
    limit,
  ]);
}

/** Not new where an interrupted replay of the same choice is gone on with. */
export interface ReplayBatch extends Batch {
  parentId: string | undefined;
}

/** Its fingerprint is the same for the same choice. */
export interface NewReplay extends Omit<NewBatch, 'sdkAppId' | 'total'> {
  /** The choice in words. */
  origin: string;
  /** Its rooms are put on the queue later, by a server, in this lane. */
  lane?: 'normal' | 'bulk';
  /** Only if the choice is still that one (`readChoiceMark`). */
  mark?: string | undefined;
}

/**
 * $1 SDKAppID, $2 fingerprint, $3 name, $4 milliseconds. Replays begun in this time whose rooms
 * were not all put on the queue, of this choice; the newest first.
 */
const interruptedSql = `
select id, name, total, parent_id, extract(epoch from created_at)::float8 * 1000 as created_at, false as is_new,
       ${precautionsOf('batches')}
  from room_reaper.batches
 where sdk_app_id = $1 and fingerprint = $2 and finished_at is null and cancelled_at is null
   and enqueued_at is null and (name = $3 and not made_up_name or $3::text is null and made_up_name)
   and created_at > clock_timestamp() - $4::float8 * interval '1 millisecond'
 order by created_at desc limit 1`;

/**
 * Parameters: those of `roomsCte`, $11 id, $12 name, $13 made-up name, $14 origin, $15
 * fingerprint, $16 who, $17 note. Run again with the same id, it finds what it made. Makes the batch with the list of its rooms; nothing where
 * none is to be replayed. The parent is the batch that was asked for, or the one that all
 * rooms come from.
 */
const openSql = `
with ${roomsCte},
known as (
  select id, name, total, parent_id, created_at, snapshot, only_created_before
    from room_reaper.batches where id = $11
),
picked as materialized (
  select room_id, id, batch_id, guard, row_number() over (order by room_id) as position
    from rooms where fate = 'replay' and not exists (select from known)
),
made as (
  insert into room_reaper.batches
    (id, sdk_app_id, name, made_up_name, fingerprint, total, asked_by, note, origin, parent_id, token, snapshot)
  select $11, $1, coalesce($12, $13), $12::text is null, $15, count(*), $16, $17, $14,
         coalesce($2, case when count(distinct batch_id) = 1 and count(batch_id) = count(*) then min(batch_id) end),
         $18, coalesce((select bool_or(b.snapshot) from room_reaper.batches b
                          where b.id in (select batch_id from picked)), false)
    from picked having count(*) > 0 and ($20::text is null or ${choiceMark} = $20)
  returning id, name, total, parent_id, created_at, snapshot, only_created_before
),
listed as (
  insert into room_reaper.replays (batch_id, position, room_id, replaced_id, only_created_before)
  select $11, position, room_id, id, guard from picked where exists (select from made)
),
later as (
  insert into room_reaper.lists (batch_id, sdk_app_id, parts_id, lane, begun_to)
  select id, $1, '', $19, 0 from made where $19::text is not null
)
select id, name, total, parent_id, extract(epoch from created_at)::float8 * 1000 as created_at, true as is_new,
       ${precautionsOf('b')}
  from (select * from made union all select * from known) as b`;

interface BatchRow extends PrecautionsRow, Record<string, unknown> {
  id: string;
  name: string;
  total: number;
  parent_id: string | null;
  created_at: number;
  is_new: boolean;
}

/** @returns a replay of the same choice that was interrupted at most so long ago, in milliseconds. */
export async function interruptedReplay(
  database: Database,
  sdkAppId: number,
  { fingerprint, name }: Pick<NewReplay, 'fingerprint' | 'name'>,
  withinMs: number,
): Promise<ReplayBatch | undefined> {
  const [found] = await database.query<BatchRow>('replay-interrupted', interruptedSql, [
    sdkAppId,
    fingerprint,
    name ?? null,
    withinMs,
  ]);
  return found && readBatch(found);
}

/** @returns undefined where there is nothing to replay. */
export async function openReplay(
  database: Database,
  choice: ReplayChoice,
  replay: NewReplay,
): Promise<ReplayBatch | undefined> {
  const [made] = await database.query<BatchRow>('replay-open', openSql, [
    ...choiceParameters(choice),
    replay.id,
    replay.name ?? null,
    replay.madeUpName,
    replay.origin,
    replay.fingerprint,
    replay.by,
    replay.note ?? null,
    replay.token ?? null,
    replay.lane ?? null,
    replay.mark ?? null,
  ]);
  return made && readBatch(made);
}

function readBatch(row: BatchRow): ReplayBatch {
  return {
    id: row.id,
    name: row.name,
    total: row.total,
    createdAtMs: Math.floor(row.created_at),
    parentId: row.parent_id ?? undefined,
    isNew: row.is_new,
    precautions: readPrecautions(row),
  };
}

/**
 * $1 batch id, $2 the last position seen, $3 most rows. Positions have no gaps, and with both ends
 * told any plan reads this page alone.
 */
const pageSql = `
select position, room_id, extract(epoch from only_created_before)::float8 * 1000 as only_created_before
  from room_reaper.replays
 where batch_id = $1 and position > $2 and position <= $2 + $3 order by position`;

export interface ReplayedRoom {
  roomId: string;
  /** When the room that is meant was first asked for, in milliseconds since the epoch. */
  onlyCreatedBeforeMs: number | undefined;
}

export async function* replayedRooms(
  database: Database,
  batchId: string,
  pageSize: number,
): AsyncGenerator<ReplayedRoom[]> {
  for (let after = 0; ;) {
    const rows = await database.query<{
      position: number;
      room_id: string;
      only_created_before: number | null;
    }>('replay-page', pageSql, [batchId, after, pageSize]);
    const last = rows.at(-1);
    if (last === undefined) return;
    after = last.position;
    yield rows.map(({ room_id: roomId, only_created_before: atMs }) => {
      return { roomId, onlyCreatedBeforeMs: atMs === null ? undefined : Math.floor(atMs) };
    });
  }
}

/**
 * $1 SDKAppID, $2 batch id of the replay, $3 room ids. The ended destructions of these rooms
 * whose jobs may be in BullMQ's failed set.
 */
const replacedSql = `
select id from room_reaper.destructions
 where sdk_app_id = $1 and room_id = any ($3::text[]) and batch_id is distinct from $2
   and outcome in ('rejected', 'failed', 'expired')`;

/** Ids of the destructions that a replay of these rooms takes the place of. */
export function replacedDestructions(
  database: Database,
  sdkAppId: number,
  batchId: string,
  roomIds: readonly string[],
): Promise<string[]> {
  return readColumn(database, 'replay-replaced', replacedSql, [sdkAppId, batchId, roomIds]);
}
