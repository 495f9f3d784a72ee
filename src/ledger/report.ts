/** What a batch came to, read from the ledger. */
import { readColumn, type Database } from './database.js';
import { readReportRows } from './report-rows.js';
import { overviewOfSent } from './sent.js';
import { createTally, type Tally } from './tally.js';

export interface BatchSummary extends Tally {
  /** Most requests sent in any sliding 1,000 ms while the batch was worked on, whatever they were for. */
  worstWindow: number;
  /** Requests a second from its first request to its last, likewise; undefined where there was no time between. */
  meanRatePerSecond: number | undefined;
}

/** Reads all of a batch, in bounded memory. */
export async function summarizeBatch(database: Database, batchId: string): Promise<BatchSummary> {
  return addRates(database, batchId, await tallyBatch(database, batchId));
}

export async function tallyBatch(database: Database, batchId: string): Promise<Tally> {
  const tally = createTally();
  for await (const rows of readReportRows(database, batchId)) {
    for (const row of rows) tally.add(row);
  }
  return tally.result();
}

/** $1 batch id. */
const appSql = `select sdk_app_id::float8 as sdk_app_id from room_reaper.batches where id = $1`;

/**
 * How fast it went. All requests of the app in the time of the batch count, for the quota is
 * the app's; where they went to several hosts, each of which has its own, the fullest counts.
 */
export async function addRates(
  database: Database,
  batchId: string,
  tally: Tally,
): Promise<BatchSummary> {
  const { firstSentUs, lastSentUs } = tally;
  const [batch] = await database.query<{ sdk_app_id: number }>('batch-app', appSql, [batchId]);
  if (batch === undefined || firstSentUs === undefined || lastSentUs === undefined) {
    return { ...tally, worstWindow: 0, meanRatePerSecond: undefined };
  }
  const hosts = await overviewOfSent(database, {
    sdkAppId: batch.sdk_app_id,
    fromUs: firstSentUs,
    toUs: lastSentUs,
  });
  const rates = hosts.flatMap(({ meanRatePerSecond }) => meanRatePerSecond ?? []);
  return {
    ...tally,
    worstWindow: Math.max(0, ...hosts.map((host) => host.worst.requests)),
    meanRatePerSecond: rates.length > 0 ? Math.max(...rates) : undefined,
  };
}

/**
 * $1 batch id. Whether any room of it has a destruction, of whatever batch, that did not find it
 * gone already. Looks each room up by the index on RoomIds, and stops at the first.
 */
const anyExistedSql = `
select exists (
  select 1
    from (select sdk_app_id, room_id from room_reaper.destructions where batch_id = $1
           union all
          select d.sdk_app_id, j.room_id
            from room_reaper.batch_joins j join room_reaper.destructions d on d.id = j.destruction_id
           where j.batch_id = $1) as asked
    join room_reaper.destructions d
      on d.sdk_app_id = asked.sdk_app_id and d.room_id = asked.room_id
   where d.outcome is distinct from 'already_gone') as existed`;

/** Whether the ledger knows of any room of a batch that it was ever there, or may have been. */
export async function anyRoomExisted(database: Database, batchId: string): Promise<boolean> {
  return (await readColumn<boolean>(database, 'any-existed', anyExistedSql, [batchId]))[0] ?? false;
}

/** $1 batch id, $2 rooms. */
const firstRoomsSql = `
select room_id from room_reaper.destructions where batch_id = $1
 order by room_id collate "C" limit $2`;

export function firstRooms(database: Database, batchId: string, rooms: number): Promise<string[]> {
  return readColumn(database, 'first-rooms', firstRoomsSql, [batchId, rooms]);
}
