/**
 * The plans of what the program asks the ledger, on tables large enough for the planner to
 * care. `npm run test:plans` does the same among ten million rooms.
 */
import pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import { auditBatch, auditSince } from '../../src/ledger/audit.js';
import {
  finishBatches,
  finishedAmong,
  joinDestructions,
  joinedAndFinished,
  openBatch,
  readBatches,
} from '../../src/ledger/batches.js';
import type { Database } from '../../src/ledger/database.js';
import { readRoomHistory } from '../../src/ledger/explain.js';
import { countedUntil, fillMinutes, readMinutes } from '../../src/ledger/minutes.js';
import { prune } from '../../src/ledger/prune.js';
import { recordEnds } from '../../src/ledger/record.js';
import { releaseUnsent } from '../../src/ledger/release.js';
import {
  countKnownRooms,
  knownAmong,
  readOpenRooms,
  readReportRows,
  readRoomsAmong,
} from '../../src/ledger/report-rows.js';
import { summarizeBatch } from '../../src/ledger/report.js';
import { takeRoomEvents } from '../../src/ledger/room-events.js';
import { requestsInWindow } from '../../src/ledger/sent.js';
import { saveSnapshots } from '../../src/ledger/snapshots.js';
import { readStandings } from '../../src/ledger/standing.js';
import { newId } from '../../src/queue/destruction-id.js';
import { withPostgres } from '../support/servers.js';
import {
  attemptEnd,
  destructionEnd,
  makeLine,
  openLedger,
  requests,
  statistics,
  slotsOf,
  useLedger,
  type Line,
} from './fixture.js';
import { fillLedger, syntheticBatchId } from './synthetic.js';
import { createFreshDatabase } from '../support/servers.js';

const { PLAN_ROOMS } = process.env;
const rooms = Number(PLAN_ROOMS ?? 50_000);
const roomsOfBatch = Math.min(5_000, rooms / 40);
const large = ['attempts', 'destructions'];
const ledger = useLedger({ create: createFreshDatabase });
let line: Line;
/** Milliseconds since the epoch; the newest request of the filled ledger is not older. */
let filledFromMs: number;

beforeAll(async () => {
  line = await makeLine(ledger);
  await ledger.sql('delete from room_reaper.lines where id = $1', [line.id]);
  // Plans follow from what is counted here, not from when the server looks again by itself.
  await ledger.sql('alter table room_reaper.batch_joins set (autovacuum_enabled = off)');
  // With few rows a page, tables are as long as those of six times as many rooms.
  for (const table of PLAN_ROOMS === undefined ? large : [])
    await ledger.sql(`alter table room_reaper.${table} set (fillfactor = 15)`);
  filledFromMs = Date.now();
  await fillLedger(ledger.url, { sdkAppId: line.sdkAppId, rooms, roomsOfBatch });
  await ledger.sql('update room_reaper.lines set id = $1, host = $2', [line.id, line.key.host]);
}, 3_600_000);

interface Asked {
  name: string;
  sql: string;
  parameters: readonly unknown[];
}

/** The ledger, and every statement that `use` runs on it, once each. */
async function statementsOf(use: (database: Database) => Promise<unknown>): Promise<Asked[]> {
  const asked = new Map<string, Asked>();
  await use({
    query(name, sql, parameters) {
      if (!asked.has(name)) asked.set(name, { name, sql, parameters });
      return ledger.database.query(name, sql, parameters);
    },
    close: () => Promise.resolve(),
  });
  return [...asked.values()];
}

interface Plan {
  'Node Type': string;
  'Relation Name'?: string;
  Plans?: Plan[];
}

/** Large tables that are read from one end to the other. */
function scannedWhole(plan: Plan): string[] {
  const here =
    plan['Node Type'] === 'Seq Scan' && large.includes(plan['Relation Name'] ?? '')
      ? [plan['Relation Name'] ?? '']
      : [];
  return [...here, ...(plan.Plans ?? []).flatMap(scannedWhole)];
}

const literal = (value: unknown) => (value === null ? 'null' : pg.escapeLiteral(prepared(value)));

/** A parameter as the driver sends it. */
function prepared(value: unknown): string {
  if (!Array.isArray(value)) return String(value);
  return `{${value.map((each) => (each === null ? 'NULL' : `"${String(each)}"`)).join(',')}}`;
}

/** Plans made for these parameters, and for any: a prepared statement gets either. */
async function plansOf({ sql, parameters }: Asked): Promise<Plan[]> {
  return withPostgres(ledger.url, async (client) => {
    const plans: Plan[] = [];
    for (const mode of ['force_custom_plan', 'force_generic_plan']) {
      await client.query(`set plan_cache_mode = ${mode}`);
      await client.query(`prepare asked as ${sql}`);
      const given = parameters.length > 0 ? `(${parameters.map(literal).join(', ')})` : '';
      const { rows } = await client.query<{ 'QUERY PLAN': { Plan: Plan }[] }>(
        `explain (format json) execute asked${given}`,
      );
      await client.query('deallocate asked');
      const plan = rows[0]?.['QUERY PLAN'][0]?.Plan;
      if (plan === undefined) throw new Error('explain gave no plan');
      plans.push(plan);
    }
    await client.query('reset plan_cache_mode');
    return plans;
  });
}

