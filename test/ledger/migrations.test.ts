import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openDatabase, type Database } from '../../src/ledger/database.js';
import { isPassing } from '../../src/passing.js';
import { createDatabase, withPostgres } from '../support/servers.js';
import { openLedger } from './fixture.js';

let url: string;
let drop: () => Promise<void>;
const open: Database[] = [];

beforeEach(async () => {
  ({ url, drop } = await createDatabase());
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((database) => database.close()));
  await drop();
});

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
      'attempts',
      'batch_joins',
      'batches',
      'cancelled_destructions',
      'destructions',
      'lines',
      'migrations',
      'replays',
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
