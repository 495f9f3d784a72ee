/**
 * The servers of the tests: import this file.
 *
 * A test takes a database of its own with `createDatabase` and a Redis of its own with
 * `freshRedis`, on servers that all share. A test that kills a server starts its
 * own with `startRedisServer` or `startPostgresServer`.
 */
import { randomUUID } from 'node:crypto';
import type { Client } from 'pg';
import { inject } from 'vitest';
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
      'this test file runs in the project "unit", which has no servers; take ".unit" out of its name',
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

export interface TestDatabase {
  url: string;
  /** Gives it back; its connections end. */
  drop: () => Promise<void>;
}

/** Those that were given back, without a row in them. */
const idle: string[] = [];

/**
 * A database without rows that nobody else uses, for one test or one file. Making one and
 * bringing its schemas up to date takes longer than most tests, so one that was given back is
 * used again: it may have tables. Where nothing must have been made yet, take
 * `createFreshDatabase`.
 */
export async function createDatabase(): Promise<TestDatabase> {
  const before = idle.pop();
  const { url, drop } = before === undefined ? await createFreshDatabase() : used(before);
  return {
    url,
    async drop() {
      try {
        await withPostgres(url, empty);
        idle.push(url);
      } catch {
        // What a test did to it is more than emptying it undoes.
        await drop();
      }
    },
  };
}

/** Ends the other connections, so that nothing is written any more, and removes all rows. */
async function empty(client: Client): Promise<void> {
  await client.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid()`,
  );
  const { rows } = await client.query<{ name: string }>(
    `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
      WHERE schemaname NOT IN ('pg_catalog', 'information_schema') AND tablename !~ 'migration'
        AND pg_relation_size(format('%I.%I', schemaname, tablename)::regclass) > 0`,
  );
  if (rows.length === 0) return;
  await client.query(
    `TRUNCATE ${rows.map(({ name }) => name).join(', ')} RESTART IDENTITY CASCADE`,
  );
}

/** A database of its own in which nothing was made yet. */
export async function createFreshDatabase(): Promise<TestDatabase> {
  const { databaseUrl: base, databasePrefix } = servers();
  const name = `${databasePrefix}${randomUUID().replaceAll('-', '')}`;
  await withPostgres(base, (client) => client.query(`CREATE DATABASE ${name}`));
  const url = new URL(base);
  url.pathname = `/${name}`;
  return used(url.href);
}

function used(url: string): TestDatabase {
  return {
    url,
    async drop() {
      await withPostgres(databaseUrl(), (client) =>
        client.query(`DROP DATABASE IF EXISTS ${new URL(url).pathname.slice(1)} WITH (FORCE)`),
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
