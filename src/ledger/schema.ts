/**
 * The schema of the ledger: which version it has, and who brings it up to date.
 *
 * What reads never does. What writes makes a ledger that is not there, and brings an older one up
 * to date where no worker is at work on it: workers of the program before would meet tables that
 * they do not know. `room-reaper migrate` does it all the same; they notice, and end in order.
 *
 * What is up to date is only looked at, without a lock and without a right to change tables.
 */
import { readdirSync, readFileSync } from 'node:fs';
import pg from 'pg';
import { ReaperError } from '../errors.js';
import { ownFile } from '../own-file.js';
import { prepareSession } from '../postgres-session.js';
import { printable } from '../redact.js';
import { isAlive } from './alive.js';

/** What the ledger is opened for. */
export type Access = 'read' | 'write' | 'migrate';

export interface SchemaOptions {
  connection: pg.PoolConfig;
  /** How it is called in messages. */
  shownAs: string;
  access: Access;
  /** Told how far it is. */
  onProgress: (message: string) => void;
}

export interface Migrated {
  /** undefined: there was none. */
  from: number | undefined;
  to: number;
}

/** Any number, the same in every process: whoever holds it migrates. */
const migrationLock = 7_236_548_210;

/**
 * @param client - looks; what is to be done is done on a connection of its own, without a time limit.
 * @throws ReaperError `UNAVAILABLE` where the schema is not as this program needs it, and stays so.
 */
export async function prepareSchema(
  client: pg.Pool | pg.ClientBase,
  options: SchemaOptions,
): Promise<Migrated> {
  const found = await readSchema(client, options);
  if (found.missing.length === 0) return { from: found.version, to: latestMigration() };
  if (options.access === 'read') {
    throw notUpToDate(
      found,
      options,
      found.version === undefined ? 'run `room-reaper migrate`, or start a worker' : runMigrate,
    );
  }
  return migrate(options);
}

interface Schema {
  /** All migrations up to it are applied; undefined: there is no ledger. */
  version: number | undefined;
  /** Those that are not applied, in their order. */
  missing: Migration[];
}

/** @throws ReaperError `UNAVAILABLE` where it is newer than this program. */
async function readSchema(
  client: pg.Pool | pg.ClientBase,
  { shownAs }: SchemaOptions,
): Promise<Schema> {
  const { rows } = await client.query<{ made: boolean }>(
    `select to_regclass('room_reaper.migrations') is not null as made`,
  );
  if (!rows[0]?.made) return { version: undefined, missing: readMigrations() };
  const applied = await client.query<{ version: number }>(
    'select version from room_reaper.migrations',
  );
  const known = new Set(applied.rows.map((row) => row.version));
  const newest = Math.max(0, ...known);
  const ours = latestMigration();
  if (newest > ours) {
    throw new ReaperError(
      'UNAVAILABLE',
      `the ledger at ${shownAs} has schema version ${newest}, this program knows ${ours}; run the newer room-reaper that made it`,
    );
  }
  const missing = readMigrations().filter(({ version }) => !known.has(version));
  return { version: (missing[0]?.version ?? ours + 1) - 1, missing };
}

const runMigrate = 'run `room-reaper migrate`';

function notUpToDate(
  { version }: Schema,
  { shownAs }: SchemaOptions,
  remedy: string,
  cause?: unknown,
): ReaperError {
  const state =
    version === undefined
      ? 'is not made yet: nothing was destroyed through it'
      : `has schema version ${version}, this program needs ${latestMigration()}`;
  const options = cause === undefined ? {} : { cause };
  return new ReaperError('UNAVAILABLE', `the ledger at ${shownAs} ${state}; ${remedy}`, options);
}

