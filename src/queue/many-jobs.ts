/**
 * What is done with a thousand jobs at once: on Redis in commands that share their round
 * trips, on Postgres in one statement for all. BullMQ's classes take one job at a time, which
 * there costs a statement each, and on the embedded default they follow one another.
 */
import type pg from 'pg';
import type { Destruction } from '../destruction.js';
import type { RedisClient } from './connection.js';
import { type DestroyQueue, readDestruction } from './job.js';

export interface ManyJobs {
  /** The destructions of these jobs that are still there. A job of another program is left out. */
  read(ids: readonly string[]): Promise<Destruction[]>;
  /** Which of these jobs are on the queue, waiting, in hand or failed. */
  existing(ids: readonly string[]): Promise<Set<string>>;
  /**
   * Which of these jobs no worker will take up: kept in the failed set, or in no list of the
   * queue, as after an eviction or a hand that deleted something. One that is not there at all
   * is `nowhere` too.
   */
  lost(ids: readonly string[]): Promise<Map<string, 'failed' | 'nowhere'>>;
  /**
   * Takes these jobs off the queue, and frees their rooms to be asked for again.
   *
   * @returns those that are off it; the others are in a worker's hand.
   */
  remove(ids: readonly string[]): Promise<Set<string>>;
}

export function manyJobsOnRedis(redis: RedisClient, queue: DestroyQueue): ManyJobs {
  const jobs = (ids: readonly string[]) => Promise.all(ids.map((id) => queue.getJob(id)));
  return {
    async read(ids) {
      return (await jobs(ids)).flatMap((job) => {
        const destruction = job && readDestruction(job.id, job.data, job.timestamp);
        return destruction === undefined ? [] : [destruction];
      });
    },
    async existing(ids) {
      return new Set((await jobs(ids)).flatMap((job) => job?.id ?? []));
    },
    async lost(ids) {
      const lost = new Map<string, 'failed' | 'nowhere'>();
      if (ids.length === 0) return lost;
      // Two commands say it of nearly all. The state of the rest is asked one by one: each answer
      // is of one instant, so a job that moves on meanwhile is not missed.
      const [waiting, delayed] = await Promise.all(
        ['prioritized', 'delayed'].map((set) => redis.zmscore(queue.toKey(set), ...ids)),
      );
      const rest = ids.filter((_, index) => !waiting?.[index] && !delayed?.[index]);
      const states = await Promise.all(rest.map((id) => queue.getJobState(id)));
      for (const [index, id] of rest.entries()) {
        const state = states[index];
        if (state === 'unknown' || state === 'completed') lost.set(id, 'nowhere');
        if (state === 'failed') lost.set(id, 'failed');
      }
      return lost;
    },
    async remove(ids) {
      const codes = await Promise.all(ids.map((id) => queue.remove(id, { removeChildren: false })));
      return new Set(ids.filter((_, index) => codes[index] === 1));
    },
  };
}

/** $1 queue name, $2 job ids. Reads BullMQ's table, as in {@link lookUpOnPostgres}. */
const readSql = `
select id, data, added_at_ms::float8 as added_at from job where queue = $1 and id = any ($2::text[])`;

/** $1 queue name, $2 job ids. */
const existingSql = `select id from job where queue = $1 and id = any ($2::text[])`;

/** $1 queue name, $2 job ids. */
const lostSql = `
select i.id, coalesce(j.state::text, '') = 'failed' as failed
  from unnest($2::text[]) as i (id) left join job j on j.queue = $1 and j.id = i.id
 where j.id is null or j.state in ('failed', 'completed')`;

/**
 * $1 queue name, $2 job ids. Calls BullMQ's own function for each. In the order of their ids, so
 * that two of these cannot wait for each other.
 */
const removeSql = `
select id, remove($1, id, false) as removed from unnest($2::text[]) as i (id) order by id`;

/**
 * @param pool - its search path is BullMQ's schema.
 * @param removedAtOnce - most jobs that one statement removes; default: all.
 */
export function manyJobsOnPostgres(
  pool: pg.Pool,
  queue: DestroyQueue,
  removedAtOnce = Number.POSITIVE_INFINITY,
): ManyJobs {
  async function existing(ids: readonly string[]): Promise<Set<string>> {
    const { rows } = await pool.query<{ id: string }>(existingSql, [queue.name, ids]);
    return new Set(rows.map((row) => row.id));
  }
  return {
    async read(ids) {
      const { rows } = await pool.query<{ id: string; data: unknown; added_at: number }>(readSql, [
        queue.name,
        ids,
      ]);
      return rows.flatMap((row) => readDestruction(row.id, row.data, row.added_at) ?? []);
    },
    existing,
    async lost(ids) {
      const { rows } = await pool.query<{ id: string; failed: boolean }>(lostSql, [
        queue.name,
        ids,
      ]);
      return new Map(rows.map((row) => [row.id, row.failed ? 'failed' : 'nowhere']));
    },
    async remove(ids) {
      const rows: { id: string; removed: number }[] = [];
      for (let from = 0; from < ids.length; from += removedAtOnce) {
        const some = ids.slice(from, from + removedAtOnce);
        const answer = await pool.query<(typeof rows)[number]>(removeSql, [queue.name, some]);
        rows.push(...answer.rows);
      }
      const left = rows.filter((row) => row.removed === 0).map((row) => row.id);
      // 0 is also said of a job that is not there any more.
      const there = left.length > 0 ? await existing(left) : new Set<string>();
      return new Set(ids.filter((id) => !there.has(id)));
    },
  };
}
