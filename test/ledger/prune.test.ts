import { beforeEach, describe, expect, test } from 'vitest';
import { finishBatches } from '../../src/ledger/batches.js';
import { openDatabase, type Database } from '../../src/ledger/database.js';
import type { Outcome } from '../../src/destruction.js';
import { prune, type PruneOptions } from '../../src/ledger/prune.js';
import { readNowUs } from '../../src/ledger/sent.js';
import { newId } from '../../src/queue/destruction-id.js';
import { openFreshEmbedded } from '../support/embedded.js';
import { freshSdkAppId } from '../support/servers.js';
import { useLedger } from './fixture.js';

const ledger = useLedger();
const dayUs = 86_400_000_000;
let sdkAppId: number;

beforeEach(() => {
  sdkAppId = freshSdkAppId();
});

interface Row {
  batchId?: string;
  outcome?: Outcome | null;
  /** Days ago. */
  finished?: number;
  requested?: number;
  /** Days from now. */
  deadline?: number;
  attempts?: number;
  app?: number;
}

/** A destruction that was asked for, sent and ended long ago, unless the row says otherwise. */
async function destruction(row: Row = {}): Promise<string> {
  const id = newId();
  const finished = row.finished ?? 100;
  await ledger.sql(
    `insert into room_reaper.destructions (id, sdk_app_id, room_id, batch_id, requested_at, not_after, outcome, finished_at)
     values ($1, $2, $1, $3, now() - $4 * interval '1 day', now() + $5 * interval '1 day', $6, now() - $7 * interval '1 day')`,
    [
      ...[id, row.app ?? sdkAppId, row.batchId ?? null, row.requested ?? finished + 0.1],
      ...[row.deadline ?? -finished, row.outcome === undefined ? 'failed' : row.outcome],
      row.outcome === null ? null : finished,
    ],
  );
  await attempts(id, row.attempts ?? 1, finished);
  return id;
}

async function attempts(id: string, count: number, daysAgo: number, sent = true): Promise<void> {
  await ledger.sql(
    `insert into room_reaper.attempts (destruction_id, attempt, worker_id, slot_at, sent_at, ended_at)
     select $1, n, 'w', now() - $3 * interval '1 day', case when $4 then now() - $3 * interval '1 day' end, now()
       from generate_series(1, $2::int) n`,
    [id, count, daysAgo, sent],
  );
}

async function batch(finishedDaysAgo: number | null): Promise<string> {
  const id = newId();
  await ledger.sql(
    `insert into room_reaper.batches (id, sdk_app_id, total, created_at, enqueued_at, finished_at)
     values ($1, $2, 1000, now() - interval '200 days', now() - interval '200 days', now() - $3 * interval '1 day')`,
    [id, sdkAppId, finishedDaysAgo],
  );
  return id;
}

async function join(batchId: string, destructionId: string): Promise<void> {
  await ledger.sql('insert into room_reaper.batch_joins values ($1, $2, $2)', [
    batchId,
    destructionId,
  ]);
}

async function pruneOlderThan(days: number, changes: Partial<PruneOptions> = {}) {
  const beforeUs = (await readNowUs(ledger.database)) - days * dayUs;
  return prune(ledger.database, { sdkAppId, beforeUs, dryRun: false, force: false, ...changes });
}

const exists = async (id: string) =>
  (await ledger.sql('select 1 as x from room_reaper.destructions where id = $1', [id])).length > 0;
const attemptsOf = async (id: string) =>
  (await ledger.sql('select 1 as x from room_reaper.attempts where destruction_id = $1', [id]))
    .length;
const batchExists = async (id: string) =>
  (await ledger.sql('select 1 as x from room_reaper.batches where id = $1', [id])).length > 0;

