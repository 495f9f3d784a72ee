import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { openEmbedded } from '../../src/embedded/open-embedded.js';
import { openBatch } from '../../src/ledger/batches.js';
import { openDatabase } from '../../src/ledger/database.js';
import { takeOverPatience } from '../../src/passing.js';
import { addDestructions } from '../../src/producer/add.js';
import { newId } from '../../src/queue/destruction-id.js';
import { openQueue } from '../../src/queue/open.js';
import { freshDatabase, open, otherProcess, query, queryAtLast } from './fixture.js';

describe('two processes', () => {
  test('a second process joins the one that runs the database', async () => {
    const dataDir = await freshDatabase();
    const database = await open(dataDir);
    await query(database, 'create table t as select 1 as n');
    const other = otherProcess(
      dataDir,
      `await pool.query('update t set n = 2'); console.log('updated');`,
    );
    expect(await other.said()).toBe('joined');
    expect(await other.said()).toBe('updated');
    expect(await query(database, 'select n from t')).toEqual([{ n: 2 }]);
  });

  test('of processes that open a data directory at once, exactly one is the owner', async () => {
    const dataDir = await freshDatabase();
    const others = [1, 2, 3, 4].map(() => otherProcess(dataDir));
    const roles = await Promise.all(others.map((other) => other.said()));
    expect(roles.sort()).toEqual(['joined', 'joined', 'joined', 'owner']);
  });

  test('of processes that open a data directory at once after a crash, exactly one is the owner', async () => {
    const dataDir = await freshDatabase();
    const crashed = otherProcess(dataDir);
    expect(await crashed.said()).toBe('owner');
    await crashed.kill();
    const others = [1, 2, 3, 4].map(() => otherProcess(dataDir));
    const roles = await Promise.all(others.map((other) => other.said()));
    expect(roles.sort()).toEqual(['joined', 'joined', 'joined', 'owner']);
  });

  test('of an owner killed with kill -9, nothing that was committed is lost', async () => {
    const dataDir = await freshDatabase();
    const other = otherProcess(
      dataDir,
      `await pool.query('create table t (n int)');
       for (let n = 1; ; n++) {
         await Promise.all([pool.query('insert into t values ($1)', [n]), pool.query('select 1')]);
         console.log(n);
       }`,
    );
    expect(await other.said()).toBe('owner');
    let acknowledged = 0;
    while (acknowledged < 300) acknowledged = Number(await other.said());
    await other.kill();
    for (let said = await other.said(); said !== '(ended)'; said = await other.said()) {
      acknowledged = Number(said);
    }
    const database = await open(dataDir);
    expect(database.role).toBe('owner');
    const [row] = await query(database, 'select count(*)::int as n from t where n <= $1', [
      acknowledged,
    ]);
    expect(row).toEqual({ n: acknowledged });
  });

  test('a process that joined takes over when the owner closes, at the same address', async () => {
    const dataDir = await freshDatabase();
    const owner = await openEmbedded(dataDir);
    await query(owner, 'create table t as select 5 as n');
    const other = otherProcess(
      dataDir,
      `for (;;) {
         await new Promise((resolve) => setTimeout(resolve, 50));
         const n = await pool.query('select n from t').then(({ rows }) => rows[0].n, () => null);
         if (db.role === 'owner' && n !== null) { console.log('took over, ' + n); break; }
       }`,
    );
    expect(await other.said()).toBe('joined');
    await owner.close();
    expect(await other.said()).toBe('took over, 5');
  });

  test('a process that joined takes over when the owner is killed', async () => {
    const dataDir = await freshDatabase();
    const other = otherProcess(
      dataDir,
      `await pool.query('create table t as select 6 as n'); console.log('made');`,
    );
    expect(await other.said()).toBe('owner');
    expect(await other.said()).toBe('made');
    const notices: string[] = [];
    const database = await open(dataDir, { onNotice: (notice) => notices.push(notice) });
    expect(database.role).toBe('joined');
    await other.kill();
    expect(await queryAtLast(database, 'select n from t')).toEqual([{ n: 6 }]);
    expect(database.role).toBe('owner');
    expect(notices.join('\n')).toMatch(/is away: the process that ran it has gone/);
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
        while (ownDone < 10) {
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
          if (done === 20) other.child.kill(signal);
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
    const run = spawnSync(process.execPath, ['--input-type=module', '-e', source], {
      timeout: 20_000,
    });
    expect(run.status).toBe(0);
  });
});
