/**
 * Which ledger a queue belongs to, by its id. It is kept among what BullMQ knows of the queue, so
 * it goes with it: where that is lost (a Redis that restarts empty), the next one writes it again.
 */
import type pg from 'pg';
import type { RedisClient } from './connection.js';
import type { DestroyQueue } from './job.js';

const field = 'room-reaper:ledger';

export function ledgerMarkOnRedis(redis: RedisClient, queue: DestroyQueue) {
  const read = async () => (await redis.hget(queue.toKey('meta'), field)) ?? undefined;
  return {
    read,
    async claim(ledgerId: string): Promise<string> {
      const known = await read();
      if (known !== undefined) return known;
      await redis.hsetnx(queue.toKey('meta'), field, ledgerId).catch((error: unknown) => {
        // A full one takes it later: workers and `cancel` are what makes space in it.
        if (!/^(OOM|MISCONF)/.test((error as Error).message)) throw error;
      });
      return (await read()) ?? ledgerId;
    },
    async set(ledgerId: string): Promise<void> {
      await redis.hset(queue.toKey('meta'), field, ledgerId);
    },
  };
}

/** $1 queue name, $2 field. */
const readSql = 'select value from meta where queue = $1 and field = $2';

/** $1 queue name, $2 field, $3 id. Of several at once the first counts. */
const claimSql =
  'insert into meta (queue, field, value) values ($1, $2, $3) on conflict (queue, field) do nothing';

/** As above; the last counts. */
const setSql =
  'insert into meta (queue, field, value) values ($1, $2, $3) on conflict (queue, field) do update set value = excluded.value';

/** @param pool - its search path is BullMQ's schema. */
export function ledgerMarkOnPostgres(pool: pg.Pool, queue: DestroyQueue) {
  async function read(): Promise<string | undefined> {
    const { rows } = await pool.query<{ value: string | null }>(readSql, [queue.name, field]);
    return rows[0]?.value ?? undefined;
  }
  return {
    read,
    async claim(ledgerId: string): Promise<string> {
      const known = await read();
      if (known !== undefined) return known;
      await pool.query(claimSql, [queue.name, field, ledgerId]);
      return (await read()) ?? ledgerId;
    },
    async set(ledgerId: string): Promise<void> {
      await pool.query(setSql, [queue.name, field, ledgerId]);
    },
  };
}

export type LedgerMark = ReturnType<typeof ledgerMarkOnPostgres>;
