/**
 * Who paused the queue, since when, and why. It goes with the pause itself, wherever that is ended:
 * in Redis it is the value of BullMQ's own field, of which BullMQ asks only whether it is there. In
 * Postgres BullMQ asks for the value `1`, so there it is a row beside that one, and counts where
 * both were written by one transaction.
 */
import type pg from 'pg';
import { z } from 'zod';
import { orUndefined } from '../or-undefined.js';
import type { RedisClient } from './connection.js';
import { type DestroyQueue, latestMs } from './job.js';

export interface PauseMark {
  by: string;
  note?: string | undefined;
  /** Milliseconds since the epoch. */
  sinceMs: number;
}

export interface QueuePause {
  /** undefined: it is not paused, or by a dashboard, which leaves no name. */
  read(): Promise<PauseMark | undefined>;
  pause(mark: PauseMark): Promise<void>;
  resume(): Promise<void>;
}

/** Anyone with access to the queue can write it. */
const written = z.object({
  by: z.string().max(200),
  note: z.string().max(2_000).optional(),
  sinceMs: z.int().min(0).max(latestMs),
});

function readMark(text: string | null | undefined): PauseMark | undefined {
  return orUndefined(() => written.parse(JSON.parse(text ?? '')));
}

/** KEYS: meta; ARGV: the mark. Not where it was resumed meanwhile. */
const markScript =
  "if redis.call('HEXISTS', KEYS[1], 'paused') == 1 then redis.call('HSET', KEYS[1], 'paused', ARGV[1]) end";

export function pauseOnRedis(redis: RedisClient, queue: DestroyQueue): QueuePause {
  const key = queue.toKey('meta');
  return {
    async read() {
      return readMark(await redis.hget(key, 'paused'));
    },
    async pause(mark) {
      await queue.pause();
      await redis.eval(markScript, 1, key, JSON.stringify(mark));
    },
    resume: () => queue.resume(),
  };
}

const field = 'room-reaper:pause';

/** $1 queue name, $2 field. `xmin` is the transaction that wrote a row. */
const readSql = `
select mark.value from meta mark join meta paused on paused.queue = mark.queue
 where mark.queue = $1 and mark.field = $2 and paused.field = 'paused' and paused.xmin = mark.xmin`;

/** $1 queue name, $2 field, $3 the mark. `pause` is BullMQ's. */
const pauseSql = `
insert into meta (queue, field, value) select $1, $2, $3 from (select pause($1, true)) done
on conflict (queue, field) do update set value = excluded.value`;

/** $1 queue name, $2 field. */
const forgetSql = 'delete from meta where queue = $1 and field = $2';

/** @param pool - its search path is BullMQ's schema. */
export function pauseOnPostgres(pool: pg.Pool, queue: DestroyQueue): QueuePause {
  return {
    async read() {
      const { rows } = await pool.query<{ value: string }>(readSql, [queue.name, field]);
      return readMark(rows[0]?.value);
    },
    async pause(mark) {
      await pool.query(pauseSql, [queue.name, field, JSON.stringify(mark)]);
    },
    async resume() {
      await queue.resume();
      await pool.query(forgetSql, [queue.name, field]);
    },
  };
}
