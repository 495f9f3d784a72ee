/**
 * The servers of the tests: import this file.
 *
 * A test file takes a database of its own with `createDatabase` and a Redis of its own
 * with `freshRedis`, on servers that all share. A test that kills a server starts its
 * own with `startRedisServer` or `startPostgresServer`.
 */
import { randomUUID } from 'node:crypto';
import { inject } from 'vitest';
import { makeDataDirectory } from './data-directory.js';
import { openFreshEmbedded } from './embedded.js';
import './global-setup.js';
import { type PostgresServerOptions, startPostgres, withPostgres } from './postgres.js';
import { type RedisServerOptions, startRedis, withRedis } from './redis.js';
import type { OwnServer } from './server.js';
import { type SharedServers, describe } from './shared-servers.js';
import type { Source } from './choose.js';

export type { OwnServer } from './server.js';
export { withPostgres } from './postgres.js';
export { withRedis } from './redis.js';

function servers(): SharedServers {
  const found = inject('servers') as SharedServers | undefined;
  if (found === undefined) {
    throw new Error(
      'this test file runs in the project "unit", which has no servers; take it out of the list of unit tests in vitest.config.ts',
    );
  }
  return found;
}

/** The Redis that all tests share, database 0. Prefer `freshRedis`. */
export function redisUrl(): string {
  return servers().redisUrl;
}

/** The Postgres that all tests share, as a user that may create databases. Prefer `createDatabase`. */
export function databaseUrl(): string {
  return servers().databaseUrl;
}

/** An empty database of its own, for one test file. `drop` removes it with its connections. */
export async function createDatabase(): Promise<{ url: string; drop: () => Promise<void> }> {
  const { databaseUrl: base, databaseIsEmbedded } = servers();
  if (databaseIsEmbedded) {
    const embedded = await openFreshEmbedded(makeDataDirectory);
    return { url: embedded.url, drop: () => embedded.close() };
  }
  const name = `room_reaper_test_${randomUUID().replaceAll('-', '')}`;
  await withPostgres(base, (client) => client.query(`CREATE DATABASE ${name}`));
  const url = new URL(base);
  url.pathname = `/${name}`;
  return {
    url: url.href,
    async drop() {
      await withPostgres(base, (client) =>
        client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`),
      );
    },
  };
}

/**
 * KEYS: none. ARGV[1]: how many databases there are, ARGV[2]: where to begin.
 * Claims the first empty database by writing a key into it, and returns its number, or -1.
 */
const claimDatabase = `
local count, first = tonumber(ARGV[1]), tonumber(ARGV[2])
for step = 0, count - 2 do
  local number = 1 + (first + step) % (count - 1)
  redis.call('SELECT', number)
  if redis.call('DBSIZE') == 0 then
    redis.call('SET', 'claimed-by-a-test', '1')
    return number
  end
end
return -1
`;

/**
 * A URL of the shared Redis with a database number that nobody else uses: it was empty
 * and holds a claim. `drop` empties it.
 */
export async function freshRedis(): Promise<{ url: string; drop: () => Promise<void> }> {
  const base = redisUrl();
  const number = await withRedis(base, async (redis) => {
    const [, count = '16'] = await redis.config('GET', 'databases');
    return redis.eval(claimDatabase, 0, count, Math.floor(Math.random() * 10_000));
  });
  if (number === -1) {
    throw new Error(
      'every database of the Redis in TEST_REDIS_URL holds keys; empty those that earlier tests left',
    );
  }
  const url = new URL(base);
  url.pathname = `/${String(number)}`;
  return {
    url: url.href,
    async drop() {
      await withRedis(url.href, (redis) => redis.flushdb());
    },
  };
}

/** An SDKAppID that no other test uses: queue names and limiter rows hold it. */
export function freshSdkAppId(): number {
  return 1_400_000_000 + Math.floor(Math.random() * 100_000_000);
}

/** A Redis of the test's own, with the shipped settings (append-only file on). Call `stop` at the end. */
export function startRedisServer(options?: RedisServerOptions): Promise<OwnServer> {
  return startOwn('Redis', servers().redisSources, (source) => startRedis(source, options));
}

/** A Postgres of the test's own, with fsync on. Call `stop` at the end. */
export function startPostgresServer(options?: PostgresServerOptions): Promise<OwnServer> {
  return startOwn('Postgres', servers().postgresSources, (source) =>
    startPostgres(source, options),
  );
}

async function startOwn(
  what: 'Redis' | 'Postgres',
  sources: Source[],
  start: (source: Source) => Promise<OwnServer>,
): Promise<OwnServer> {
  const failures: string[] = [];
  for (const source of sources) {
    try {
      return await start(source);
    } catch (error) {
      failures.push(
        `${describe(source)}: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  }
  const hint = `this test kills a ${what} and so needs one of its own, not only a URL; start Docker or install it`;
  throw new Error([hint, ...failures].join('\n'));
}
