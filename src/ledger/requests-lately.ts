/** How fast rooms and batches go and what a room costs, from what the ledger saw lately. */
import type { Database } from './database.js';
import { isOfApp } from './sent.js';

/** How far back is looked, in seconds. */
const spanSeconds = 60;

/** Over how long the rate is taken, in seconds. */
const rateSpanSeconds = 10;

/** Fewer ended rooms than this say nothing. */
const fewestRooms = 50;

/**
 * $1 SDKAppID. Returns the requests whose answers were recorded in the last minute,
 * how many of them ended their room, and how many were sent in the last seconds; and whether the
 * server is a standby, on which nothing is sent. What a clock that went back dated later than now
 * is not of the last seconds. Reads about 12,000 rows at the quota, by the index on sent_at.
 */
const recentSql = `
select count(*)::int as requests,
       count(*) filter (where a.verdict in ('destroyed', 'gone', 'rejected'))::int as rooms,
       count(*) filter (where a.sent_at > clock_timestamp() - ${rateSpanSeconds} * interval '1 second')::int as latest,
       pg_is_in_recovery() as standby
  from room_reaper.attempts a
 where a.sent_at > now() - ${spanSeconds} * interval '1 second'
   and a.sent_at < now() + ${rateSpanSeconds} * interval '1 second' and a.ended_at is not null
   and ${isOfApp('a', 'array(select number from room_reaper.lines where sdk_app_id = $1)', '$1')}`;

export interface RequestsLately {
  /** Over the last minute; 1 where there were too few rooms to tell. */
  requestsPerRoom: number;
  /** Over the last ten seconds, as far as their answers are recorded. */
  sentPerSecond: number;
  /** It can be read and not written: a primary that was demoted. */
  isStandby: boolean;
}

export async function readRequestsLately(
  database: Database,
  sdkAppId: number,
): Promise<RequestsLately> {
  const rows = await database.query<
    Record<'requests' | 'rooms' | 'latest', number> & { standby: boolean }
  >('requests-lately', recentSql, [sdkAppId]);
  const { requests = 0, rooms = 0, latest = 0, standby = false } = rows[0] ?? {};
  return {
    requestsPerRoom: rooms < fewestRooms ? 1 : requests / rooms,
    sentPerSecond: latest / rateSpanSeconds,
    isStandby: standby,
  };
}

/**
 * No parameters. The rate of a batch is that of destructions whose attempts were sent in the last
 * seconds: an index on attempts finds them, and what was cancelled does not count. It is taken from
 * the first of these attempts on, so that it is right from the first second of a batch. What a clock
 * that went back dated later than now is not of the last seconds. Reads 2,000 rows at the quota.
 */
const ratesSql = `
select d.batch_id,
       count(distinct d.id) / greatest(1, extract(epoch from clock_timestamp() - min(a.sent_at))::float8) as rate
  from room_reaper.attempts a join room_reaper.destructions d on d.id = a.destruction_id
 where a.sent_at > now() - ${rateSpanSeconds} * interval '1 second'
   and a.sent_at < now() + ${rateSpanSeconds} * interval '1 second'
   and d.outcome is not null and d.batch_id is not null
 group by d.batch_id`;

/** Rooms that ended per second, by the ids of the batches of which any did. */
export type BatchRates = ReadonlyMap<string, number>;

export async function readBatchRates(database: Database): Promise<BatchRates> {
  const rows = await database.query<{ batch_id: string; rate: number }>(
    'batch-rates',
    ratesSql,
    [],
  );
  return new Map(rows.map((row) => [row.batch_id, row.rate]));
}
