/**
 * What BullMQ's classes do not tell without reading a whole lane: a waiting job's place, when a
 * delayed one is due, and whether anything can be written. The first two are read where BullMQ 6 keeps them: in Redis in sorted sets
 * (O(log n)), in Postgres in an indexed table.
 */
import type pg from 'pg';
import type { RedisClient } from './connection.js';
import type { DestroyQueue } from './job.js';
import { refusalReason } from './refusal.js';

export interface QueueLookUp {
  /** Whether anybody ever opened this queue to write. */
  isThere(): Promise<boolean>;
  /** How many jobs go before this one; undefined where it does not wait. */
  ahead(jobId: string): Promise<number | undefined>;
  /** When a delayed job is due, in milliseconds since the epoch; undefined where it is not delayed. */
  dueAt(jobId: string): Promise<number | undefined>;
  /**
   * Why nothing can be written, in words, although it can be read: a primary that was demoted,
   * or whose disk is full. undefined: it can.
   */
  refusesWrites(): Promise<string | undefined>;
}

/** BullMQ keeps the due time of a delayed job times this in its score; below it a counter. */
const delayedScoreFactor = 0x1000;

export function lookUpOnRedis(redis: RedisClient, queue: DestroyQueue): QueueLookUp {
  return {
    async isThere() {
      return (await redis.exists(queue.toKey('meta'))) > 0;
    },
    async ahead(jobId) {
      const [rank, withoutPriority] = await Promise.all([
        redis.zrank(queue.toKey('prioritized'), jobId),
        redis.llen(queue.toKey('wait')),
      ]);
      // Jobs without a priority, which others may have added, go before all lanes.
      return rank === null ? undefined : rank + withoutPriority;
    },
    async dueAt(jobId) {
      const score = await redis.zscore(queue.toKey('delayed'), jobId);
      return score === null ? undefined : Math.floor(Number(score) / delayedScoreFactor);
    },
    async refusesWrites() {
      try {
        // Changes nothing: there is no such key.
        await redis.del(queue.toKey('room-reaper-none'));
        return undefined;
      } catch (error) {
        const { message } = error as Error;
        if (/^NOPERM/.test(message)) return undefined;
        if (/^(READONLY|MISCONF|NOREPLICAS)/.test(message)) return refusalReason(error);
        throw error;
      }
    },
  };
}

/** $1 queue name. Whoever opens one to write leaves a row. */
const isThereSql = 'select exists (select from meta where queue = $1) as is_there';

/** $1 queue name, $2 job id. No row where it does not wait. Reads BullMQ's index of ready jobs. */
const aheadSql = `
select (select count(*)::int from job j
         where j.queue = $1 and j.state = 'waiting' and (j.priority, j.seq) < (me.priority, me.seq)) as ahead
  from job me where me.queue = $1 and me.id = $2 and me.state = 'waiting'`;

/** $1 queue name, $2 job id. */
const dueSql = `
select process_at_ms::float8 as due_at from job where queue = $1 and id = $2 and state = 'delayed'`;

const standbySql = 'select pg_is_in_recovery() as standby';

/** @param pool - its search path is BullMQ's schema. */
export function lookUpOnPostgres(pool: pg.Pool, queue: DestroyQueue): QueueLookUp {
  return {
    async isThere() {
      const { rows } = await pool.query<{ is_there: boolean }>(isThereSql, [queue.name]);
      return rows[0]?.is_there ?? false;
    },
    async ahead(jobId) {
      const { rows } = await pool.query<{ ahead: number }>(aheadSql, [queue.name, jobId]);
      return rows[0]?.ahead;
    },
    async dueAt(jobId) {
      const { rows } = await pool.query<{ due_at: number | null }>(dueSql, [queue.name, jobId]);
      return rows[0]?.due_at ?? undefined;
    },
    async refusesWrites() {
      const { rows } = await pool.query<{ standby: boolean }>(standbySql);
      return rows[0]?.standby ? 'its Postgres is a read-only standby' : undefined;
    },
  };
}
