import { createHash, randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  migrateDatabase,
  openDatabase,
  type Database,
  type DatabaseOptions,
} from '../../src/ledger/database.js';
import { latestMigration } from '../../src/ledger/schema.js';
import { beat, type WorkerBeat } from '../../src/ledger/workers.js';
import { isPassing } from '../../src/passing.js';
import { createFreshDatabase, withPostgres } from '../support/servers.js';
import { openLedger } from './fixture.js';

const migrations = new URL('../../src/ledger/migrations/', import.meta.url);

let url: string;
let drop: () => Promise<void>;
const open: Database[] = [];

beforeAll(async () => {
  ({ url, drop } = await createFreshDatabase());
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((database) => database.close()));
  await sql('drop schema if exists room_reaper cascade');
});
afterAll(() => drop());

async function opened(): Promise<Database> {
  const database = await openLedger(url);
  open.push(database);
  return database;
}

const sql = <Row extends Record<string, unknown>>(text: string) =>
  withPostgres(url, async (client) => (await client.query<Row>(text)).rows);

describe('bringing the schema up to date', () => {
  test('an empty database gets all of it, in the schema room_reaper', async () => {
    await opened();
    const tables = await sql<{ table_name: string }>(
      `select table_name from information_schema.tables where table_schema = 'room_reaper' order by table_name`,
    );
    expect(tables.map((row) => row.table_name)).toEqual([
      'actions',
      'answers',
      'attempts',
      'batch_joins',
      'batches',
      'cancelled_destructions',
      'destructions',
      'events',
      'ledger_id',
      'lines',
      'list_parts',
      'lists',
      'migrations',
      'minutes',
      'replays',
      'rescued',
      'room_events',
      'sessions',
      'snapshots',
      'tokens',
      'workers',
    ]);
    const others = await sql(
      `select table_name from information_schema.tables where table_schema = 'public'`,
    );
    expect(others).toEqual([]);
  });

  test('the columns that other programs rely on are there, with their types', async () => {
    await opened();
    const columns = await sql<{ column: string }>(
      `select table_name || '.' || column_name || ' ' || udt_name as column
         from information_schema.columns where table_schema = 'room_reaper'`,
    );
    const found = columns.map((row) => row.column);
    for (const [table, contract] of Object.entries(contractColumns))
      expect(found).toEqual(expect.arrayContaining(contract.map((each) => `${table}.${each}`)));
  });

  test('several that open it at once agree: each migration is applied once', async () => {
    const databases = await Promise.all(Array.from({ length: 6 }, opened));
    expect(databases).toHaveLength(6);
    const [{ versions, applied } = { versions: 0, applied: 0 }] = await sql<{
      versions: number;
      applied: number;
    }>(
      'select count(distinct version)::int as versions, count(*)::int as applied from room_reaper.migrations',
    );
    expect(applied).toBe(versions);
    expect(applied).toBeGreaterThan(0);
  });

  test('opening it again changes nothing and keeps what is in it', async () => {
    const first = await opened();
    await first.query(
      'test',
      `insert into room_reaper.batches (id, sdk_app_id, total) values ('b', 1, 0)`,
      [],
    );
    const applied = await sql('select * from room_reaper.migrations');
    await opened();
    expect(await sql('select * from room_reaper.migrations')).toEqual(applied);
    expect(await sql('select id from room_reaper.batches')).toEqual([{ id: 'b' }]);
  });

  // The versions of which ledgers exist: a migration that somebody has applied is never edited.
  test.each([
    ['0001_ledger.sql', '6aa0fe1f8e46d4a466d9a5dcb464eacf53b3c804a4106eb5fbe842b874696bbc'],
    ['0002_outage.sql', 'a1bc0ff9fd17f22c86e69e53d492e25d693e87f1d17e2122aaa1326e69251549'],
    ['0003_batches.sql', 'c2e2b02822c0b4d7446651172f3aa22e0f3cce405b36aa577035b8543749d557'],
    ['0004_report.sql', '3affc78a461123980bb7818d9979495a2374dcbe209bc3ad997016b491e7ad57'],
    ['0005_batch_turns.sql', '54bebb6a194ed5384e3eda8b1b96ecd51da386c6f70e7394bd161e6e794e6f4e'],
    ['0006_late_slots.sql', '6e341acc277951efaa9dee9b87feccde081641e1a3ef76119411a29b5ee7096a'],
    ['0007_raw_answers.sql', 'a2a65faf103d8707cd1f84bf66a60ea63c8efadf35c0fc3f892177ac62ee6ba9'],
  ])('%s is as it was when it was first applied', (name, digest) => {
    const text = readFileSync(new URL(name, migrations));
    expect(createHash('sha256').update(text).digest('hex')).toBe(digest);
  });

  test('a ledger that lacks one in the middle becomes like a new one', async () => {
    const schema = () =>
      sql(`select indexdef as def from pg_indexes where schemaname = 'room_reaper'
           union all
           select table_name || '.' || column_name || ' ' || udt_name from information_schema.columns
            where table_schema = 'room_reaper' order by def`);
    await opened();
    const whole = await schema();
    await sql('drop schema room_reaper cascade; create schema room_reaper');
    await sql(
      'create table room_reaper.migrations (version int primary key, applied_at timestamptz not null default now())',
    );
    // As the version had it that came before batches were things.
    for (const name of ['0001_ledger.sql', '0002_outage.sql', '0004_report.sql']) {
      await sql(readFileSync(new URL(name, migrations), 'utf8'));
      await sql(
        `insert into room_reaper.migrations (version) values (${Number.parseInt(name, 10)})`,
      );
    }

    await opened();

    expect(await schema()).toEqual(whole);
  });

  test('a newer schema is refused, and left as it is', async () => {
    await opened();
    await sql('insert into room_reaper.migrations (version) values (999)');
    await expect(openLedger(url)).rejects.toMatchObject({
      name: 'ReaperError',
      code: 'UNAVAILABLE',
      message: expect.stringMatching(
        /has schema version 999, this program knows \d+; run the newer room-reaper/,
      ) as string,
    });
    const versions = await sql<{ version: number }>('select version from room_reaper.migrations');
    expect(versions.map((row) => row.version)).toContain(999);
  });

  test('a migration that fails leaves nothing of itself behind', async () => {
    await sql('create schema room_reaper; create table room_reaper.attempts ()');
    await expect(openLedger(url)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    const tables = await sql<{ table_name: string }>(
      `select table_name from information_schema.tables where table_schema = 'room_reaper'`,
    );
    expect(tables).toEqual([{ table_name: 'attempts' }]);
  });
});

/** Opens it as a program does; the rest of `openLedger` is the test's. */
async function openedFor(changes: Partial<DatabaseOptions>): Promise<Database> {
  const database = await openDatabase({
    connection: { connectionString: url },
    shownAs: 'the test database',
    ...changes,
  });
  open.push(database);
  return database;
}

const versions = async () =>
  (
    await sql<{ version: number }>('select version from room_reaper.migrations order by version')
  ).map((row) => row.version);

/** As the version before had it, with the workers that are at work on it. */
async function makeOlder(): Promise<void> {
  const [workers] = await sql<{ rows: string }>(
    `select coalesce(jsonb_agg(to_jsonb(w)), '[]')::text as rows from room_reaper.workers w`,
  );
  const applied = readdirSync(migrations)
    .filter((name) => name.endsWith('.sql') && parseInt(name, 10) < latestMigration())
    .sort();
  await sql('drop schema room_reaper cascade');
  await sql(
    [
      'create schema room_reaper',
      'create table room_reaper.migrations (version int primary key, applied_at timestamptz not null default now())',
      ...applied.map((name) => readFileSync(new URL(name, migrations), 'utf8')),
      ...applied.map((name) => `insert into room_reaper.migrations values (${parseInt(name, 10)})`),
      `insert into room_reaper.workers
         select * from jsonb_populate_recordset(null::room_reaper.workers, '${workers?.rows ?? '[]'}')`,
    ].join(';\n'),
  );
}

const older = `has schema version ${latestMigration() - 1}, this program needs ${latestMigration()}`;
const refusal = (text: string) => ({
  code: 'UNAVAILABLE',
  message: expect.stringContaining(text) as string,
});

describe('who only reads', () => {
  test('makes no schema, and says what to do', async () => {
    await expect(openedFor({ readOnly: true })).rejects.toMatchObject(
      refusal(
        'the ledger at the test database is not made yet: nothing was destroyed through it; run `room-reaper migrate`, or start a worker',
      ),
    );
    expect(await sql(`select nspname from pg_namespace where nspname = 'room_reaper'`)).toEqual([]);
  });

  test('leaves an older one as it is, and says what to do', async () => {
    await opened();
    await makeOlder();
    await expect(openedFor({ readOnly: true })).rejects.toMatchObject(
      refusal(`${older}; run \`room-reaper migrate\``),
    );
    expect(await versions()).not.toContain(latestMigration());
  });

  test('cannot write by mistake', async () => {
    await opened();
    const reader = await openedFor({ readOnly: true });
    const writing = reader.query(
      'test',
      `insert into room_reaper.batches (id, sdk_app_id, total) values ('b', 1, 0)`,
      [],
    );
    await expect(writing).rejects.toMatchObject({ code: '25006' });
  });
});

describe('an older schema', () => {
  const worker: WorkerBeat = {
    ...{ id: 'w', lineId: 'line', sdkAppId: 1, host: 'box-7', pid: 4123, version: '0.0.9' },
    ...{ keyFingerprint: '3fa9c1d2', state: 'running', reason: undefined, inHand: 1 },
  };

  test('is brought up to date by who writes, which says how far it is', async () => {
    await opened();
    await makeOlder();
    const said: string[] = [];
    await openedFor({ onProgress: (message) => said.push(message) });
    expect(said).toEqual([
      `migrating the ledger to version ${latestMigration()} of ${latestMigration()} …`,
    ]);
    expect(await versions()).toContain(latestMigration());
  });

  test('is not changed under workers that are at work on it: who they are is said', async () => {
    await beat(await opened(), worker);
    await makeOlder();
    await expect(openedFor({})).rejects.toMatchObject(
      refusal(
        `${older}; workers of an older program are at work on it (box-7:4123): stop them, or run \`room-reaper migrate\`, and they end in order`,
      ),
    );
    expect(await versions()).not.toContain(latestMigration());
  });

  test.each([
    ['ended', `update room_reaper.workers set state = 'ended'`],
    ['are gone', `update room_reaper.workers set seen_at = now() - interval '16 seconds'`],
  ])('is changed where they %s', async (_, change) => {
    await beat(await opened(), worker);
    await sql(change);
    await makeOlder();
    await opened();
    expect(await versions()).toContain(latestMigration());
  });

  test('is changed under them by who asks for just that; their next beat tells them', async () => {
    const database = await opened();
    await beat(database, worker);
    await makeOlder();
    const place = { connection: { connectionString: url }, shownAs: 'the test database' };
    expect(await migrateDatabase(place)).toEqual({
      from: latestMigration() - 1,
      to: latestMigration(),
    });
    expect(await migrateDatabase(place)).toEqual({
      from: latestMigration(),
      to: latestMigration(),
    });
    expect(await beat(database, worker)).toBe(latestMigration());
    await sql('insert into room_reaper.migrations (version) values (999)');
    expect(await beat(database, worker)).toBe(999);
  });

  test('takes as long as it takes: no time limit of a session, a role or a URL counts', async () => {
    const database = await opened();
    await makeOlder();
    const limited = new URL(url);
    limited.searchParams.set('options', '-c statement_timeout=200 -c lock_timeout=200');
    // A statement that holds a lock which a migration wants, here for longer than the limits.
    let taken: (value: unknown) => void;
    const isTaken = new Promise((resolve) => (taken = resolve));
    const holding = withPostgres(url, async (client) => {
      await client.query('begin');
      await client.query('lock table room_reaper.migrations in access exclusive mode');
      taken(undefined);
      await client.query('select pg_sleep(1)');
      await client.query('rollback');
    });
    await isTaken;
    const place = {
      connection: { connectionString: limited.href, query_timeout: 0 },
      shownAs: 'it',
    };
    expect((await migrateDatabase(place)).to).toBe(latestMigration());
    await holding;
    await database.close();
    open.splice(open.indexOf(database), 1);
  });

  test('two that come at once: the other says that it waits, and finds it done', async () => {
    await opened();
    await makeOlder();
    const said: string[] = [];
    let taken: (value: unknown) => void;
    const isTaken = new Promise((resolve) => (taken = resolve));
    let waits: (value: unknown) => void;
    const isWaiting = new Promise((resolve) => (waits = resolve));
    const first = withPostgres(url, async (client) => {
      await client.query('begin');
      await client.query('select pg_advisory_xact_lock(7236548210)');
      taken(undefined);
      await isWaiting;
      await client.query('insert into room_reaper.migrations (version) values ($1)', [
        latestMigration(),
      ]);
      await client.query('commit');
    });
    await isTaken;
    await openedFor({
      onProgress: (message) => {
        said.push(message);
        waits(undefined);
      },
    });
    await first;
    expect(said).toEqual(['another program migrates the ledger; waiting for it']);
  });
});

describe('a database that cannot be used', () => {
  test('nobody listens: the error names the place, the reason and the way out', async () => {
    const opening = openDatabase({
      connection: { connectionString: 'postgres://user:secret@127.0.0.1:1/ledger' },
      shownAs: 'postgres://user@127.0.0.1:1/ledger',
    });
    await expect(opening).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message:
        'the ledger at postgres://user@127.0.0.1:1/ledger cannot be used: ECONNREFUSED; start it, or set DATABASE_URL (embedded needs no server)',
    });
    await expect(opening).rejects.not.toThrow(/secret/);
  });

  test('the database does not exist: likewise', async () => {
    const other = new URL(url);
    other.pathname = `/no_${randomUUID().replaceAll('-', '')}`;
    await expect(openLedger(other.href)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});

describe('errors that pass', () => {
  const coded = (code: string, message = '') => Object.assign(new Error(message), { code });

  test.each<[string, unknown]>([
    ['connection refused', coded('ECONNREFUSED')],
    ['connection reset', coded('ECONNRESET')],
    ['the server shuts down', coded('57P01')],
    ['the server is starting', coded('57P03')],
    ['too many connections', coded('53300')],
    ['a deadlock was broken', coded('40P01')],
    ['a connection that ended', new Error('Connection terminated unexpectedly')],
    ['a connect that took too long', new Error('timeout exceeded when trying to connect')],
  ])('%s', (_rule, error) => {
    expect(isPassing(error)).toBe(true);
  });

  test.each<[string, unknown]>([
    ['a syntax error', coded('42601')],
    ['a check constraint', coded('23514')],
    ['a table that is not there', coded('42P01')],
    ['a wrong password', coded('28P01')],
    ['an error of our own', new Error('the batch was neither found nor made')],
  ])('%s is none', (_rule, error) => {
    expect(isPassing(error)).toBe(false);
  });
});

const contractColumns = {
  destructions: [
    ...['id text', 'sdk_app_id int8', 'room_id text', 'batch_id text', 'requested_at timestamptz'],
    ...['not_after timestamptz', 'outcome text', 'error_code int4', 'error_info text'],
    ...['request_id text', 'attempts int4', 'finished_at timestamptz', 'total_viewers int8'],
    ...['total_gifts_sent int8', 'total_gift_coins int8', 'total_unique_gift_senders int8'],
    ...['total_likes_received int8', 'statistics_source text'],
  ],
  attempts: [
    ...['destruction_id text', 'attempt int4', 'slot_at timestamptz', 'sent_at timestamptz'],
    ...['ended_at timestamptz', 'http_status int4', 'error_code int4', 'verdict text'],
    'request_id text',
  ],
  batches: [
    ...['id text', 'name text', 'total int4', 'created_at timestamptz', 'finished_at timestamptz'],
  ],
};
