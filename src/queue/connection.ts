/** Where a queue lives, and whether it can be reached. */
import { Cluster, Redis, type RedisOptions } from 'ioredis';
import type pg from 'pg';
import { ReaperError } from '../errors.js';
import type { Patience } from '../passing.js';
import { withoutPassword } from '../redact.js';
import { describeStoreTrouble } from '../store-trouble.js';
import { readRedisUrl } from '../store-url.js';
import { copyOfTls, type TlsOptions } from '../tls-options.js';

export interface RedisConnection {
  kind: 'redis';
  url: string;
  /** What the names of its keys begin with, as it is configured; default `bull`. See {@link keyPrefix}. */
  prefix?: string | undefined;
  /** Where its URL says TLS: certificates of the user's own. */
  tls?: TlsOptions | undefined;
}

export type QueueConnection =
  | RedisConnection
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

type ConnectionOptions = Omit<RedisOptions, 'replyMapping'>;

/** A connection to one Redis, where Sentinels may say which, or to a cluster of them. */
export type RedisClient = Redis | Cluster;

/**
 * What BullMQ's keys begin with. A cluster spreads keys over its nodes, and BullMQ's scripts need
 * those of a queue together: what stands in braces decides where a key is.
 */
export function keyPrefix({ url, prefix = 'bull' }: Omit<RedisConnection, 'kind'>): string {
  const needsBraces = readRedisUrl(url).kind === 'cluster' && !/\{.+\}/.test(prefix);
  return needsBraces ? `{${prefix}}` : prefix;
}

/** A key as those of a queue are. It need not be there. */
export function sampleKey(connection: Omit<RedisConnection, 'kind'>): string {
  return `${keyPrefix(connection)}:room-reaper:meta`;
}

/** The one place where a connection to a Redis is made, whatever its URL says it is. */
export function createRedis(url: string, options: ConnectionOptions): RedisClient {
  const { kind, tls: hasTls, hosts, name, database, options: ofUrl } = readRedisUrl(url);
  const db = database === undefined ? {} : { db: database };
  const tls = hasTls ? (options.tls ?? {}) : undefined;
  switch (kind) {
    case 'server':
      // Of a URL and options ioredis believes the URL, which knows no certificates.
      if (tls === undefined || options.tls === undefined) return new Redis(url, options);
      return new Redis({ ...options, ...ofUrl, ...hosts[0], ...db, tls });
    case 'sentinel':
      return new Redis({
        ...options,
        ...ofUrl,
        ...{ ...db, sentinels: hosts, name },
        sentinelRetryStrategy: (times) => options.retryStrategy?.(times) ?? null,
        sentinelCommandTimeout: connectTimeoutMs,
        ...(tls ? { tls, sentinelTLS: tls, enableTLSForSentinelMode: true } : {}),
      });
    case 'cluster': {
      const { lazyConnect = false, enableOfflineQueue = true, retryStrategy, ...ofNodes } = options;
      return new Cluster(hosts, {
        ...{ lazyConnect, enableOfflineQueue },
        // One that is tried once would never say what that check found.
        enableReadyCheck: !lazyConnect,
        clusterRetryStrategy: (times) => retryStrategy?.(times) ?? null,
        slotsRefreshTimeout: connectTimeoutMs,
        // While a node is replaced, which takes its timeout (15 s) and an election, whoever
        // waits for a single Redis however long it takes waits here too.
        ...(options.maxRetriesPerRequest === null
          ? { maxRedirections: Number.POSITIVE_INFINITY, retryDelayOnFailover: 500 }
          : {}),
        // A certificate is one of names, and a name that was looked up is none any more.
        ...(tls ? { dnsLookup: (host, callback) => callback(null, host) } : {}),
        redisOptions: { ...ofNodes, ...ofUrl, ...(tls ? { tls } : {}) },
      });
    }
    default:
      return kind satisfies never;
  }
}

function certificatesOf({ tls }: Pick<RedisConnection, 'tls'>): ConnectionOptions {
  return tls === undefined ? {} : { tls: copyOfTls(tls) };
}

/** The server that a key is on: of a cluster, one of its nodes. */
export async function serverOf(redis: RedisClient, key: string): Promise<Redis> {
  if (!(redis instanceof Cluster)) return redis;
  const slot = await redis.cluster('KEYSLOT', key);
  const address = redis.slots[slot]?.[0];
  const isIt = ({ options }: Redis) => `${options.host}:${options.port}` === address;
  const server = redis.nodes('master').find(isIt);
  if (server === undefined) throw new Error('CLUSTERDOWN no node has the keys of the queue');
  return server;
}

/**
 * Connects once, and lends it to `use`.
 *
 * @param options - of the connection; it is not tried again.
 * @throws what says most of why it could not be used.
 */
