/**
 * What the API told of the end of rooms, and the destructions that it belongs to: which ones is
 * decided in one place, `attribute_room` in migrations/0019_attribution.sql.
 */
import type { OutcomeCounts, RoomEvent, SourceCounts, Statistics } from '../destruction.js';
import { readColumn, type Database } from './database.js';
import { readStatistics, type TotalsRow } from './report-rows.js';

/** What became of an event: new, known already, or known and now with its statistics. */
export type TakenEvent = 'received' | 'repeated' | 'completed';

/**
 * $1 SDKAppID; $2–$10 arrays of one element per event: room, ended at (epoch ms), by whom, operator,
 * the five totals. Returns a row per event, in their order. Locks their rooms, then the rows that
 * change; an end that is being recorded meanwhile waits for it, or it for that.
 */
const takeSql = `
select result from room_reaper.take_room_events($1, $2::text[], $3::float8[], $4::text[], $5::text[],
  $6::text[]::bigint[], $7::text[]::bigint[], $8::text[]::bigint[], $9::text[]::bigint[], $10::text[]::bigint[])`;

/**
 * Writes events down, with what follows from them for their rooms, all or nothing. Safe to repeat.
 *
 * @throws the driver's error where the database cannot be used.
 */
export async function takeRoomEvents(
  database: Database,
  sdkAppId: number,
  events: readonly RoomEvent[],
): Promise<TakenEvent[]> {
  const total = (name: keyof Statistics) =>
    events.map(({ statistics }) => statistics?.[name].toString() ?? null);
  return readColumn<TakenEvent>(database, 'room-events-take', takeSql, [
    sdkAppId,
    events.map(({ roomId }) => roomId),
    events.map(({ endedAtMs }) => endedAtMs),
    events.map(({ endedBy }) => endedBy),
    events.map(({ operator }) => operator ?? null),
    total('totalViewers'),
    total('totalGiftsSent'),
    total('totalGiftCoins'),
    total('totalUniqueGiftSenders'),
    total('totalLikesReceived'),
  ]);
}

/** An event as it is kept. */
export interface KnownEvent extends RoomEvent {
  /** In milliseconds since the epoch, on the database's clock. */
  receivedAtMs: number;
  /** The destruction that it belongs to; undefined: none. */
  destructionId: string | undefined;
}

/** $1 SDKAppID, $2 room, $3 most rows. Newest first. */
const eventsSql = `
select e.room_id, extract(epoch from e.ended_at)::float8 * 1000 as ended_at, e.ended_by, e.operator,
       e.total_viewers::text, e.total_gifts_sent::text, e.total_gift_coins::text,
       e.total_unique_gift_senders::text, e.total_likes_received::text,
       extract(epoch from e.received_at)::float8 * 1000 as received_at, e.destruction_id
  from room_reaper.room_events e where e.sdk_app_id = $1 and e.room_id = $2
 order by e.ended_at desc limit $3`;

type EventRow = TotalsRow &
  Record<'operator' | 'destruction_id', string | null> &
  Record<'ended_at' | 'received_at', number> & {
    room_id: string;
    ended_by: RoomEvent['endedBy'];
  };

/** The newest events of a room, newest first. */
export async function readRoomEvents(
  database: Database,
  sdkAppId: number,
  roomId: string,
  most: number,
): Promise<KnownEvent[]> {
  const rows = await database.query<EventRow>('room-events', eventsSql, [sdkAppId, roomId, most]);
  return rows.map((row) => ({
    roomId: row.room_id,
    endedAtMs: row.ended_at,
    endedBy: row.ended_by,
    operator: row.operator ?? undefined,
    statistics: readStatistics(row),
    receivedAtMs: row.received_at,
    destructionId: row.destruction_id ?? undefined,
  }));
}

/** $1 SDKAppID. By the index on received_at: the newest of the app is among the newest of all. */
const lastSql = `
select extract(epoch from received_at)::float8 * 1000 as last from room_reaper.room_events
 where sdk_app_id = $1 order by received_at desc limit 1`;

/** When the last event came, in milliseconds since the epoch; undefined: none yet. */
export async function readLastEvent(
  database: Database,
  sdkAppId: number,
): Promise<number | undefined> {
  return (await readColumn<number>(database, 'room-events-last', lastSql, [sdkAppId]))[0];
}

/**
 * SQL: how many rooms of a batch, those that it joined too, have their statistics from another source
 * than the answer; `of_lost` of them were lost at first.
 */
export const rescuedOf = (batch: string) => `
  select count(*) filter (where r.source = 'webhook')::int as from_webhook,
         count(*) filter (where r.source = 'snapshot')::int as from_snapshot,
         count(*) filter (where r.outcome = 'destroyed_statistics_lost')::int as of_lost
    from (select source, outcome from room_reaper.rescued where batch_id = ${batch}
           union all
          select x.source, x.outcome
            from room_reaper.batch_joins j join room_reaper.rescued x on x.destruction_id = j.destruction_id
           where j.batch_id = ${batch}) r`;

export type RescuedRow = OutcomeCounts &
  Record<'from_webhook' | 'from_snapshot' | 'of_lost', number>;

/** The same as numbers of rooms by source. */
export function sourcesOf(row: RescuedRow): SourceCounts {
  const lost = row.destroyed_statistics_lost - row.of_lost;
  return { response: row.destroyed, webhook: row.from_webhook, snapshot: row.from_snapshot, lost };
}
