/** The rooms of a batch, each exactly once, page by page in the order of their RoomIds. */
import type { Outcome, Statistics } from '../destruction.js';
import { readColumn, type Database } from './database.js';
import { isLost, microseconds } from './sent.js';

export type Totals = Record<keyof Statistics, bigint | undefined>;

export interface ReportRow {
  roomId: string;
  /** `ended` has an outcome; `open` was taken up by a worker; `waiting` never was. */
  state: 'ended' | 'open' | 'waiting';
  outcome: Outcome | undefined;
  statisticsSource: string | undefined;
  totals: Totals;
  attempts: number;
  errorCode: number | undefined;
  errorInfo: string | undefined;
  requestId: string | undefined;
  requestedAtMs: number | undefined;
  finishedAtMs: number | undefined;
  destructionId: string;
  /** Whether the destruction was pending already, for another request, and this batch joined it. */
  joined: boolean;
}

/** What the totals of a batch need besides. */
export interface LedgerRow extends ReportRow {
  /** Attempts whose end is recorded. */
  endedAttempts: number;
  /** Attempts of which something was written to a connection, as far as is recorded. */
  sentAttempts: number;
  /** Attempts whose slot is long over and whose end nobody recorded. */
  lostAttempts: number;
  /** When its first and its last attempt were sent, in microseconds since the epoch. */
  firstSentUs: number | undefined;
  lastSentUs: number | undefined;
}

/** Rooms read by one statement. */
const pageSize = 250;

const totalColumns = {
  totalViewers: 'total_viewers',
  totalGiftsSent: 'total_gifts_sent',
  totalGiftCoins: 'total_gift_coins',
  totalUniqueGiftSenders: 'total_unique_gift_senders',
  totalLikesReceived: 'total_likes_received',
} as const satisfies Record<keyof Statistics, string>;

/** As text: bigints do not fit a double. */
export type TotalsRow = Record<(typeof totalColumns)[keyof Statistics], string | null>;

export function readTotals(row: TotalsRow): Totals {
  const total = (name: keyof Statistics) => {
    const value = row[totalColumns[name]];
    return value === null ? undefined : BigInt(value);
  };
  return {
    totalViewers: total('totalViewers'),
    totalGiftsSent: total('totalGiftsSent'),
    totalGiftCoins: total('totalGiftCoins'),
    totalUniqueGiftSenders: total('totalUniqueGiftSenders'),
    totalLikesReceived: total('totalLikesReceived'),
  };
}

/** All of the totals, or nothing. */
export function readStatistics(row: TotalsRow): Statistics | undefined {
  const totals = readTotals(row);
  return Object.values(totals).includes(undefined) ? undefined : (totals as Statistics);
}

/**
 * $1 batch id, $2 after this room, $3 rows.
 *
 * A room can be there more than once: the batch may have joined a destruction that was lost
 * with its queue, and have made its own when it was continued. Then the one that has ended
 * counts, else its own. (Both are on one page.) A join would be
 * one more look at each row, and a plan for any number of rows reads the whole table for it.
 */
const pageSql = `
with members as (
  (select d.room_id as asked_room, d.id as asked_id, false as joined, d as destruction
     from room_reaper.rooms_after($1, $2, $3) d)
  union all
  (select j.room_id, j.destruction_id, true,
          (select d from room_reaper.destructions d where d.id = j.destruction_id)
     from room_reaper.batch_joins j
    where j.batch_id = $1 and j.room_id collate "C" > $2
    order by j.room_id collate "C" fetch first ($3::int) rows with ties)
),
page as (
  select distinct on (m.asked_room collate "C") m.asked_room, m.asked_id, m.joined, (m.destruction).*
    from members m
   order by m.asked_room collate "C", (m.destruction).outcome is null, m.joined,
            (m.destruction).finished_at desc, m.asked_id
   limit $3
)
select p.asked_room, p.asked_id, p.joined, p.id is not null as known, p.outcome, p.statistics_source,
       ${Object.values(totalColumns)
         .map((column) => `p.${column}`)
         .join(', ')},
       case when p.outcome is null then t.recorded else p.attempts end as attempts,
       p.error_code, p.error_info, p.request_id,
       extract(epoch from p.requested_at)::float8 * 1000 as requested_at,
       extract(epoch from p.finished_at)::float8 * 1000 as finished_at,
       t.ended, t.sent, t.lost, t.first_sent, t.last_sent
  from page p
  left join lateral (
    select count(*)::int as recorded, count(a.ended_at)::int as ended, count(a.sent_at)::int as sent,
           (count(*) filter (where ${isLost('a')}))::int as lost,
           ${microseconds('min(a.sent_at)')} as first_sent, ${microseconds('max(a.sent_at)')} as last_sent
      from room_reaper.attempts a where a.destruction_id = p.id
  ) t on true
 order by p.asked_room collate "C"`;

type PageRow = TotalsRow &
  Record<'asked_room' | 'asked_id', string> &
  Record<'joined' | 'known', boolean> &
  Record<'statistics_source' | 'error_info' | 'request_id', string | null> &
  Record<
    'error_code' | 'requested_at' | 'finished_at' | 'first_sent' | 'last_sent',
    number | null
  > &
  Record<'attempts' | 'ended' | 'sent' | 'lost', number> & { outcome: Outcome | null };