/** In one transaction, so that it is whole or not there, under an advisory lock. */
async function migrate(options: SchemaOptions): Promise<Migrated> {
  const { connection, onProgress } = options;
  // No time limit: rebuilding an index of a large ledger takes as long as it takes.
  const client = new pg.Client({
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    application_name: 'room-reaper migrate',
    ...connection,
  });
  // A server that goes away meanwhile: the statement in hand reports it.
  client.on('error', () => undefined);
  try {
    await client.connect();
    if (connection.connectionString !== undefined) await prepareSession(client);
    await client.query('begin isolation level read committed read write');
    // Behind a pooler nothing could be set in the session.
    await client.query('set local statement_timeout = 0');
    await client.query('set local lock_timeout = 0');
    await client.query('set local idle_in_transaction_session_timeout = 0');
    await takeLock(client, onProgress);
    const found = await readSchema(client, options);
    if (found.missing.length > 0) await apply(client, found, options);
    await client.query('commit');
    return { from: found.version, to: latestMigration() };
  } finally {
    // Whatever is not committed is rolled back by it.
    await client.end().catch(() => undefined);
  }
}

async function takeLock(client: pg.Client, onProgress: SchemaOptions['onProgress']): Promise<void> {
  const { rows } = await client.query<{ taken: boolean }>(
    'select pg_try_advisory_xact_lock($1) as taken',
    [migrationLock],
  );
  if (rows[0]?.taken) return;
  onProgress('another program migrates the ledger; waiting for it');
  await client.query('select pg_advisory_xact_lock($1)', [migrationLock]);
}

async function apply(client: pg.Client, found: Schema, options: SchemaOptions): Promise<void> {
  const { access, onProgress } = options;
  const others = await readWorkersAtWork(client);
  if (access !== 'migrate' && others !== '') {
    throw notUpToDate(
      found,
      options,
      `workers of an older program are at work on it (${others}): stop them, or ${runMigrate}, and they end in order`,
    );
  }
  try {
    await client.query(makeSchemaSql);
    for (const { version, sql } of found.missing) {
      // What is made new takes no time.
      if (found.version !== undefined)
        onProgress(`migrating the ledger to version ${version} of ${latestMigration()} …`);
      await client.query(sql);
      await client.query('insert into room_reaper.migrations (version) values ($1)', [version]);
    }
  } catch (error) {
    if ((error as { code?: unknown }).code !== '42501') throw error;
    const may = `${runMigrate} as a user who may make and change it ("Rights" in docs/operations.md)`;
    throw notUpToDate(found, options, `this user may not (42501); ${may}`, error);
  }
}

/** "create schema if not exists" asks for the right to create one also where it exists. */
const makeSchemaSql = `
do $$ begin
  if to_regnamespace('room_reaper') is null then create schema room_reaper; end if;
  if to_regclass('room_reaper.migrations') is null then
    create table room_reaper.migrations (version int primary key, applied_at timestamptz not null default now());
  end if;
end $$`;

/** Most workers that are named. */
const workersNamed = 3;

/** @returns some of them by name; empty where there is none, or the ledger is too old to know them. */
async function readWorkersAtWork(client: pg.Client): Promise<string> {
  const { rows: found } = await client.query<{ known: boolean }>(
    `select to_regclass('room_reaper.workers') is not null as known`,
  );
  if (!found[0]?.known) return '';
  const { rows } = await client.query<{ name: string }>(
    `select format('%s:%s', w.host, w.pid) as name from room_reaper.workers w
      where ${isAlive('w')} order by w.host, w.pid`,
  );
  const names = rows.slice(0, workersNamed).map(({ name }) => printable(name));
  const more = rows.length - names.length;
  return [...names, ...(more > 0 ? [`${more} more`] : [])].join(', ');
}

interface Migration {
  version: number;
  sql: string;
}

let migrations: Migration[] | undefined;

function readMigrations(): Migration[] {
  const directory = ownFile('../ledger/migrations/', import.meta.url);
  return (migrations ??= readdirSync(directory)
    .filter((name) => name.endsWith('.sql'))
    .sort()
    .map((name) => ({
      version: Number.parseInt(name, 10),
      sql: readFileSync(new URL(name, directory), 'utf8'),
    })));
}

/** Version of the schema that this program works with. */
export function latestMigration(): number {
  return readMigrations().at(-1)?.version ?? 0;
}
