/**
 * Taking back a single destruction where there is no ledger at hand: a note on the queue asks a
 * worker to record it as cancelled (src/worker/take-back.ts).
 *
 * The note is a job of its own, whose id follows from that of the destruction: while it is there,
 * whoever adds lost rooms of a batch again knows that this one was taken back. It has no RoomId
 * where a destruction has it, so a worker that does not know notes sends nothing for it.
 */
import type pg from 'pg';
import { z } from 'zod';
import type { Destruction } from '../destruction.js';
import type { RedisClient } from './connection.js';
import { type DestroyQueue, type JobData, readDestruction, toJobData } from './job.js';

/** The id of the note: that of the destruction as a UUIDv8. */
export function takeBackId(destructionId: string): string {
  return `${destructionId.slice(0, 14)}8${destructionId.slice(15)}`;
}

/** BullMQ's types of our queue know destructions alone. */
export function toTakeBack(destruction: Destruction): JobData {
  const { id, requestedAtMs } = destruction;
  const note = { c: { i: id, ...toJobData(destruction), t: requestedAtMs } };
  return note as unknown as JobData;
}

const takeBack = z.object({ c: z.looseObject({ i: z.string(), t: z.int() }) });

/** The destruction that is taken back; undefined: not a note, or one under the id of another. */
export function readTakeBack(jobId: string | undefined, data: unknown): Destruction | undefined {
  const parsed = takeBack.safeParse(data);
  if (!parsed.success) return undefined;
  const { i, t } = parsed.data.c;
  return jobId === takeBackId(i) ? readDestruction(i, parsed.data.c, t) : undefined;
}

/**
 * Takes a job off the queue, and says whether that kept it from a worker.
 *
 * - `taken`: no worker had it, and none will.
 * - `in_hand`: a worker has it, or had it and left a result in it.
 * - `gone`: it has ended, or was never there.
 *
 * @throws the queue's error where it cannot be reached.
 */
export type TakeOff = (jobId: string) => Promise<'taken' | 'in_hand' | 'gone'>;

/** A job that moves from list to list while it is looked for is being worked on. */
const looksAtMost = 3;

export function takeOffRedis(redis: RedisClient, queue: DestroyQueue): TakeOff {
  /** BullMQ's `remove` does not tell a job that it removed from one that has just ended. */
  async function takeFromList(id: string): Promise<boolean> {
    // In the order in which a job goes through them. In `wait` are a few: they have no priority.
    if ((await redis.zrem(queue.toKey('delayed'), id)) === 1) return true;
    if ((await redis.zrem(queue.toKey('prioritized'), id)) === 1) return true;
    return (await redis.lrem(queue.toKey('wait'), 1, id)) === 1;
  }
  async function remove(id: string): Promise<'taken'> {
    await queue.remove(id, { removeChildren: false });
    return 'taken';
  }
  return async (id) => {
    for (let look = 1; look <= looksAtMost; look++) {
      const job = await queue.getJob(id);
      if (job === undefined) return 'gone';
      if (job.data.u !== undefined) return 'in_hand';
      if (await takeFromList(id)) return remove(id);
      const state = await queue.getJobState(id);
      if (state === 'active') return 'in_hand';
      if (state === 'failed' || state === 'completed') return 'gone';
      // In no list: taken out by somebody who came no further.
      if (state === 'unknown' && (await queue.getJob(id)) !== undefined) return remove(id);
    }
    return 'in_hand';
  };
}

/** $1 queue name, $2 job id. Calls BullMQ's own function, which leaves what a worker has. */
const takeSql = `
select remove($1, id, false) as removed from job
 where queue = $1 and id = $2 and state in ('waiting', 'delayed') and not data ? 'u'`;

/** $1 queue name, $2 job id. */
const stateSql = `select 1 from job where queue = $1 and id = $2 and state not in ('failed', 'completed')`;

/** @param pool - its search path is BullMQ's schema. */
export function takeOffPostgres(pool: pg.Pool, queue: DestroyQueue): TakeOff {
  return async (id) => {
    const { rows } = await pool.query<{ removed: number }>(takeSql, [queue.name, id]);
    if (rows[0]?.removed === 1) return 'taken';
    const left = await pool.query(stateSql, [queue.name, id]);
    return left.rows.length > 0 ? 'in_hand' : 'gone';
  };
}
