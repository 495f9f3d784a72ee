/** Opening BullMQ on Redis or Postgres, the same classes over either. */
import { createPostgresBackend, Queue, Worker, type WorkerOptions } from 'bullmq';
import { once } from 'node:events';
import type pg from 'pg';
import { patiently, startPatienceMs } from '../passing.js';
import { openPool } from '../postgres-session.js';
import { within } from '../time-limit.js';
import {
  answerLimitMs,
  answerTimeoutMs,
  checkRedis,
  connectRedis,
  drop,
  keyPrefix,
  redisUnavailable,
  withoutCommand,
  type QueueConnection,
  type RedisConnection,
} from './connection.js';
import { queueName, type DestroyJob, type DestroyQueue, type DestroyWorker } from './job.js';
import { LeanQueue } from './lean-queue.js';
import { ledgerMarkOnPostgres, ledgerMarkOnRedis, type LedgerMark } from './ledger-mark.js';
import { lookUpOnPostgres, lookUpOnRedis, type QueueLookUp } from './look-up.js';
import { manyJobsOnPostgres, manyJobsOnRedis, type ManyJobs } from './many-jobs.js';
import { pauseOnPostgres, pauseOnRedis, type QueuePause } from './pause.js';
import {
  roomsOfBatchOnPostgres,
  roomsOfBatchOnRedis,
  type RoomsOfBatch,
} from './rooms-of-batch.js';
import { prepareTables, queueUnavailable, schema } from './tables.js';
import { addInShortCalls, jobsAtOnce } from './short-calls.js';
import { takeOffPostgres, takeOffRedis, type TakeOff } from './take-back.js';

/** Entries kept in BullMQ's event stream; nothing here reads it, people's dashboards do. */
const eventsKept = 1_000;

export interface OpenQueue {
  readonly queue: DestroyQueue;
  readonly lookUp: QueueLookUp;
  readonly jobs: ManyJobs;
  readonly roomsOf: RoomsOfBatch;
  readonly ledger: LedgerMark;
  readonly takeOff: TakeOff;
  /** By hand. */
  readonly pause: QueuePause;
  /** @param processor - called for each job with its lock token. */
  createWorker(
    processor: (job: DestroyJob, token: string | undefined) => Promise<void>,
    options: Omit<WorkerOptions, 'connection'>,
  ): Promise<DestroyWorker>;
  close(): Promise<void>;
}

export interface OpenQueueOptions {
  sdkAppId: number;
  connection: QueueConnection;
  /** For producers: while Redis is down, adding fails at once instead of waiting. */
  failFast?: boolean;
  /** Tries each statement as patiently as opening: for commands. A worker knows itself what it tries again. */
  isPatient?: boolean;
  /** For what asks for nothing new: opening it leaves no trace, so that one which is not there is not made. */
  mustBeThere?: boolean;
  /** Only to look: nothing is written, so a queue in Postgres must be there and up to date. */
  readOnly?: boolean;
  onError: (error: Error) => void;
}

/** @throws ReaperError `UNAVAILABLE` where the queue cannot be reached. */
export async function openQueue(options: OpenQueueOptions): Promise<OpenQueue> {
  const { connection } = options;
  let isClosing = false;
  const heard = {
    ...options,
    // A connection that breaks while it is closed is no trouble.
    onError(error: Error) {
      if (!isClosing) options.onError(withoutCommand(error));
    },
  };
  const opened = await (connection.kind === 'redis'
    ? openOnRedis(heard, connection)
    : openOnPostgres(heard, connection));
  return {
    ...opened,
    close() {
      isClosing = true;
      return opened.close();
    },
  };
}

