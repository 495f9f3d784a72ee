/** What the doctor sees of standbys: a receiver of the log plays one. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, inject, test } from 'vitest';
import { openPostgres } from '../../src/doctor/postgres.js';
import { afterThisTest } from '../support/clean-up.js';
import { startPostgresServer, withPostgres } from '../support/servers.js';

const [receiver = ''] = inject('servers')
  .postgresSources.flatMap((source) => (source.kind === 'program' ? [source.path] : []))
  .map((path) => join(dirname(path), 'pg_receivewal'))
  .filter((path) => existsSync(path));

async function seen(url: string) {
  const { facts, database } = await openPostgres({ connectionString: url }, 'ledger');
  await database.close();
  return facts.standbys;
}

/** Receives the log as a standby of this name, until the test's end. */
function replicate(url: string, name: string): void {
  const { hostname, port, username } = new URL(url);
  const folder = mkdtempSync(join(tmpdir(), 'rr-wal-'));
  const where = `host=${hostname} port=${port} user=${username} application_name=${name}`;
  const child = spawn(receiver, ['--synchronous', '-d', where, '-D', folder], { stdio: 'ignore' });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  afterThisTest(async () => {
    child.kill('SIGKILL');
    await ended;
    rmSync(folder, { recursive: true, force: true });
  });
}

test.skipIf(receiver === '')(
  'standbys are seen with what a commit does about them; without the right to look nothing is',
  async () => {
    const postgres = await startPostgresServer();
    afterThisTest(() => postgres.stop());
    const { url } = postgres;
    const sql = (text: string) => withPostgres(url, (client) => client.query(text));
    expect(await seen(url)).toEqual({ synchronous: 0, asynchronous: 0 });

    replicate(url, 'pg_receivewal');
    replicate(url, 'standby');
    await expect.poll(() => seen(url)).toEqual({ synchronous: 0, asynchronous: 1 });

    await sql('create role nobody_special login');
    const other = new URL(url);
    other.username = 'nobody_special';
    expect(await seen(other.href)).toEqual({ synchronous: 0, asynchronous: 0 });
    await sql('grant pg_monitor to nobody_special');
    expect(await seen(other.href)).toEqual({ synchronous: 0, asynchronous: 1 });

    await sql(`alter system set synchronous_standby_names = 'ANY 1 (standby)'`);
    await sql('select pg_reload_conf()');
    await expect.poll(() => seen(url)).toEqual({ synchronous: 1, asynchronous: 0 });
  },
);
