/** A ledger behind pgbouncer in transaction mode: two sessions of the server for all connections. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, inject, test } from 'vitest';
import {
  type Database,
  type DatabaseOptions,
  migrateDatabase,
  openDatabase,
} from '../../src/ledger/database.js';
import { openQueue } from '../../src/queue/open.js';
import {
  createDatabase,
  createFreshDatabase,
  freshSdkAppId,
  withPostgres,
} from '../support/servers.js';
import { unprivilegedUser } from '../support/facts.js';
import { freePort } from '../support/program.js';
import { makeLine, openLedger, requests, useLedger } from './fixture.js';

const program = inject('servers').pgbouncer ?? '';

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

/** @returns the URL of the same database behind a pooler of the test's own. */
async function behindPooler(url: string, mode: 'transaction' | 'session'): Promise<string> {
  const { hostname, port, pathname, username } = new URL(url);
  const folder = mkdtempSync(join(tmpdir(), 'rr-pooler-'));
  const own = await freePort();
  const database = pathname.slice(1);
  writeFileSync(
    join(folder, 'pgbouncer.ini'),
    `[databases]
${database} = host=${hostname} port=${port} user=${username}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${own}
auth_type = any
pool_mode = ${mode}
default_pool_size = ${mode === 'session' ? 20 : 2}
unix_socket_dir =
`,
    { mode: 0o644 },
  );
  execFileSync('chmod', ['755', folder]);
  const child = spawn(program, ['-q', join(folder, 'pgbouncer.ini')], {
    stdio: 'ignore',
    ...unprivilegedUser(),
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  ends.push(async () => {
    child.kill('SIGKILL');
    await ended;
    rmSync(folder, { recursive: true, force: true });
  });
  for (;;) {
    const socket = connect(own, '127.0.0.1');
    const answers = await new Promise((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    });
    socket.destroy();
    if (answers) break;
    await sleep(50);
  }
  return `postgres://${username}@127.0.0.1:${own}/${database}`;
}

/** Returns when a statement that its client gave up has ended at the server too. */
async function abandonStatement(url: string, place: DatabaseOptions): Promise<void> {
  const database = await openDatabase({ ...place, statementLimitMs: 1_000 });
  const asleep = `select count(*)::int as n from pg_stat_activity
    where datname = current_database() and state = 'active' and query like '%sleep(600)'`;
  const count = () =>
    withPostgres(url, async (client) => (await client.query<{ n: number }>(asleep)).rows);
  const sleeping = database.query('sleep', 'select pg_sleep(600)', []);
  await expect(sleeping).rejects.toThrow(/timeout/);
  await expect.poll(count, { timeout: 20_000 }).toEqual([{ n: 0 }]);
  await database.close();
}

test('a statement that nobody waits for ends at the server, also where its client is a worker', async () => {
  const { url, drop } = await createDatabase();
  ends.push(drop);
  await abandonStatement(url, { connection: { connectionString: url }, shownAs: 'it' });
});

describe.skipIf(program === '')('behind pgbouncer', () => {
  const ledger = useLedger();

  test('in transaction mode many workers reserve at once, and prepare nothing', async () => {
    const url = await behindPooler(ledger.url, 'transaction');
    const workers: Database[] = await Promise.all([1, 2, 3, 4].map(() => openLedger(url)));
    const line = await makeLine(ledger);
    const rounds = Array.from({ length: 25 }, (_, round) => round);
    const slots = await Promise.all(
      workers.map(async (database, at) => {
        const granted: number[] = [];
        for (const round of rounds) {
          const result = await line.reserve(requests(2, { roomId: `${at}-${round}` }), {
            worker: `worker-${at}`,
            database,
          });
          for (const each of result.reservations) {
            if (each?.kind === 'granted') granted.push(each.slotAtMs);
          }
        }
        return granted;
      }),
    );
    expect(new Set(slots.flat()).size).toBe(200);
    await Promise.all(workers.map((database) => database.close()));
  });

  test('in transaction mode a new ledger is made, and looked at by who only reads', async () => {
    const { url, drop } = await createFreshDatabase();
    ends.push(drop);
    const pooled = await behindPooler(url, 'transaction');
    const place = { connection: { connectionString: pooled }, shownAs: 'it' };
    await expect(openDatabase({ ...place, readOnly: true })).rejects.toThrow(/is not made yet/);
    expect((await migrateDatabase(place)).from).toBeUndefined();
    await (await openDatabase({ ...place, readOnly: true })).close();
  });

  test('in transaction mode the server ends what others asked for and nobody waits for, and keeps what it takes', async () => {
    const { url, drop } = await createDatabase();
    ends.push(drop);
    const connection = { connectionString: await behindPooler(url, 'transaction') };
    const place = { connection, shownAs: 'it', asksForOthers: true };
    await abandonStatement(url, place);
    const database = await openDatabase(place);
    await database.query('make', 'create table public.kept (text text)', []);
    // NUL is in no text of Postgres: it is written otherwise, by another try.
    for (const text of ['a', 'b\0'])
      await database.query('keep', 'insert into public.kept values ($1)', [text]);
    const kept = await withPostgres(url, (client) => client.query('table public.kept'));
    expect(kept.rows).toEqual([{ text: 'a' }, { text: 'b\\u0000' }]);
    await database.close();
  });

  const openQueueAt = (url: string) =>
    openQueue({
      sdkAppId: freshSdkAppId(),
      connection: { kind: 'postgres', connection: { connectionString: url }, shownAs: 'it' },
      onError: () => undefined,
    });

  test('a queue in transaction mode is refused, with what to do', async () => {
    const { url, drop } = await createDatabase();
    ends.push(drop);
    await expect(openQueueAt(await behindPooler(url, 'transaction'))).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(
        /pooler in transaction mode.*set QUEUE_URL to the server/,
      ) as string,
    });
  });

  test('a queue in session mode works', async () => {
    const { url, drop } = await createDatabase();
    ends.push(drop);
    const opened = await openQueueAt(await behindPooler(url, 'session'));
    expect(await opened.queue.getWaitingCount()).toBe(0);
    await opened.close();
  });
});