describe('what goes', () => {
  test('a destruction that ended before the cutoff, with its attempts', async () => {
    const id = await destruction({ attempts: 3 });
    expect(await pruneOlderThan(90)).toEqual({ destructions: 1, attempts: 3, batches: 0 });
    expect(await exists(id)).toBe(false);
    expect(await attemptsOf(id)).toBe(0);
  });

  test('any number of them, in transactions of a few', async () => {
    const ids = [];
    for (let n = 0; n < 25; n++) ids.push(await destruction({ attempts: 2 }));
    const seen: number[] = [];
    const pruned = await pruneOlderThan(90, {
      chunk: 4,
      onProgress: ({ destructions }) => void seen.push(destructions),
    });
    expect(pruned).toEqual({ destructions: 25, attempts: 50, batches: 0 });
    const steps = seen.map((each, index) => each - (seen[index - 1] ?? 0));
    expect(Math.max(...steps)).toBeLessThanOrEqual(4);
    for (const id of ids) expect(await exists(id)).toBe(false);
  });

  test('destructions that were asked for at one instant do not end the walk', async () => {
    for (let n = 0; n < 9; n++) await destruction();
    await ledger.sql(
      `update room_reaper.destructions set requested_at = now() - interval '150 days' where sdk_app_id = $1`,
      [sdkAppId],
    );
    expect((await pruneOlderThan(90, { chunk: 2 })).destructions).toBe(9);
  });

  test('a batch that finished before the cutoff, with its rooms and those that it joined', async () => {
    const batchId = await batch(95);
    const own = await destruction({ batchId, finished: 96 });
    const joined = await destruction({ finished: 95 });
    await join(batchId, joined);
    expect(await pruneOlderThan(90)).toEqual({ destructions: 2, attempts: 2, batches: 1 });
    expect(await exists(own)).toBe(false);
    expect(await batchExists(batchId)).toBe(false);
    expect(
      await ledger.sql('select 1 as x from room_reaper.batch_joins where batch_id = $1', [batchId]),
    ).toEqual([]);
  });

  test('attempts whose destruction is not there any more, sent or not', async () => {
    const [sent, unsent, young] = [newId(), newId(), newId()];
    await attempts(sent, 2, 100);
    await attempts(unsent, 1, 100, false);
    await attempts(young, 1, 80);
    expect(await pruneOlderThan(90)).toEqual({ destructions: 0, attempts: 3, batches: 0 });
    expect(await attemptsOf(sent)).toBe(0);
    expect(await attemptsOf(unsent)).toBe(0);
    expect(await attemptsOf(young)).toBe(1);
  });
});

test('with it goes what the action log has of that time, and of that app, in transactions of a few', async () => {
  await ledger.sql(
    `insert into room_reaper.actions (sdk_app_id, at, who, way, what)
     select app, now() - (d + 0.5) * interval '1 day', 'ada', 'cli', 'queue.pause'
       from generate_series(100, 81, -1) d, unnest($1::bigint[]) app`,
    [[sdkAppId, freshSdkAppId()]],
  );
  const left = async () =>
    (
      await ledger.sql<{ days: number }>(
        `select floor(extract(epoch from now() - at) / 86400)::int as days
           from room_reaper.actions where sdk_app_id = $1 order by id`,
        [sdkAppId],
      )
    ).map(({ days }) => days);
  await pruneOlderThan(90, { dryRun: true });
  expect(await left()).toHaveLength(20);
  await pruneOlderThan(90, { chunk: 4 });
  expect(await left()).toEqual([89, 88, 87, 86, 85, 84, 83, 82, 81]);
  expect(await ledger.sql('select from room_reaper.actions')).toHaveLength(29);
});

describe('what stays, however old', () => {
  test.each<[rule: string, row: Row]>([
    ['what ended after the cutoff', { finished: 89, requested: 300, deadline: -200 }],
    ['what has no outcome', { outcome: null, requested: 300 }],
    ['what has a deadline that is not over: its job could be sent again', { deadline: 1 }],
    ['what is another app’s', { app: 1 }],
  ])('%s', async (_rule, row) => {
    const id = await destruction(row);
    const old = await destruction();
    expect(await pruneOlderThan(90)).toEqual({ destructions: 1, attempts: 1, batches: 0 });
    expect(await exists(id)).toBe(true);
    expect(await attemptsOf(id)).toBe(1);
    expect(await exists(old)).toBe(false);
  });

  test('force takes what has a deadline that is not over, and nothing that is open', async () => {
    await destruction({ deadline: 1 });
    const open = await destruction({ outcome: null });
    expect((await pruneOlderThan(90, { force: true })).destructions).toBe(1);
    expect(await exists(open)).toBe(true);
  });

  test.each<[rule: string, finished: number | null]>([
    ['is unfinished: running its list again must know what is done', null],
    ['finished after the cutoff: its report is whole', 80],
  ])('the rooms of a batch that %s', async (_rule, finished) => {
    const batchId = await batch(finished);
    const own = await destruction({ batchId });
    const joined = await destruction();
    await join(batchId, joined);
    expect(await pruneOlderThan(90)).toEqual({ destructions: 0, attempts: 0, batches: 0 });
    expect([await exists(own), await exists(joined)]).toEqual([true, true]);
    expect(await batchExists(batchId)).toBe(true);
  });

  test('a batch, with all its rooms, while one of them is joined by a batch that stays', async () => {
    const batchId = await batch(95);
    const shared = await destruction({ batchId });
    const another = await destruction({ batchId });
    await join(await batch(10), shared);
    expect(await pruneOlderThan(90)).toEqual({ destructions: 0, attempts: 0, batches: 0 });
    expect(await batchExists(batchId)).toBe(true);
    expect(await exists(another)).toBe(true);
  });

  test('what a batch that stays had joined, with the batch of that', async () => {
    const held = await batch(95);
    await join(await batch(10), await destruction({ batchId: held }));
    const other = await batch(95);
    const [single, joined, beside] = [
      await destruction(),
      await destruction({ batchId: other }),
      await destruction({ batchId: other }),
    ];
    for (const id of [single, joined]) await join(held, id);
    expect(await pruneOlderThan(90)).toEqual({ destructions: 0, attempts: 0, batches: 0 });
    for (const id of [single, joined, beside]) expect(await exists(id)).toBe(true);
  });
});

