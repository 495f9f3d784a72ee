/** Reads queue and ledger after a run, past the proxies, with code of its own but for the sums of batches. */
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import type { Client } from 'pg';
import { openDatabase, type Database } from '../../src/ledger/database.js';
import { tallyBatch } from '../../src/ledger/report.js';
import { withPostgres } from '../support/postgres.js';
import { withRedis } from '../support/redis.js';
import type { AttemptRow, BatchRow, DestructionRow, History } from './history.js';

const jobStates = [
  'wait',
  'active',
  'delayed',
  'prioritized',
  'waiting-children',
  'completed',
  'failed',
] as const;

async function withQueue<R>(
  url: string,
  sdkAppId: number,
  use: (queue: Queue) => Promise<R>,
): Promise<R> {
  const connection = new Redis(url, { maxRetriesPerRequest: null });
  const queue = new Queue(`room-reaper-${sdkAppId}`, { connection });
  try {
    return await use(queue);
  } finally {
    await queue.close();
    connection.disconnect();
  }
}

/** Jobs that are neither done nor failed for good. */
export function countPending(url: string, sdkAppId: number): Promise<number> {
  return withQueue(url, sdkAppId, (queue) =>
    queue.getJobCountByTypes('wait', 'active', 'delayed', 'prioritized', 'waiting-children'),
  );
}

export function readQueue(url: string, sdkAppId: number): Promise<History['queue']> {
  return withQueue(url, sdkAppId, async (queue) => {
    const counts = await queue.getJobCounts(...jobStates);
    const failed = await queue.getFailed(0, -1);
    return {
      counts,
      failed: failed.map((job) => ({
        id: job.id ?? '',
        reason: job.failedReason,
        atMs: job.finishedOn ?? 0,
      })),
    };
  });
}

const ms = (column: string, as: string) =>
  `extract(epoch from ${column})::float8 * 1000 as "${as}"`;

const destructionsSql = `
select d.*, ${ms('requested_at', 'requestedAtMs')}, ${ms('not_after', 'notAfterMs')},
       ${ms('finished_at', 'finishedAtMs')}, ${ms('only_created_before', 'onlyCreatedBeforeMs')},
       ${ms('snapshot_at', 'snapshotAtMs')}
  from room_reaper.destructions d order by requested_at, id`;

const attemptsSql = `
select a.*, ${ms('slot_at', 'slotAtMs')}, ${ms('sent_at', 'sentAtMs')}, ${ms('ended_at', 'endedAtMs')}
  from room_reaper.attempts a order by destruction_id, attempt`;

const outcomes = [
  'destroyed',
  'destroyed_statistics_lost',
  'already_gone',
  'recreated',
  'rejected',
  'failed',
  'expired',
  'cancelled',
];

const batchesSql = `
select b.id, b.name, b.total, b.finished_at is not null as finished,
       ${outcomes.map((word) => `b.${word} as "counter ${word}"`).join(', ')},
       ${outcomes
         .map(
           (word) => `(select count(*)::int from room_reaper.destructions d
              where d.batch_id = b.id and d.outcome = '${word}') as "rows ${word}"`,
         )
         .join(', ')},
       (select count(*)::int from room_reaper.batch_joins j join room_reaper.destructions d on d.id = j.destruction_id
         where j.batch_id = b.id and d.outcome is not null) as joined,
       -- Of a room that is there twice, once lost from the queue, its own counts.
       array(select distinct on (d.room_id) d.id from room_reaper.destructions d
              where d.batch_id = b.id
                 or d.id in (select j.destruction_id from room_reaper.batch_joins j where j.batch_id = b.id)
              order by d.room_id, d.outcome is null, d.batch_id is distinct from b.id) as members
  from room_reaper.batches b order by b.created_at`;

async function readBatches(client: Client, database: Database): Promise<BatchRow[]> {
  const { rows } = await client.query<Record<string, unknown>>(batchesSql);
  const batches: BatchRow[] = [];
  for (const row of rows) {
    const pick = (what: string) =>
      Object.fromEntries(outcomes.map((word) => [word, Number(row[`${what} ${word}`])]));
    const { id, name, total, finished, joined, members } = row as unknown as BatchRow;
    const { statistics, statisticsFrom } = await tallyBatch(database, id);
    batches.push({
      ...{ id, name, total, finished, joined, members },
      ...{ counters: pick('counter'), rows: pick('rows') },
      sums: { totals: Object.values(statistics).map(String), from: { ...statisticsFrom } },
    });
  }
  return batches;
}

/** What had ended of the rooms that a replay asks for anew. */
const replacedSql = `
select distinct d.id from room_reaper.replays r
  join room_reaper.batches b on b.id = r.batch_id
  join room_reaper.destructions d on d.room_id = r.room_id and d.finished_at < b.created_at`;

async function ids(client: Client, sql: string): Promise<string[]> {
  return (await client.query<{ id: string }>(sql)).rows.map(({ id }) => id);
}

export async function readLedger(
  url: string,
): Promise<Pick<History, 'destructions' | 'attempts' | 'batches' | 'snapshots' | 'replaced'>> {
  const database = await openDatabase({
    connection: { connectionString: url },
    shownAs: 'the test database',
  });
  try {
    return await withPostgres(url, async (client) => ({
      destructions: (await client.query<DestructionRow>(destructionsSql)).rows,
      attempts: (await client.query<AttemptRow>(attemptsSql)).rows,
      snapshots: await ids(client, 'select destruction_id as id from room_reaper.snapshots'),
      replaced: await ids(client, replacedSql),
      batches: await readBatches(client, database),
    }));
  } finally {
    await database.close();
  }
}

/** Every row of every table of ours, as text. */
export function dumpLedger(url: string): Promise<string> {
  return withPostgres(url, async (client) => {
    const tables = await client.query<{ name: string }>(
      `select format('%I.%I', schemaname, tablename) as name from pg_tables
        where schemaname not in ('pg_catalog', 'information_schema')`,
    );
    const parts: string[] = [];
    for (const { name } of tables.rows) {
      const rows = await client.query<{ row: string }>(`select t::text as row from ${name} t`);
      parts.push(name, ...rows.rows.map(({ row }) => row));
    }
    return parts.join('\n');
  });
}

/** Every key and value of a Redis, as text. */
export function dumpRedis(url: string): Promise<string> {
  return withRedis(url, async (redis) => {
    const parts: string[] = [];
    for (const key of await redis.keys('*')) {
      parts.push(key, JSON.stringify(await readKey(redis, key)));
    }
    return parts.join('\n');
  });
}

async function readKey(redis: Redis, key: string): Promise<unknown> {
  const type: string = await redis.type(key);
  switch (type) {
    case 'string':
      return redis.get(key);
    case 'hash':
      return redis.hgetall(key);
    case 'list':
      return redis.lrange(key, 0, -1);
    case 'set':
      return redis.smembers(key);
    case 'zset':
      return redis.zrange(key, 0, '-1');
    case 'stream':
      return redis.xrange(key, '-', '+');
    case 'none':
      return undefined;
    default:
      throw new Error(`a key of a kind that is not read: ${type}`);
  }
}
