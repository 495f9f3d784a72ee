import { RedisQueueBackend } from 'bullmq';
import { serverOf, type RedisClient } from './connection.js';
import type { DestroyQueue } from './job.js';

/** The memory of the Redis that a queue lives on. */
export interface QueueMemory {
  usedBytes: number;
  /** `maxmemory`: at it, Redis refuses every write. */
  limitBytes: number;
}

/**
 * undefined: it has no limit of its own (no `maxmemory`, or the queue is in Postgres), or does
 * not tell this user.
 */
export async function readMemory(queue: DestroyQueue): Promise<QueueMemory | undefined> {
  const backend: unknown = queue.getBackend();
  if (!(backend instanceof RedisQueueBackend)) return undefined;
  // What BullMQ puts around the client hands on all that it does.
  const client = (await backend.client) as unknown as RedisClient;
  const server = await serverOf(client, queue.toKey('meta'));
  const info = await server.info().catch((error: unknown) => {
    if (error instanceof Error && /^(NOPERM|ERR unknown command)/.test(error.message)) return '';
    throw error;
  });
  return parseMemory(info);
}

/** @param info - what `INFO` answers. Source: https://redis.io/docs/latest/commands/info/ */
export function parseMemory(info: string): QueueMemory | undefined {
  const field = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1] ?? 0);
  const limitBytes = field('maxmemory');
  if (limitBytes === 0) return undefined;
  // Buffers of replicas and of the append-only file do not count against the limit.
  return { usedBytes: field('used_memory') - field('mem_not_counted_for_evict'), limitBytes };
}
