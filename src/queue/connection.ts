/** Where a queue lives, and whether it can be reached. */
import { Redis } from 'ioredis';
import type pg from 'pg';
import { ReaperError } from '../errors.js';
import type { Patience } from '../passing.js';
import { withoutPassword } from '../redact.js';
import { describeStoreTrouble } from '../store-trouble.js';

export type QueueConnection =
  | { kind: 'redis'; url: string }
  | {
      kind: 'postgres';
      connection: pg.PoolConfig;
      /** How it is called in messages. */
      shownAs: string;
      /** How opening is tried again while the server comes and goes. Default: not at all. */
      patience?: Patience;
    };

/** How long a first connection may take, in milliseconds. */
const connectTimeoutMs = 5_000;

/**
 * How long the server of a queue may say nothing while it owes a worker an answer, in
 * milliseconds. A peer that is gone without a word (a failover, a firewall that forgot) would
 * otherwise hold up every command for as long as TCP believes in it. BullMQ waits for a job
 * for ten seconds at most.
 */
export const answerTimeoutMs = 20_000;

/**
 * How long a producer, and the first look at a server, wait for an answer, in milliseconds.
 * A server can hang without hanging up; workers wait for it, callers must be told.
 */
export const answerLimitMs = 10_000;

/**
 * How long a connection that is dropped may take to end, in milliseconds. By itself ioredis gives
 * it two seconds, on a timer that keeps the process, also where the server is away and nothing is
 * left to end.
 */
const disconnectTimeoutMs = 100;

/** @throws ReaperError `UNAVAILABLE` that names the URL without its password and says what to do. */
export async function checkRedis(url: string): Promise<void> {
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: connectTimeoutMs,
    // One that takes the connection and then says nothing cannot be used either.
    socketTimeout: connectTimeoutMs,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
  });
  let cause: Error | undefined;
  redis.on('error', (error: Error) => {
    cause = error;
  });
  try {
    await redis.connect();
    await redis.ping();
    await checkKind(redis);
  } catch (error) {
    throw redisUnavailable(url, cause ?? (error as Error));
  } finally {
    drop(redis);
  }
}

/**
 * What would let a start succeed and then fail for ever: a Sentinel, a cluster, a replica, a user
 * who may not run the scripts that BullMQ consists of.
 */
async function checkKind(redis: Redis): Promise<void> {
  const info = await redis.info().catch(() => '');
  if (/^redis_mode:sentinel/m.test(info)) throw new Error('SENTINEL');
  if (/^cluster_enabled:1/m.test(info)) throw new Error('CLUSTER');
  if (/^role:slave/m.test(info)) throw new Error('READONLY');
  // It names a key, so that the keys that the user may touch count too.
  await redis.eval("return redis.call('EXISTS', KEYS[1])", 1, 'bull:room-reaper:meta');
}

/** Ends a connection at once. Of one that has ended already ioredis would wait for the end. */
export function drop(redis: Redis): void {
  if (redis.status !== 'end') redis.disconnect();
}

/**
 * ioredis puts the command into the error of a refused one: of AUTH and HELLO, with the password.
 * Who uses the library may print the whole error.
 */
export function withoutCommand<E>(error: E): E {
  if (error instanceof Error) delete (error as { command?: unknown }).command;
  return error;
}

export function redisUnavailable(url: string, reason: Error): ReaperError {
  const shown = (reason as NodeJS.ErrnoException).code ?? wordOf(reason);
  return new ReaperError(
    'UNAVAILABLE',
    `Redis at ${withoutPassword(url)} cannot be used: ${describeStoreTrouble(reason, shown, 'Redis', 'QUEUE_URL')}`,
    { cause: withoutCommand(reason) },
  );
}

/** Its answers begin with a word in capitals; the rest of one may name what was sent. */
function wordOf({ message }: Error): string | undefined {
  return /^(?!ERR\b)[A-Z]{2,30}\b/.exec(message)?.[0];
}

/**
 * @param failFast - for producers: while Redis is down, adding fails at once instead of waiting.
 */
export function connectRedis(url: string, failFast: boolean): Redis {
  const redis = new Redis(url, {
    // Workers wait for Redis however long it takes.
    maxRetriesPerRequest: failFast ? 1 : null,
    enableOfflineQueue: !failFast,
    ...(failFast ? { commandTimeout: answerLimitMs } : {}),
    connectTimeout: connectTimeoutMs,
    socketTimeout: answerTimeoutMs,
    disconnectTimeout: disconnectTimeoutMs,
    // After a failover the address leads to another server, and this connection to the one that
    // was the primary. 2: and the command is sent again there.
    reconnectOnError(error) {
      if (!/READONLY/.test(error.message)) return false;
      // Sent again, the command itself does not fail: nobody else would tell.
      if (!failFast) redis.emit('error', withoutCommand(error));
      return failFast ? 1 : 2;
    },
    retryStrategy: (times) => Math.min(100 * 2 ** Math.min(times, 6), 2_000),
  });
  return redis.on('error', withoutCommand);
}