async function expectNoScan(use: (database: Database) => Promise<unknown>, names: string[]) {
  const statements = await statementsOf(use);
  expect(statements.map(({ name }) => name).sort()).toEqual([...names].sort());
  for (const statement of statements) {
    for (const plan of await plansOf(statement))
      expect(scannedWhole(plan), `${statement.name}\n${JSON.stringify(plan, null, 1)}`).toEqual([]);
  }
}

const someBatch = syntheticBatchId(7);
const longAgo = () => (Date.now() - (rooms / 196 / 2) * 1000) * 1000;

describe('no table of attempts or destructions is read whole', () => {
  test('to reserve slots, to record ends, to give back what was not sent', async () => {
    const wished = requests(50, { batchId: someBatch });
    await expectNoScan(
      async (database) => {
        await line.reserve(wished, { database });
        await recordEnds(
          database,
          line.sdkAppId,
          wished.map((each) => ({
            destructionId: each.id,
            destruction: each,
            attempt: attemptEnd(),
            end: destructionEnd('destroyed'),
          })),
        );
        await releaseUnsent(
          database,
          'worker-1',
          wished.map((each) => each.id),
        );
      },
      ['reserve', 'record', 'release'],
    );
  });

  test('to ask about a room first, and to take what the API tells of its end', async () => {
    const wished = requests(50, { batchId: someBatch });
    await expectNoScan(
      async (database) => {
        await readStandings(
          database,
          'worker-1',
          wished.map(({ id, batchId }) => ({ id, batchId })),
        );
        await saveSnapshots(
          database,
          wished.map(({ id }) => ({ destructionId: id, takenAtMs: Date.now(), statistics })),
        );
        await takeRoomEvents(
          database,
          line.sdkAppId,
          wished.map(({ roomId }) => ({
            ...{
              roomId,
              endedAtMs: Date.now(),
              endedBy: 'system',
              operator: undefined,
              statistics,
            },
          })),
        );
        const roomIds = wished.map(({ roomId }) => roomId);
        await readRoomsAmong(database, line.sdkAppId, someBatch, roomIds);
      },
      ['standing', 'save-snapshots', 'room-events-take', 'rooms-among'],
    );
  });

  test('to make the rows that a restored database has lost', async () => {
    const [lost] = requests(1);
    if (lost === undefined) throw new Error('one was asked for');
    await expectNoScan(
      (database) =>
        recordEnds(database, line.sdkAppId, [
          {
            destructionId: lost.id,
            destruction: lost,
            attempt: undefined,
            end: destructionEnd('failed'),
          },
        ]),
      ['record', 'record-restore'],
    );
  });

  test('to put a list on the queue, and to see how it goes', async () => {
    const batch = {
      sdkAppId: line.sdkAppId,
      name: 'x',
      fingerprint: 'x',
      total: 10,
      madeUpName: 'a',
      by: 'ada',
      note: undefined,
    };
    await expectNoScan(
      async (database) => {
        const { id } = await openBatch(database, { ...batch, id: newId() });
        await finishedAmong(database, [newId(), newId()]);
        await joinDestructions(database, id, [{ destructionId: newId(), roomId: 'a' }]);
        await joinedAndFinished(database, id, ['a', 'b']);
        await finishBatches(database, line.sdkAppId);
        await readBatches(database, line.sdkAppId, { limit: 10 });
      },
      [
        ...['batch-open', 'finished-among', 'batch-join', 'joined-finished'],
        ...['batch-finish', 'batch-progress', 'batch-rates'],
      ],
    );
  });

  test('to explain a room', async () => {
    const [room] = await ledger.sql<{ room_id: string }>(
      'select room_id from room_reaper.destructions where sdk_app_id = $1 limit 1',
      [line.sdkAppId],
    );
    await expectNoScan(
      async (database) => {
        const most = { destructions: 5, attempts: 50 };
        const { total } = await readRoomHistory(database, line.sdkAppId, room?.room_id ?? '', most);
        expect(total).toBeGreaterThan(0);
      },
      ['explain-destructions', 'explain-attempts', 'room-events'],
    );
  });

  test('for the report of a batch, and the end of destroy', async () => {
    await expectNoScan(
      async (database) => {
        const summary = await summarizeBatch(database, someBatch);
        expect(summary.rooms).toBeGreaterThanOrEqual(roomsOfBatch);
        await countKnownRooms(database, someBatch);
        await knownAmong(database, [newId()]);
        await readOpenRooms(database, someBatch, 5);
      },
      [
        ...['report-page', 'batch-app', 'line-numbers', 'sent-page'],
        ...['report-known', 'known-among', 'batch-open-rooms'],
      ],
    );
  });

  test('for a page of a batch that Postgres has not counted yet, which it takes for a few rooms', async () => {
    const [page] = await statementsOf(async (database) => {
      await readReportRows(database, someBatch).next();
    });
    if (page === undefined) throw new Error('a page must be asked for');
    await withPostgres(ledger.url, async (client) => {
      await client.query('begin');
      const table = "'room_reaper.destructions'::regclass";
      await client.query(`delete from pg_statistic where starelid = ${table}`);
      await client.query(`update pg_class set reltuples = 80000 where oid = ${table}`);
      await client.query(page.sql, page.parameters.map(prepared));
      const { rows } = await client.query<{ fetched: number }>(
        `select idx_tup_fetch::int as fetched from pg_stat_xact_user_tables where relname = 'destructions'`,
      );
      await client.query('rollback');
      // The page, and the room behind it; the batch has many more.
      expect(rows[0]?.fetched).toBeLessThan(300);
      expect(rows[0]?.fetched).toBeGreaterThanOrEqual(250);
    });
  });

  test('for an audit', async () => {
    await expectNoScan(
      async (database) => {
        await auditBatch(database, line.sdkAppId, someBatch);
        const fromUs = (filledFromMs - 60_000) * 1_000;
        const { hosts } = await auditSince(database, line.sdkAppId, fromUs);
        const [host] = hosts;
        if (host === undefined) throw new Error('that minute is full of requests');
        expect(host.requests).toBeGreaterThan(5_000);
        await requestsInWindow(database, line.sdkAppId, host.host, host.worst);
      },
      [
        ...['report-page', 'line-numbers', 'sent-page', 'now', 'audit-retries'],
        ...['audit-unsent', 'sent-requests'],
      ],
    );
  });

  test('to count minutes, of which a day is full of requests', async () => {
    const { sdkAppId } = line;
    await expectNoScan(
      async (database) => {
        await fillMinutes(database, sdkAppId);
        const counted = await readMinutes(database, { sdkAppId, fromMs: 0, toMs: Date.now() });
        expect(Math.max(...counted.map(({ requests: sent }) => sent))).toBeGreaterThan(5_000);
        await countedUntil(database, sdkAppId);
      },
      ['line-numbers', 'minutes-fill', 'minutes-read', 'minutes-until'],
    );
  });

  test('to prune', async () => {
    await ledger.sql(
      `insert into room_reaper.batch_joins
       select $1, id, room_id from room_reaper.destructions order by requested_at limit 6000`,
      [syntheticBatchId(0)],
    );
    const before = { sdkAppId: line.sdkAppId, beforeUs: longAgo(), force: false };
    await expectNoScan(
      async (database) => {
        await prune(database, { ...before, dryRun: true });
        const pruned = await prune(database, { ...before, dryRun: false });
        expect(pruned.destructions).toBeGreaterThanOrEqual(rooms / 4);
      },
      [
        ...[
          'prune-old-batches',
          'prune-destructions',
          'prune-events',
          'prune-room-events',
          'prune-actions',
          'line-numbers',
          'prune-orphans',
        ],
        ...['prune-unsent-orphans', 'prune-held-by-joins', 'prune-joins', 'prune-batch'],
        ...['count-destructions', 'count-orphans', 'count-unsent-orphans'],
      ],
    );
  });
});

test('ends of destructions are HOT: none of their indexes has a column that changes', async () => {
  const updates = async () => {
    const [row] = await ledger.sql<{ all: string; hot: string }>(
      `select n_tup_upd as all, n_tup_hot_upd as hot from pg_stat_user_tables
        where schemaname = 'room_reaper' and relname = 'destructions'`,
    );
    return { all: Number(row?.all), hot: Number(row?.hot) };
  };
  const before = await updates();
  // So few that a page has room for all their new versions, wherever they are.
  const wished = requests(5, { batchId: someBatch });
  expect(slotsOf(await line.reserve(wished))).toHaveLength(5);
  const another = await openLedger(ledger.url);
  await recordEnds(
    another,
    line.sdkAppId,
    wished.map((each) => ({
      destructionId: each.id,
      attempt: attemptEnd(),
      end: destructionEnd('destroyed'),
    })),
  );
  // What a session did is counted at its end, else some seconds later.
  await another.close();
  await expect
    .poll(async () => (await updates()).all - before.all, { timeout: 20_000 })
    .toBeGreaterThanOrEqual(5);
  const after = await updates();
  expect(after.hot - before.hot).toBe(after.all - before.all);
});
