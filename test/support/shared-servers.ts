import { randomBytes } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Source, chooseSources, ownable } from './choose.js';
import {
  findPgbouncer,
  findPromtool,
  findPostgres,
  findRedis,
  isRootOnDebian,
  postgresFacts,
  redisFacts,
} from './facts.js';
import { installPackage } from './install.js';
import { keep } from './keeper.js';
import { startPostgres, usePostgres, withPostgres } from './postgres.js';
import { startRedis, useRedis } from './redis.js';
import { say } from './say.js';

/** What every test is given: plain data, since it crosses to other processes. */
export interface SharedServers {
  redisUrl: string;
  databaseUrl: string;
  /** How the names of the databases begin that this run makes. */
  databasePrefix: string;
  /** Where a test may get a server of its own from. */
  redisSources: Source[];
  postgresSources: Source[];
  /** Where the database is kept that embedded ones are copied from (data-directory.ts). */
  embeddedFolder: string;
  /** The program of the pooler; undefined: it cannot be had here, and its tests are left out. */
  pgbouncer: string | undefined;
  /** The same of the checker of Prometheus. */
  promtool: string | undefined;
}

interface Started {
  url: string;
  stop: () => Promise<void>;
}

const given = (url: string): Started => ({ url, stop: () => Promise.resolve() });

/** Starts what all tests share. `stop` ends it; it ends by itself if this process dies. */
export async function startSharedServers(): Promise<SharedServers & { stop: () => Promise<void> }> {
  const redis = await startFirst('Redis', chooseSources(await redisFacts()), startSharedRedis);
  try {
    const postgres = await startFirst(
      'Postgres',
      chooseSources(await postgresFacts()),
      startSharedPostgres,
    );
    const databasePrefix = `room_reaper_test_${randomBytes(4).toString('hex')}_`;
    const embeddedFolder = mkdtempSync(join(tmpdir(), 'room-reaper-test-'));
    const keeper = keep(embeddedFolder, 'SIGKILL');
    return {
      redisUrl: redis.url,
      databaseUrl: postgres.url,
      databasePrefix,
      // Asked anew: a program may have been installed meanwhile.
      redisSources: ownable(await redisFacts(), redis.failed),
      postgresSources: ownable(await postgresFacts(), postgres.failed),
      embeddedFolder,
      pgbouncer: optional('pgbouncer', 'pgbouncer', findPgbouncer),
      promtool: optional('promtool', 'prometheus', findPromtool),
      async stop() {
        // Ours goes as a whole.
        if (postgres.source.kind === 'url') await dropDatabases(postgres.url, databasePrefix);
        await Promise.all([redis.stop(), postgres.stop(), keeper.end()]);
      },
    };
  } catch (error) {
    await redis.stop();
    throw error;
  }
}

async function startSharedRedis(source: Source): Promise<Started> {
  switch (source.kind) {
    case 'url':
      return given(await useRedis(source.url));
    case 'install':
      return startSharedRedis(install('redis-server', findRedis));
    case 'docker':
    case 'program':
      // Nothing on disk: what the shared server holds is of no use after the run. Many
      // databases, so that every test file can have its own.
      return startRedis(source, { settings: { appendonly: 'no', databases: '512' } });
  }
}

async function startSharedPostgres(source: Source): Promise<Started> {
  switch (source.kind) {
    case 'url':
      return given(await usePostgres(source.url));
    case 'install':
      return startSharedPostgres(install('postgresql', findPostgres));
    case 'docker':
    case 'program':
      // Nothing lives long enough to be vacuumed, and a worker would come by for each database.
      return startPostgres(source, { settings: { autovacuum_naptime: '1h' } });
  }
}

async function dropDatabases(url: string, prefix: string): Promise<void> {
  await withPostgres(url, async (client) => {
    const { rows } = await client.query<{ name: string }>(
      'SELECT datname AS name FROM pg_database WHERE starts_with(datname, $1)',
      [prefix],
    );
    for (const { name } of rows) await client.query(`DROP DATABASE ${name} WITH (FORCE)`);
  });
}

/** A program that a few tests are about; where it cannot be had they are left out, and it is said. */
function optional(
  name: string,
  debianPackage: string,
  find: () => string | undefined,
): string | undefined {
  if (find() === undefined && isRootOnDebian()) {
    try {
      installPackage(debianPackage);
    } catch (error) {
      say(`no ${name}: ${(error as Error).message}`);
    }
  }
  const program = find();
  if (program === undefined)
    say(`the tests with ${name} are left out; install it, or set TEST_${name.toUpperCase()}`);
  return program;
}

function install(name: string, find: () => string | undefined): Source {
  installPackage(name);
  const path = find();
  if (path === undefined) throw new Error(`the package ${name} brought no server program`);
  return { kind: 'program', path };
}

/** Takes the first source that works, and says which one and why not the ones before it. */
export async function startFirst<T>(
  what: 'Redis' | 'Postgres',
  sources: Source[],
  start: (source: Source) => Promise<T>,
): Promise<T & { source: Source; failed: Source[] }> {
  const failures: string[] = [];
  const failed: Source[] = [];
  for (const source of sources) {
    try {
      const started = await start(source);
      say(`${what} from ${describe(source)}`);
      return { ...started, source, failed };
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      failed.push(source);
      failures.push(`${describe(source)}: ${message}`);
      say(`${what} from ${describe(source)} did not work: ${message.split('\n')[0] ?? ''}`);
    }
  }
  throw new Error([whatToDo(what), ...failures].join('\n'));
}

export function whatToDo(what: 'Redis' | 'Postgres'): string {
  const variable = what === 'Redis' ? 'TEST_REDIS_URL' : 'TEST_DATABASE_URL';
  const program = what === 'Redis' ? 'redis-server' : 'postgres';
  return (
    `the tests need a ${what} and found none; start Docker, or install ${program}, ` +
    `or set ${variable} to a server that the tests may write to`
  );
}

export function describe(source: Source): string {
  switch (source.kind) {
    case 'url':
      return 'the URL in the environment';
    case 'docker':
      return 'a Docker container';
    case 'program':
      return source.path;
    case 'install':
      return 'the Debian package';
  }
}