test('a dry run counts what would go, and deletes nothing', async () => {
  const batchId = await batch(95);
  const id = await destruction({ batchId, attempts: 2 });
  await attempts(newId(), 1, 100);
  await attempts(newId(), 1, 100, false);
  const expected = { destructions: 1, attempts: 4, batches: 1 };
  expect(await pruneOlderThan(90, { dryRun: true })).toEqual(expected);
  expect(await exists(id)).toBe(true);
  expect(await pruneOlderThan(90, { dryRun: true })).toEqual(expected);
  expect(await pruneOlderThan(90)).toEqual(expected);
  expect(await pruneOlderThan(90)).toEqual({ destructions: 0, attempts: 0, batches: 0 });
});

test('interrupted, it ends between two transactions and goes on where it was', async () => {
  for (let n = 0; n < 10; n++) await destruction();
  const stop = new AbortController();
  const first = await pruneOlderThan(90, {
    chunk: 3,
    signal: stop.signal,
    onProgress: () => stop.abort(),
  });
  // Rows of other tests may be in its first chunk, and stay.
  expect(first.destructions).toBeLessThanOrEqual(3);
  const second = await pruneOlderThan(90, { chunk: 3 });
  expect(first.destructions + second.destructions).toBe(10);
});

test('the embedded database does the same', async () => {
  const embedded = await openFreshEmbedded();
  let database: Database | undefined;
  try {
    database = await openDatabase({
      connection: { connectionString: embedded.url },
      shownAs: 'the embedded database',
    });
    await database.query(
      'fill',
      `insert into room_reaper.destructions (id, sdk_app_id, room_id, requested_at, not_after, outcome, finished_at)
       select n::text, 1, n::text, now() - n * interval '1 day', now() - n * interval '1 day', 'failed', now() - n * interval '1 day'
         from generate_series(1, 100) n`,
      [],
    );
    await database.query(
      'fill-attempts',
      `insert into room_reaper.attempts (destruction_id, attempt, worker_id, slot_at, sent_at)
       select n::text, 1, 'w', now() - n * interval '1 day', now() - n * interval '1 day' from generate_series(1, 110) n`,
      [],
    );
    await finishBatches(database, 1);
    const options = { sdkAppId: 1, beforeUs: (await readNowUs(database)) - 30.5 * dayUs };
    const pruned = await prune(database, { ...options, dryRun: false, force: false, chunk: 20 });
    expect(pruned).toEqual({ destructions: 70, attempts: 80, batches: 0 });
    const left = await database.query('left', 'select id from room_reaper.destructions', []);
    expect(left).toHaveLength(30);
  } finally {
    await database?.close();
    await embedded.close();
  }
}, 120_000);

test('what the API told of a room goes with its destruction, and what belongs to none when it is as old', async () => {
  const [old, young] = [await destruction(), await destruction({ finished: 3 })];
  const event = (room: string, owner: string | null, daysAgo: number) =>
    ledger.sql(
      `insert into room_reaper.room_events (sdk_app_id, room_id, ended_at, ended_by, received_at, destruction_id)
       values ($1, $2, now() - $4 * interval '1 day', 'system', now() - $4 * interval '1 day', $3)`,
      [sdkAppId, room, owner, daysAgo],
    );
  await event(old, old, 100);
  await event(young, young, 3);
  await event(young, young, 100);
  for (const room of ['a', 'b', 'c']) await event(room, null, 100);
  await event('gone', newId(), 100);
  await event('d', null, 3);
  for (const id of [old, young]) {
    await ledger.sql('insert into room_reaper.snapshots values ($1, now(), 1, 1, 1, 1, 1)', [id]);
    await ledger.sql(
      `insert into room_reaper.rescued values ($1, null, 'already_gone', 'webhook')`,
      [id],
    );
  }
  const left = async (table: string, column: string) =>
    (
      await ledger.sql(
        `select ${column} as id from room_reaper.${table} where ${column} = any ($1) order by 1`,
        [[old, young, 'a', 'b', 'c', 'd', 'gone']],
      )
    ).map(({ id }) => id);

  await pruneOlderThan(30, { dryRun: true });
  expect(await left('room_events', 'room_id')).toHaveLength(8);
  await pruneOlderThan(30, { chunk: 2 });
  expect(await left('room_events', 'room_id')).toEqual([young, young, 'd']);
  for (const table of ['snapshots', 'rescued'])
    expect(await left(table, 'destruction_id')).toEqual([young]);
});
