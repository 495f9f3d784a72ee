/** Servers for benchmarks, from where the tests take theirs. */
import { randomUUID } from 'node:crypto';
import { withPostgres } from '../test/support/postgres.js';
import { startRedis, type RedisServerOptions } from '../test/support/redis.js';
import type { OwnServer } from '../test/support/server.js';
import type { SharedServers } from '../test/support/shared-servers.js';

/** A Redis that nobody else uses, with deploy/redis.conf and what is set over it. */
export async function ownRedis(
  servers: SharedServers,
  options?: RedisServerOptions,
): Promise<OwnServer> {
  const [source] = servers.redisSources;
  if (source === undefined)
    throw new Error('a benchmark needs a Redis of its own: install redis-server or start Docker');
  return startRedis(source, options);
}

/** An empty database. */
export async function createOwnDatabase(
  servers: SharedServers,
): Promise<{ url: string; drop: () => Promise<void> }> {
  const name = `room_reaper_bench_${randomUUID().replaceAll('-', '')}`;
  await withPostgres(servers.databaseUrl, (client) => client.query(`create database ${name}`));
  const url = new URL(servers.databaseUrl);
  url.pathname = `/${name}`;
  return {
    url: url.href,
    async drop() {
      await withPostgres(servers.databaseUrl, (client) =>
        client.query(`drop database if exists ${name} with (force)`),
      );
    },
  };
}
