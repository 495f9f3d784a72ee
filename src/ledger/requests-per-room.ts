/** What a room costs, from what the ledger saw lately. */
import type { Database } from './database.js';

/** How far back is looked, in seconds. */
const spanSeconds = 60;

/** Fewer ended rooms than this say nothing. */
const fewestRooms = 50;

/**
 * $1 SDKAppID. Returns the requests whose answers were recorded in the last minute, and
 * how many of them ended their room. Reads about 12,000 rows at the quota, by the index on
 * sent_at.
 */
const recentSql = `
select count(*)::int as requests,
       count(*) filter (where a.verdict in ('destroyed', 'gone', 'rejected'))::int as rooms
  from room_reaper.attempts a join room_reaper.destructions d on d.id = a.destruction_id
 where a.sent_at > clock_timestamp() - ${spanSeconds} * interval '1 second'
   and a.ended_at is not null and d.sdk_app_id = $1`;

/** Requests per room over the last minute; 1 where there were too few rooms to tell. */
export async function readRequestsPerRoom(database: Database, sdkAppId: number): Promise<number> {
  const rows = await database.query<{ requests: number; rooms: number }>(
    'requests-per-room',
    recentSql,
    [sdkAppId],
  );
  const { requests = 0, rooms = 0 } = rows[0] ?? {};
  return rooms < fewestRooms ? 1 : requests / rooms;
}
