import { storeTrouble } from '../../src/store-trouble.js';
import { expect, test } from 'vitest';
import { judgePostgres, newestVersion, type PostgresFacts } from '../../src/doctor/postgres.js';

function facts(changes: Partial<PostgresFacts> = {}): PostgresFacts {
  return {
    ...{ version: '15.4', versionNumber: 150_004, maxConnections: 100, reservedConnections: 3 },
    ...{ usedConnections: 10, autovacuum: true, fsync: true, synchronousCommit: 'on' },
    ...{ standby: false, readOnly: false, mayCreateSchemas: true, mayUseTables: true },
    mayReadTables: true,
    standbys: { synchronous: 0, asynchronous: 0 },
    ...{ pooled: false, encoding: 'UTF8' },
    ...{ schemaVersion: newestVersion('ledger'), roundTripMs: 0.5, clockOffsetMs: 0 },
    ...changes,
  };
}

const trouble = (of: PostgresFacts, embedded = false) =>
  judgePostgres(of, 'ledger', 'postgres://host', embedded).filter(({ level }) => level !== 'ok');

test('a server with its defaults is well', () => {
  expect(trouble(facts())).toEqual([]);
  expect(trouble(facts({ schemaVersion: undefined }))).toEqual([]);
});

test('one synchronous standby among others is enough', () => {
  expect(trouble(facts({ standbys: { synchronous: 1, asynchronous: 2 } }))).toEqual([]);
});

test('where the schema is up to date nobody needs the right to create one', () => {
  expect(trouble(facts({ mayCreateSchemas: false }))).toEqual([]);
});

test.each<[rule: string, changes: Partial<PostgresFacts>, level: string, text: RegExp]>([
  [
    '12 is too old',
    { version: '12.1', versionNumber: 120_001 },
    'problem',
    /13 or later, got 12\.1/,
  ],
  ['a standby cannot be written', { standby: true, readOnly: true }, 'problem', /standby/],
  ['nor can read-only sessions', { readOnly: true }, 'problem', /read only/],
  [
    'text may be stored otherwise',
    { encoding: 'LATIN1' },
    'warning',
    /LATIN1: text that it cannot hold/,
  ],
  ['far away slots are missed', { roundTripMs: 140 }, 'warning', /takes 140 ms/],
  [
    'tables must be usable',
    { mayUseTables: false, mayReadTables: false },
    'problem',
    /schema room_reaper/,
  ],
  ['who may only read cannot work', { mayUseTables: false }, 'warning', /may only read/],
  [
    'where there is no schema it must be made by somebody who may',
    { schemaVersion: undefined, mayCreateSchemas: false },
    'problem',
    /may not create schemas/,
  ],
  ['a newer schema needs the newer program', { schemaVersion: 999 }, 'problem', /version 999/],
  ['an older schema is brought up to date', { schemaVersion: 0 }, 'warning', /has version 0/],
  ['connections run out', { usedConnections: 95 }, 'warning', /^2 of 100 connections are free/],
  ['reserved connections are not free', { reservedConnections: 88 }, 'warning', /^2 of 100/],
  ['the row of the limiter needs autovacuum', { autovacuum: false }, 'warning', /autovacuum/],
  ['results must reach the disk', { fsync: false }, 'warning', /^fsync is off/],
  ['at each commit', { synchronousCommit: 'off' }, 'warning', /^synchronous_commit is off/],
  [
    'a failover must lose nothing',
    { standbys: { synchronous: 0, asynchronous: 2 } },
    'warning',
    /^it is replicated asynchronously only: a failover may lose results of the last moments/,
  ],
  [
    'a commit must wait for the standby that could',
    { standbys: { synchronous: 1, asynchronous: 1 }, synchronousCommit: 'local' },
    'warning',
    /^synchronous_commit is local, so that no commit waits for a standby: a failover may lose/,
  ],
])('%s', (_rule, changes, level, text) => {
  expect(trouble(facts(changes))).toEqual([
    { level, text: expect.stringMatching(text) as string, remedy: expect.any(String) as string },
  ]);
});

test('the embedded database looks after connections, vacuum and the disk by itself', () => {
  const own = facts({ maxConnections: 1, autovacuum: false, fsync: false });
  expect(trouble(own, true)).toEqual([]);
});

test('a queue needs more connections, and no autovacuum', () => {
  const of = facts({
    ...{ usedConnections: 85, autovacuum: false, schemaVersion: newestVersion('queue') },
  });
  const found = judgePostgres(of, 'queue', 'postgres://host', false);
  expect(found.filter(({ level }) => level !== 'ok').map(({ text }) => text)).toEqual([
    '12 of 100 connections are free; a worker takes up to 16',
  ]);
});

test('the remedy goes with the reason', () => {
  expect(storeTrouble({ code: '28P01' }, 'Postgres', 'DATABASE_URL').remedy).toBe(
    'check user and password in DATABASE_URL',
  );
  expect(storeTrouble({ code: '3D000' }, 'Postgres', 'QUEUE_URL').remedy).toMatch(
    /make the database.* in QUEUE_URL/,
  );
  expect(storeTrouble({ code: '53300' }, 'Postgres', 'QUEUE_URL').remedy).toMatch(
    /max_connections/,
  );
  expect(storeTrouble({ code: 'ECONNREFUSED' }, 'Postgres', 'DATABASE_URL').remedy).toMatch(
    /start it, or set DATABASE_URL/,
  );
});

test('a queue needs sessions of its own, and an encoding for all text', () => {
  const of = (changes: Partial<PostgresFacts>) =>
    judgePostgres(
      facts({ schemaVersion: newestVersion('queue'), ...changes }),
      'queue',
      'postgres://host',
      false,
    ).filter(({ level }) => level !== 'ok');
  expect(of({ pooled: true })).toMatchObject(
    [{ level: 'warning', text: /transaction mode/ }].map(({ level, text }) => ({
      level,
      text: expect.stringMatching(text) as string,
    })),
  );
  expect(of({ encoding: 'LATIN1' })).toMatchObject([{ level: 'problem' }]);
  expect(trouble(facts({ pooled: true }))).toEqual([]);
});
