import { spawn, type ChildProcess } from 'node:child_process';
import { lstatSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import pg from 'pg';
import {
  openEmbedded,
  type EmbeddedDatabase,
  type EmbeddedOptions,
} from '../../src/embedded/open-embedded.js';
import { afterThisFile, afterThisTest } from '../support/clean-up.js';
import { makeDataDirectory } from '../support/data-directory.js';
import { sameTier } from '../support/embedded.js';

/** A path that nothing is at yet. */
export function freshPath(): string {
  const folder = mkdtempSync(join(tmpdir(), 'rr-'));
  afterThisFile(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'd');
}

/** A data directory with a new database that is closed. @param name - a folder below, where it is. */
export async function freshDatabase(name = ''): Promise<string> {
  const path = join(freshPath(), name);
  await makeDataDirectory(path);
  return path;
}

/** All that is in a directory, with itself. */
export function everythingIn(directory: string): string[] {
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' });
  return [directory, ...names.map((name) => join(directory, name))];
}

/** What is in a directory, or itself, and not for its user only. */
export function openToOthers(directory: string): string[] {
  return everythingIn(directory)
    .map((path) => ({ path, stats: lstatSync(path) }))
    .filter(({ stats }) => !stats.isSocket() && (stats.mode & 0o077) > 0)
    .map(({ path }) => path);
}

/** Opens the database until the test's end. */
export async function open(dataDir: string, options?: EmbeddedOptions): Promise<EmbeddedDatabase> {
  const database = await openEmbedded(dataDir, options);
  afterThisTest(() => database.close());
  return database;
}

/** A client of its own connection, until the test's end. */
export async function connect({ connection }: EmbeddedDatabase): Promise<pg.Client> {
  const client = new pg.Client(connection);
  client.on('error', () => undefined);
  await client.connect();
  afterThisTest(() => client.end().catch(() => undefined));
  return client;
}

/** Runs one statement on a new connection. */
export async function query(
  { connection }: EmbeddedDatabase,
  sql: string,
  values: unknown[] = [],
): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(connection);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql, values)).rows;
  } finally {
    await client.end();
  }
}

/** The same, again and again until it succeeds: while the database changes hands. */
export async function queryAtLast(
  database: EmbeddedDatabase,
  sql: string,
): Promise<Record<string, unknown>[]> {
  for (let tries = 0; ; tries++) {
    try {
      return await query(database, sql);
    } catch (error) {
      if (tries > 300) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

export interface OtherProcess {
  child: ChildProcess;
  /** What it prints next. */
  said(): Promise<string>;
  kill(): Promise<void>;
}

const compiled = new URL('../../dist/embedded/open-embedded.js', import.meta.url).href;
const pgModule = import.meta.resolve('pg');

const usingPool = (script: string): string => `
    const { default: pg } = await import(${JSON.stringify(pgModule)});
    const pool = new pg.Pool(db.connection);
    pool.on('error', () => undefined);
    ${script}`;

/**
 * A second Node process that opens `dataDir`, prints its role or the error, then runs
 * `script`, if there is one, with `db` and `pool`.
 *
 * @param uid - of another user whose process it is.
 */
export function otherProcess(dataDir: string, script = '', uid?: number): OtherProcess {
  const source = `
    import { openEmbedded } from ${JSON.stringify(compiled)};
    const db = await openEmbedded(${JSON.stringify(dataDir)}).catch((error) => {
      console.log(error.code + ' ' + error.message);
      process.exit(1);
    });
    console.log(db.role);
    setInterval(() => undefined, 1000);
    ${script === '' ? '' : usingPool(script)}`;
  const child = spawn(process.execPath, [...sameTier, '--input-type=module', '-e', source], {
    stdio: ['ignore', 'pipe', 'inherit'],
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL');
    await exited;
  };
  afterThisTest(kill);
  return {
    child,
    async said() {
      const next = await lines.next();
      return next.done === true ? '(ended)' : next.value;
    },
    kill,
  };
}
