import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { explain } from '../../src/embedded/directory.js';
import { openEmbedded } from '../../src/embedded/open-embedded.js';
import { postgresMajor } from '../../src/embedded/directory.js';
import { unprivileged } from '../support/unprivileged.js';
import { connect, freshDatabase, freshPath, open, query } from './fixture.js';

describe('opening', () => {
  test('a new directory gets a database, and its user is told what it needs', async () => {
    const notices: string[] = [];
    const database = await open(freshPath(), { onNotice: (notice) => notices.push(notice) });
    expect(database.role).toBe('owner');
    expect(await query(database, 'select 1 + $1::int as two', [1])).toEqual([{ two: 2 }]);
    expect(notices.join('\n')).toMatch(/300 MB of memory \(up to 800 MB this first time\)/);
    expect(notices.join('\n')).toMatch(/this machine only/);
  });

  test('the database is of the version that the version check names', async () => {
    const dataDir = await freshDatabase();
    expect(readFileSync(join(dataDir, 'postgres', 'PG_VERSION'), 'utf8').trim()).toBe(
      postgresMajor,
    );
  });

  test('a database that is opened again after close holds what was committed', async () => {
    const dataDir = await freshDatabase();
    const first = await openEmbedded(dataDir);
    await query(first, 'create table kept as select 42 as answer');
    await first.close();
    expect(await query(await open(dataDir), 'select answer from kept')).toEqual([{ answer: 42 }]);
  });

  test('close does not wait for a connection that is open and in a transaction', async () => {
    const database = await openEmbedded(await freshDatabase());
    const client = await connect(database);
    await client.query('begin');
    await database.close();
    await expect(client.query('select 1')).rejects.toThrow();
  });

  test('a directory that is opened twice in one process is joined the second time', async () => {
    const dataDir = await freshDatabase();
    const first = await open(dataDir);
    const second = await open(dataDir);
    expect([first.role, second.role]).toEqual(['owner', 'joined']);
    await query(first, 'create table shared as select 7 as n');
    expect(await query(second, 'select n from shared')).toEqual([{ n: 7 }]);
  });

  test('a path too long for a Unix socket is served on loopback, with a password', async () => {
    const dataDir = join(await freshDatabase(), 'x'.repeat(90));
    const database = await open(dataDir);
    const { host, port, password } = database.connection;
    expect(host).toBe('127.0.0.1');
    expect(await query(database, 'select 1 as one')).toEqual([{ one: 1 }]);
    const joined = await open(dataDir);
    expect(joined.role).toBe('joined');
    expect(joined.connection).toEqual(database.connection);
    const intruder = { ...database, connection: { ...database.connection, password: 'guess' } };
    await expect(query(intruder, 'select 1')).rejects.toMatchObject({ code: '28P01' });
    await database.close();
    const again = await open(dataDir);
    expect(again.connection).toMatchObject({ port, password });
  });
});

describe('what cannot be opened says why and what to do', () => {
  test('a file in place of the data directory is refused with what to do', async () => {
    const dataDir = freshPath();
    writeFileSync(dataDir, '');
    await expect(openEmbedded(dataDir)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(/must be a directory.*set ROOM_REAPER_DATA_DIR/) as string,
    });
  });

  test.skipIf(process.platform !== 'linux')(
    'a data directory that nobody can make is refused with what to do',
    async () => {
      await expect(openEmbedded('/sys/room-reaper')).rejects.toMatchObject({
        code: 'UNAVAILABLE',
        message: expect.stringMatching(/must be writable by this user.*permissions/) as string,
      });
    },
  );

  test('a data directory without write permission is refused', async () => {
    const dataDir = await freshDatabase();
    chmodSync(dataDir, 0o500);
    const opening = unprivileged(() => openEmbedded(dataDir));
    await expect(opening.finally(() => chmodSync(dataDir, 0o700))).rejects.toThrow(
      /must be writable by this user/,
    );
  });

  test('a database of another Postgres version is refused', async () => {
    const dataDir = await freshDatabase();
    writeFileSync(join(dataDir, 'postgres', 'PG_VERSION'), '16\n');
    await expect(openEmbedded(dataDir)).rejects.toThrow(
      new RegExp(`must be of Postgres ${postgresMajor}, got version 16`),
    );
  });

  test('a damaged database is refused, and its directory is free again afterwards', async () => {
    const dataDir = await freshDatabase();
    const control = join(dataDir, 'postgres', 'global', 'pg_control');
    const sound = readFileSync(control);
    writeFileSync(control, Buffer.alloc(sound.length, 1));
    await expect(openEmbedded(dataDir)).rejects.toThrow(/must hold a database that opens.*backup/);
    writeFileSync(control, sound);
    expect((await open(dataDir)).role).toBe('owner');
  });

  test('a full disk is said, with what to do', () => {
    const error = explain('data', new Error('ENOSPC'));
    expect(error.message).toMatch(/data must have free space, got "ENOSPC"; free some/);
  });
});
