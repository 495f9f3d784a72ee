import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import type { Source } from './choose.js';
import { startContainer } from './container.js';
import { startProgram } from './program.js';
import { type OwnServer, untilItAnswers } from './server.js';

/** The Redis settings that room-reaper ships: what the tests run on is what users are given. */
export const shippedRedisConfig = fileURLToPath(
  new URL('../../deploy/redis.conf', import.meta.url),
);

export interface RedisServerOptions {
  /** Redis settings over those of deploy/redis.conf, for example `{ appendfsync: 'always' }`. */
  settings?: Record<string, string>;
  /** It is a Sentinel with these lines of configuration, which it rewrites. */
  sentinel?: string;
}

export function startRedis(source: Source, options: RedisServerOptions = {}): Promise<OwnServer> {
  const { sentinel } = options;
  const settings = Object.entries(options.settings ?? {}).flatMap(([key, value]) => [
    `--${key}`,
    value,
  ]);
  switch (source.kind) {
    case 'program':
      return startProgram({
        name: 'redis-server',
        // A copy: Sentinels have what they watch write its configuration anew, and do so themselves.
        prepare(folder) {
          if (sentinel === undefined) copyFileSync(shippedRedisConfig, join(folder, 'redis.conf'));
          else writeFileSync(join(folder, 'redis.conf'), sentinel);
        },
        command: (folder, port) => [
          source.path,
          join(folder, 'redis.conf'),
          ...(sentinel === undefined ? [] : ['--sentinel']),
          ...['--port', String(port), '--bind', '127.0.0.1', '--dir', folder],
          ...('cluster-enabled' in (options.settings ?? {})
            ? ['--cluster-port', String(busPort(port))]
            : []),
          ...settings,
        ],
        url: (port) => `redis://127.0.0.1:${port}`,
        ask: askRedis,
        stopSignal: 'SIGTERM',
        endSignal: 'SIGKILL',
      });
    case 'docker':
      if (sentinel !== undefined) throw new Error('a Sentinel needs a redis-server here');
      return startContainer({
        image: process.env.TEST_REDIS_IMAGE ?? 'redis:7-alpine',
        port: 6379,
        file: { source: shippedRedisConfig, target: '/usr/local/etc/redis/redis.conf' },
        command: [
          'redis-server',
          '/usr/local/etc/redis/redis.conf',
          ...['--bind', '0.0.0.0', '--protected-mode', 'no'],
          ...settings,
        ],
        url: (host, port) => `redis://${host}:${port}`,
        ask: askRedis,
      });
    case 'url':
    case 'install':
      throw new Error(`a Redis of a test's own cannot come from: ${source.kind}`);
  }
}

/**
 * Where the nodes of a cluster talk to each other. By default it is 10,000 above the port, where
 * Linux gives ports to outgoing connections, so that one of these would keep a node from starting.
 */
export function busPort(port: number): number {
  return port - 10_000;
}

export async function askRedis(url: string): Promise<void> {
  await withRedis(url, (redis) => redis.ping());
}

/** Runs one thing on a connection that fails at once where there is no server. */
export async function withRedis<T>(url: string, use: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: 5_000,
    maxRetriesPerRequest: 0,
    retryStrategy: null,
  });
  // The failure reaches the caller through connect(); without a listener it is also logged.
  redis.on('error', () => undefined);
  try {
    await redis.connect();
    return await use(redis);
  } finally {
    redis.disconnect();
  }
}

/** The server behind TEST_REDIS_URL: it must answer, and it is not ours to stop. */
export async function useRedis(url: string): Promise<string> {
  await untilItAnswers('the Redis of TEST_REDIS_URL', () => askRedis(url));
  return url;
}
