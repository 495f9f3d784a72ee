import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { claimDirectory } from '../../src/embedded/claim.js';
import { explain, postgresMajor } from '../../src/embedded/directory.js';
import { openEmbedded } from '../../src/embedded/open-embedded.js';
import { unprivileged } from '../support/unprivileged.js';
import { connect, freshDatabase, freshPath, open, openToOthers, query } from './fixture.js';

describe('opening', () => {
  test('a new directory gets a database, for its user only, who is told what it needs', async () => {
    const notices: string[] = [];
    const dataDir = freshPath();
    const database = await open(dataDir, { onNotice: (notice) => notices.push(notice) });
    expect(database.role).toBe('owner');
    expect(await query(database, 'select 1 + $1::int as two', [1])).toEqual([{ two: 2 }]);
    expect(notices.join('\n')).toMatch(/300 MB of memory \(up to 800 MB this first time\)/);
    expect(notices.join('\n')).toMatch(/this machine only/);
    await query(database, 'create table t as select generate_series(1, 1000) as n');
    expect(openToOthers(dataDir)).toEqual([]);
    expect(readFileSync(join(dataDir, 'postgres', 'PG_VERSION'), 'utf8').trim()).toBe(
      postgresMajor,
    );
  });

  test('a directory that is opened twice is joined, and opened again after close it holds what was committed', async () => {
    const dataDir = await freshDatabase();
    const first = await openEmbedded(dataDir);
    const second = await openEmbedded(dataDir);
    expect([first.role, second.role]).toEqual(['owner', 'joined']);
    await query(first, 'create table kept as select 42 as answer');
    expect(await query(second, 'select answer from kept')).toEqual([{ answer: 42 }]);
    const client = await connect(first);
    await client.query('begin');
    await client.query('update kept set answer = 0');
    await second.close();
    // It does not wait for a connection that is open and in a transaction.
    await first.close();
    await expect(client.query('select 1')).rejects.toThrow();
    expect(await query(await open(dataDir), 'select answer from kept')).toEqual([{ answer: 42 }]);
  });

  test('a path too long for a Unix socket is served on loopback, with a password', async () => {
    const dataDir = await freshDatabase('x'.repeat(90));
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
    writeFileSync(control, Buffer.alloc(statSync(control).size, 1));
    await expect(openEmbedded(dataDir)).rejects.toThrow(/must hold a database that opens.*backup/);
    const claim = await claimDirectory(dataDir);
    if (claim.kind !== 'owned') throw new Error('it is still held');
    claim.release();
  });

  test('a full disk is said, with what to do', () => {
    const error = explain('data', new Error('ENOSPC'));
    expect(error.message).toMatch(/data must have free space, got "ENOSPC"; free some/);
  });
});