export async function withRedisOnce<R>(
  url: string,
  options: ConnectionOptions,
  use: (redis: RedisClient) => Promise<R>,
): Promise<R> {
  const redis = createRedis(url, {
    ...{ lazyConnect: true, retryStrategy: () => null, maxRetriesPerRequest: 0 },
    ...options,
  });
  const ofSentinels: Error[] = [];
  let cause: Error | undefined;
  redis.on('error', (error: Error) => {
    cause = error;
  });
  redis.on('sentinelError', ({ message }: Error) => {
    ofSentinels.push(new Error(sentinelTrouble(message)));
  });
  try {
    await redis.connect();
    return await use(redis);
  } catch (error) {
    throw originOf(cause ?? (error as Error), ofSentinels);
  } finally {
    drop(redis);
  }
}

/** What a Sentinel did not say, from ioredis's words. */
function sentinelTrouble(message: string): string {
  if (/invalid reply: null$|No such master/.test(message)) return 'NONAME';
  const [, reason = message] = / because (.*)$/s.exec(message) ?? [];
  if (/^(NOAUTH|WRONGPASS|NOPERM)/.test(reason)) return 'SENTINELAUTH';
  return isAway(reason) ? serversAway : reason;
}

/** ioredis keeps to itself why a connection to one of several was closed. */
const isAway = (message: string) => /Connection is closed|timed? ?out|^timeout/i.test(message);

const serversAway = 'NOANSWER';

/** What is behind the words of ioredis where it asked several servers. */
function originOf(error: Error, ofSentinels: readonly Error[]): Error {
  const { lastNodeError } = error as { lastNodeError?: unknown };
  if (lastNodeError instanceof Error) {
    return isAway(lastNodeError.message) ? new Error(serversAway) : lastNodeError;
  }
  if (error.message.startsWith('All sentinels')) {
    // One that says something says more than one that is away.
    return ofSentinels.find(({ message }) => message !== serversAway) ?? ofSentinels[0] ?? error;
  }
  const [, last] = /Cluster redirections\. Last error: (?:\w+: )?(.*)$/s.exec(error.message) ?? [];
  return last === undefined ? error : new Error(last);
}

/** @throws ReaperError `UNAVAILABLE` that names the URL without its password and says what to do. */
export async function checkRedis(connection: Omit<RedisConnection, 'kind'>): Promise<void> {
  const { url } = connection;
  // One that takes the connection and then says nothing cannot be used either.
  const limits = { connectTimeout: connectTimeoutMs, socketTimeout: connectTimeoutMs };
  try {
    await withRedisOnce(url, { ...limits, ...certificatesOf(connection) }, (redis) =>
      checkKind(redis, connection),
    );
  } catch (error) {
    throw redisUnavailable(url, error as Error);
  }
}

/**
 * What would let a start succeed and then fail for ever: a Sentinel, a cluster, a replica, a user
 * who may not run the scripts that BullMQ consists of.
 */
async function checkKind(
  redis: RedisClient,
  connection: Omit<RedisConnection, 'kind'>,
): Promise<void> {
  const key = sampleKey(connection);
  const server = await serverOf(redis, key);
  await server.ping();
  // A connection to a cluster is ready once it was answered this. Refused, it would ask for ever.
  if (server !== redis) await redis.cluster('INFO');
  const info = await server.info().catch(() => '');
  if (/^redis_mode:sentinel/m.test(info)) throw new Error('SENTINEL');
  if (/^cluster_enabled:1/m.test(info) && server === redis) throw new Error('CLUSTER');
  if (/^role:slave/m.test(info)) throw new Error('READONLY');
  // It names a key, so that the keys that the user may touch count too.
  await redis.eval("return redis.call('EXISTS', KEYS[1])", 1, key);
}

/** Ends a connection at once. Of one that has ended already ioredis would wait for the end. */
export function drop(redis: RedisClient): void {
  if (redis.status !== 'end') redis.disconnect();
}

/**
 * ioredis puts the command into the error of a refused one: of AUTH and HELLO, with the password.
 * Who uses the library may print the whole error.
 */
export function withoutCommand<E>(error: E): E {
  if (error instanceof Error) {
    delete (error as { command?: unknown }).command;
    withoutCommand((error as { lastNodeError?: unknown }).lastNodeError);
  }
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
export function connectRedis(
  { url, tls }: Pick<RedisConnection, 'url' | 'tls'>,
  failFast: boolean,
): RedisClient {
  const redis = createRedis(url, {
    ...certificatesOf({ tls }),
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
  // Of a node that is away whoever waits is told, as of a Redis that is one server.
  redis.once('ready', () => redis.on('node error', (error: Error) => redis.emit('error', error)));
  return redis.on('error', withoutCommand);
}