/**
 * Reads the rooms of a batch that the ledger knows: those that a worker has taken up, and
 * those that the batch joined to other destructions.
 *
 * @param after - the RoomId that they come after.
 * @throws the driver's error where the database cannot be used.
 */
export async function* readReportRows(
  database: Database,
  batchId: string,
  after = '',
): AsyncGenerator<LedgerRow[]> {
  for (;;) {
    const rows = await database.query<PageRow>('report-page', pageSql, [batchId, after, pageSize]);
    if (rows.length > 0) yield rows.map(readRow);
    if (rows.length < pageSize) return;
    after = rows.at(-1)?.asked_room ?? after;
  }
}

function readRow(row: PageRow): LedgerRow {
  return {
    roomId: row.asked_room,
    state: row.outcome !== null ? 'ended' : row.known ? 'open' : 'waiting',
    outcome: row.outcome ?? undefined,
    statisticsSource: row.statistics_source ?? undefined,
    totals: readTotals(row),
    attempts: row.attempts,
    errorCode: row.error_code ?? undefined,
    errorInfo: row.error_info ?? undefined,
    requestId: row.request_id ?? undefined,
    requestedAtMs: row.requested_at === null ? undefined : Math.floor(row.requested_at),
    finishedAtMs: row.finished_at === null ? undefined : Math.floor(row.finished_at),
    destructionId: row.asked_id,
    joined: row.joined,
    endedAttempts: row.ended,
    sentAttempts: row.sent,
    lostAttempts: row.lost,
    firstSentUs: row.first_sent ?? undefined,
    lastSentUs: row.last_sent ?? undefined,
  };
}

/**
 * $1 batch id, $2 most rows. Rooms of a batch that workers have taken up and that have not ended, and
 * those that it joined. Reads all rooms of the batch.
 */
const openRoomsSql = `
(select d.room_id from room_reaper.destructions d
  where d.batch_id = $1 and d.outcome is null order by d.room_id collate "C" limit $2)
union
(select j.room_id from room_reaper.batch_joins j
   left join room_reaper.destructions d on d.id = j.destruction_id
  where j.batch_id = $1 and d.outcome is null order by j.room_id collate "C" limit $2)
order by room_id limit $2`;

/** Rooms of a batch that have not ended, as far as the ledger knows them. */
export async function readOpenRooms(
  database: Database,
  batchId: string,
  most: number,
): Promise<{ batchId: string; roomId: string }[]> {
  const rooms = await readColumn<string>(database, 'batch-open-rooms', openRoomsSql, [
    batchId,
    most,
  ]);
  return rooms.map((roomId) => ({ batchId, roomId }));
}

/** $1 SDKAppID, $2 batch id, $3 RoomIds. */
const roomsAmongSql = `
select r.room_id, d.outcome, extract(epoch from d.finished_at)::float8 * 1000 as finished_at
  from unnest($3::text[]) as r (room_id)
 cross join lateral (
   select m.outcome, m.finished_at
     from (select d.outcome, d.finished_at from room_reaper.destructions d
            where d.sdk_app_id = $1 and d.room_id = r.room_id and d.batch_id = $2
           union all
           select d.outcome, d.finished_at
             from room_reaper.batch_joins j left join room_reaper.destructions d on d.id = j.destruction_id
            where j.batch_id = $2 and j.room_id collate "C" = r.room_id) m
    order by m.outcome is null, m.finished_at desc limit 1) d`;

/** Which of these are rooms of the batch that the ledger knows, and how each ended; undefined: not yet. */
export async function readRoomsAmong(
  database: Database,
  sdkAppId: number,
  batchId: string,
  roomIds: readonly string[],
): Promise<Pick<ReportRow, 'roomId' | 'outcome' | 'finishedAtMs'>[]> {
  type Row = { room_id: string; outcome: Outcome | null; finished_at: number | null };
  const rows = await database.query<Row>('rooms-among', roomsAmongSql, [
    sdkAppId,
    batchId,
    roomIds,
  ]);
  return rows.map((row) => ({
    roomId: row.room_id,
    outcome: row.outcome ?? undefined,
    finishedAtMs: row.finished_at ?? undefined,
  }));
}

/** $1 batch id. */
const knownSql = `
select (select count(*) from room_reaper.destructions where batch_id = $1)::float8
     + (select count(*) from room_reaper.batch_joins where batch_id = $1)::float8 as known`;

/** How many rooms `readReportRows` will find at least, each counted once unless it is there twice. */
export async function countKnownRooms(database: Database, batchId: string): Promise<number> {
  return (await readColumn<number>(database, 'report-known', knownSql, [batchId]))[0] ?? 0;
}

/** $1 destruction ids. */
const knownAmongSql = `select id from room_reaper.destructions where id = any ($1::text[])`;

/** Which of these destructions a worker has taken up. */
export async function knownAmong(database: Database, ids: readonly string[]): Promise<Set<string>> {
  return new Set(await readColumn(database, 'known-among', knownAmongSql, [ids]));
}
