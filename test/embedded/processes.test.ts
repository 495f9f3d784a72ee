import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { openEmbedded } from '../../src/embedded/open-embedded.js';
import { openBatch } from '../../src/ledger/batches.js';
import { openDatabase } from '../../src/ledger/database.js';
import { takeOverPatience } from '../../src/passing.js';
import { addDestructions } from '../../src/producer/add.js';
import { newId } from '../../src/queue/destruction-id.js';
import { openQueue } from '../../src/queue/open.js';
import { sameTier } from '../support/embedded.js';
import { freshDatabase, open, otherProcess, query, queryAtLast } from './fixture.js';

describe('two processes', () => {
  test('of processes that open a data directory at once, also after a crash, exactly one is the owner', async () => {
    const dataDir = await freshDatabase();
    for (let crash = 0; crash < 2; crash++) {
      const all = [1, 2, 3].map(() => otherProcess(dataDir));
      const roles = await Promise.all(all.map((each) => each.said()));
      expect(roles.sort()).toEqual(['joined', 'joined', 'owner']);
      await Promise.all(all.map((each) => each.kill()));
    }
  });

  test('a process that joined an owner killed with kill -9 takes over, and nothing that was committed is lost', async () => {
    const dataDir = await freshDatabase();
    const owner = otherProcess(
      dataDir,
      `await pool.query('create table t (n int)');
       for (let n = 1; ; n++) {
         await Promise.all([pool.query('insert into t values ($1)', [n]), pool.query('select 1')]);
         console.log(n);
       }`,
    );
    expect(await owner.said()).toBe('owner');
    let acknowledged = 0;
    while (acknowledged < 100) acknowledged = Number(await owner.said());
    const notices: string[] = [];
    const database = await open(dataDir, { onNotice: (notice) => notices.push(notice) });
    expect(database.role).toBe('joined');
    await owner.kill();
    for (let said = await owner.said(); said !== '(ended)'; said = await owner.said()) {
      acknowledged = Number(said);
    }
    const committed = `select count(*)::int as n from t where n <= ${acknowledged}`;
    expect(await queryAtLast(database, committed)).toEqual([{ n: acknowledged }]);
    expect(database.role).toBe('owner');
    expect(notices.join('\n')).toMatch(/is away: the process that ran it has gone/);
  });

  test('a second process joins, uses the database, and takes over when the owner closes, at the same address', async () => {
    const dataDir = await freshDatabase();
    const owner = await openEmbedded(dataDir);
    await query(owner, 'create table t as select 4 as n');
    const other = otherProcess(
      dataDir,
      `await pool.query('update t set n = 5');
       console.log('updated');
       for (;;) {
         await new Promise((resolve) => setTimeout(resolve, 50));
         const n = await pool.query('select n from t').then(({ rows }) => rows[0].n, () => null);
         if (db.role === 'owner' && n !== null) { console.log('took over, ' + n); break; }
       }`,
    );
    expect(await other.said()).toBe('joined');
    expect(await other.said()).toBe('updated');
    expect(await query(owner, 'select n from t')).toEqual([{ n: 5 }]);
    await owner.close();
    expect(await other.said()).toBe('took over, 5');
  });

  test.each(['SIGTERM', 'SIGKILL'] as const)(
    'the statements of a command go on when the process that runs the database ends by %s',
    async (signal) => {
      const dataDir = await freshDatabase();
      const other = otherProcess(
        dataDir,
        `process.once('SIGTERM', async () => { await pool.end(); await db.close(); process.exit(); });`,
      );
      expect(await other.said()).toBe('owner');
      const joined = await openEmbedded(dataDir);
      expect(joined.role).toBe('joined');
      const place = {
        connection: joined.connection,
        shownAs: 'the embedded database',
        patience: takeOverPatience,
        isPatient: true,
      };
      const database = await openDatabase(place);
      const opened = await openQueue({
        sdkAppId: 1_400_000_001,
        connection: { kind: 'postgres', ...place },
        isPatient: true,
        onError: () => undefined,
      });
      let [done, ownDone] = [0, 0];
      const goOn = async () => {
        while (ownDone < 5) {
          const id = newId();
          const batch = {
            ...{ id, sdkAppId: 1_400_000_001, name: id, madeUpName: '', fingerprint: id },
            ...{ total: 1, by: 'ada', note: undefined },
          };
          expect(await openBatch(database, batch)).toMatchObject({ id, isNew: true });
          const times = { requestedAtMs: Date.now(), notAfterMs: Date.now() + 60_000 };
          const destruction = { id, roomId: id, batchId: id, ...times };
          const placement = { lane: 'normal', delayMs: 0 } as const;
          expect(await addDestructions(opened.queue, [destruction], placement)).toEqual([
            { roomId: id, destructionId: id, status: 'added' },
          ]);
          expect(await opened.jobs.existing([id])).toEqual(new Set([id]));
          expect(await opened.lookUp.ahead(id)).toBeGreaterThanOrEqual(0);
          done += 1;
          if (joined.role === 'owner') ownDone += 1;
          if (done === 8) other.child.kill(signal);
        }
      };
      await Promise.all([goOn(), goOn(), goOn(), goOn()]);
      const counted = await database.query<{ n: number }>(
        'count',
        'select count(*)::int as n from room_reaper.batches',
        [],
      );
      expect(await opened.queue.getPrioritizedCount()).toBe(counted[0]?.n);
      await opened.close();
      await database.close();
      await joined.close();
    },
  );

  test('an open database does not keep its process running', async () => {
    const compiled = new URL('../../dist/embedded/open-embedded.js', import.meta.url).href;
    const source = `import { openEmbedded } from ${JSON.stringify(compiled)};
      await openEmbedded(${JSON.stringify(await freshDatabase())});`;
    const run = spawnSync(process.execPath, [...sameTier, '--input-type=module', '-e', source], {
      timeout: 20_000,
    });
    expect(run.status).toBe(0);
  });
});