async function openOnRedis(options: OpenQueueOptions, place: RedisConnection): Promise<OpenQueue> {
  const { url } = place;
  await checkRedis(place);
  const prefix = keyPrefix(place);
  const name = queueName(options.sdkAppId);
  const failFast = options.failFast ?? false;
  const redis = connectRedis(place, failFast);
  redis.on('error', options.onError);
  const queue: DestroyQueue = new LeanQueue(name, {
    ...{ connection: redis, prefix },
    streams: { events: { maxLen: eventsKept } },
    // Without skipVersionCheck it would keep refusing after Redis is back.
    skipMetasUpdate: leavesNoTrace(options),
    ...(failFast ? { skipWaitingForReady: true, skipVersionCheck: true } : {}),
  });
  queue.on('error', options.onError);
  try {
    // With skipWaitingForReady nothing else waits for the first connection.
    if (redis.status !== 'ready') await once(redis, 'ready');
    await queue.waitUntilReady();
  } catch (error) {
    // It went away after it was checked. Left open, the connection would try again for good.
    drop(redis);
    throw redisUnavailable(url, error as Error);
  }
  const connections = [redis];
  const workers: DestroyWorker[] = [];
  const jobs = manyJobsOnRedis(redis, queue);
  return {
    ...{ queue, jobs },
    lookUp: lookUpOnRedis(redis, queue),
    roomsOf: roomsOfBatchOnRedis(queue, jobs),
    ledger: ledgerMarkOnRedis(redis, queue),
    takeOff: takeOffRedis(redis, queue),
    pause: pauseOnRedis(redis, queue),
    createWorker(processor, workerOptions) {
      const connection = connectRedis(place, false);
      connection.on('error', options.onError);
      connections.push(connection);
      const worker: DestroyWorker = new Worker(name, processor, {
        ...{ ...workerOptions, connection, prefix },
      });
      workers.push(worker);
      worker.on('error', options.onError);
      return Promise.resolve(worker);
    },
    async close() {
      await withinLimit(
        Promise.all([queue.close(), ...workers.map((worker) => worker.disconnect())]),
      );
      for (const connection of connections) drop(connection);
    },
  };
}

function leavesNoTrace({ readOnly = false, mustBeThere = false }: OpenQueueOptions): boolean {
  return readOnly || mustBeThere;
}

/** Closing waits for a server that may be gone; then the connection is dropped. In milliseconds. */
const closeLimitMs = 1_000;

async function withinLimit(closing: Promise<unknown>): Promise<void> {
  await within(closeLimitMs, closing).catch(() => undefined);
}

async function openOnPostgres(
  options: OpenQueueOptions,
  place: Extract<QueueConnection, { kind: 'postgres' }>,
): Promise<OpenQueue> {
  const name = queueName(options.sdkAppId);
  const isEmbedded = place.connection.connectionString === undefined;
  const pools: pg.Pool[] = [];
  const openQueuePool = (): pg.Pool => {
    const { pool } = openPool(
      {
        query_timeout: options.failFast ? answerLimitMs : answerTimeoutMs,
        ...place.connection,
        max: 8,
      },
      options.onError,
      { searchPath: schema, patience: options.isPatient ? place.patience : undefined },
    );
    pools.push(pool);
    return pool;
  };
  async function discard(pool: pg.Pool): Promise<void> {
    pools.splice(pools.indexOf(pool), 1);
    await withinLimit(pool.end());
  }

  async function openOnce(): Promise<{ pool: pg.Pool; queue: DestroyQueue }> {
    const pool = openQueuePool();
    let queue: DestroyQueue | undefined;
    try {
      const access = options.mustBeThere ? 'use' : 'make';
      await prepareTables(pool, place, options.readOnly ? 'read' : access);
      // BullMQ's types name the backend; its classes behave the same over each.
      queue = new Queue(
        name,
        { connection: pool as never, skipMetasUpdate: leavesNoTrace(options) },
        createPostgresBackend,
      ) as unknown as DestroyQueue;
      queue.on('error', options.onError);
      if (isEmbedded) addInShortCalls(queue);
      await queue.waitUntilReady();
      return { pool, queue };
    } catch (error) {
      if (queue) await withinLimit(queue.close());
      await discard(pool);
      throw error;
    }
  }

  let opened: { pool: pg.Pool; queue: DestroyQueue };
  try {
    opened = await patiently(place.patience ?? 0, openOnce);
  } catch (error) {
    throw queueUnavailable(place.shownAs, error);
  }
  const { pool, queue } = opened;
  return {
    queue,
    lookUp: lookUpOnPostgres(pool, queue),
    jobs: manyJobsOnPostgres(pool, queue, isEmbedded ? jobsAtOnce : undefined),
    roomsOf: roomsOfBatchOnPostgres(pool, queue),
    ledger: ledgerMarkOnPostgres(pool, queue),
    takeOff: takeOffPostgres(pool, queue),
    pause: pauseOnPostgres(pool, queue),
    createWorker(processor, workerOptions) {
      // BullMQ 6.7 keeps a first connection that failed for good, and its worker would then ask
      // again and again without a pause: one that is not ready is replaced.
      return patiently(startPatienceMs, async () => {
        const workerPool = openQueuePool();
        const worker = new Worker(
          name,
          processor,
          { ...workerOptions, connection: workerPool as never },
          createPostgresBackend,
        ) as unknown as DestroyWorker;
        worker.on('error', options.onError);
        try {
          await worker.waitUntilReady();
        } catch (error) {
          await withinLimit(worker.close(true));
          await discard(workerPool);
          throw error;
        }
        return worker;
      });
    },
    async close() {
      await withinLimit(queue.close());
      await withinLimit(Promise.all(pools.map((each) => each.end())));
    },
  };
}
