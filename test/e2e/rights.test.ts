/**
 * The roles of "Rights" in docs/operations.md, with exactly the grants that stand there: a worker
 * that may make and change no table does everything but migrate, a reader reads everything.
 */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { beforeEach, describe, expect, test } from 'vitest';
import { createFreshDatabase, freshRedis, withPostgres } from '../support/servers.js';
import { afterThisTest, run, startInside } from './room-reaper.js';
import { lines, openStage, roomIds } from './stage.js';

const operations = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');
const [asSuperuser = '', onLedger = '', onQueue = ''] = [
  ...operations.matchAll(/^```psql\n(.*?)^```/gms),
].map(([, sql]) => sql);

const places = ['Redis', 'Postgres'] as const;

describe.each(places)('with the queue in %s', (queue) => {
  let env: Record<string, string>;
  let grant: (url: string, sql: string) => Promise<unknown>;
  let owner: Record<string, string>;
  let worker: Record<string, string>;
  let reader: Record<string, string>;

  beforeEach(async () => {
    const stage = await openStage();
    const database = await createFreshDatabase();
    // Roles belong to the whole server.
    const own = `reaper_${randomUUID().slice(0, 8)}`;
    const name = new URL(database.url).pathname.slice(1);
    const named = (sql: string) =>
      sql
        .replace(/database reaper /g, `database ${name} `)
        .replace(/\breaper_(owner|worker|reader)/g, `${own}_$1`);
    grant = (url, sql) => withPostgres(url, (client) => client.query(named(sql)));
    const redis = queue === 'Redis' ? await freshRedis() : undefined;
    afterThisTest(async () => {
      await database.drop();
      await redis?.drop();
      await grant(
        new URL('/postgres', database.url).href,
        'drop role reaper_owner, reaper_worker, reaper_reader',
      );
    });
    await grant(database.url, asSuperuser);
    env = stage.env;
    const as = (role: string) => {
      const url = new URL(database.url);
      url.username = `${own}_${role}`;
      return { ...env, DATABASE_URL: url.href, QUEUE_URL: redis?.url ?? url.href };
    };
    [owner, worker, reader] = [as('owner'), as('worker'), as('reader')];
  });

  async function done(args: string[], by: Record<string, string>, code = 0): Promise<string> {
    const ended = await run(args, { env: by, stdin: lines(roomIds(3)) });
    expect(`${ended.code}: ${ended.stderr}`, args.join(' ')).toMatch(new RegExp(`^${code}: `));
    return ended.stdout + ended.stderr;
  }

  test('who may not make tables says who must; with its grants each role does what it is for', async () => {
    for (const by of [worker, reader])
      expect(await done(['status'], by, 2)).toMatch(/is not made yet.*run `room-reaper migrate`/);
    expect(await done(['enqueue', '--room', 'a'], worker, 2)).toMatch(
      /is not made yet.*this user may not.*run `room-reaper migrate` as a user who may/,
    );
    expect(await done(['migrate'], owner)).toMatch(/the ledger is made, at version \d+/);
    await grant(owner.DATABASE_URL ?? '', onLedger);
    if (queue === 'Postgres') await grant(owner.DATABASE_URL ?? '', onQueue);
    expect(await done(['migrate'], worker)).toMatch(/the ledger is at version \d+ already/);

    await done(['destroy', '-', '--batch', 'evening', '--yes'], worker);
    await done(['enqueue', '--room', 'b', '--batch', 'later'], worker);
    const working = startInside(['worker'], { env: worker });
    await working.said(/worker started/);
    await expect
      .poll(async () => (await run(['report', 'later'], { env: worker })).code, { timeout: 20_000 })
      .toBe(0);
    working.kill('SIGTERM');
    expect((await working.ended).code).toBe(0);
    await done(['enqueue', '--room', 'c', '--batch', 'taken-back'], worker);
    await done(['cancel', 'taken-back'], worker);
    await done(
      ['replay', '--batch', 'taken-back', '--outcome', 'cancelled', '--name', 'again'],
      worker,
    );
    await done(['pause'], worker);
    await done(['resume'], worker);
    await done(['prune', '--older-than', '90d', '--yes'], worker);
    await done(['doctor'], worker);

    for (const args of [
      ['status'],
      ['status', '--batch', 'evening', '--json'],
      ['explain', 'b'],
      ['explain', 'c'],
      ['report', 'evening'],
      ['audit'],
      ['audit', '--batch', 'evening'],
      ['prune', '--older-than', '90d', '--dry-run'],
      ['replay', '--batch', 'taken-back', '--outcome', 'cancelled', '--dry-run'],
      ['enqueue', '-', '--dry-run'],
      ['destroy', '-', '--dry-run'],
      ['doctor'],
    ])
      expect(await done(args, reader)).not.toMatch(/42501|permission denied|not looked at/);
    expect(await done(['report', 'again'], reader, 1)).toContain('1 room asked for');
    expect(await done(['doctor'], reader)).toContain(
      'this user may only read the schema room_reaper',
    );
    const writing = [['enqueue', '--room', 'd'], ['cancel', 'again'], ['resume'], ['worker']];
    for (const args of queue === 'Postgres' ? [...writing, ['pause']] : writing)
      expect(await done(args, reader, 2)).toMatch(/this user lacks a right: permission denied/);
  });
});
