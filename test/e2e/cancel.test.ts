/** Taking back what was not sent. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openEmbedded } from '../../src/embedded/open-embedded.js';
import { markBatchesCancelled } from '../../src/ledger/cancel.js';
import { ensureDestructions } from '../../src/ledger/record.js';
import { openLedger } from '../ledger/fixture.js';
import { addDestructions } from '../../src/producer/add.js';
import { batchDestructionId } from '../../src/queue/destruction-id.js';
import { assertQuotaKept, sentSlots } from '../support/quota-kept.js';
import { withPostgres } from '../support/servers.js';
import { openTestQueue } from './queue.js';
import { afterThisTest, run, startInside, type RunOptions } from './room-reaper.js';
import {
  folderWithDatabase,
  lines,
  openStage,
  postgresOnly,
  readAttempts,
  readDestructions,
  redisAndPostgres,
  roomIds,
} from './stage.js';

interface CancelJson {
  cancelled: number;
  sentBefore: number;
  inHand: { roomId: string; outcome: string | null }[];
  leftInHand: number;
  goOnForOthers: number;
  nothingWaits: string[];
  batches: {
    id: string;
    total: number;
    finished: number;
    neverQueued: number;
    outcomes: Record<string, number>;
  }[];
}

async function cancel(args: readonly string[], options: RunOptions): Promise<CancelJson> {
  const ended = await run(['cancel', ...args, '--json'], options);
  expect(ended.code, ended.stderr).toBe(0);
  return JSON.parse(ended.stdout) as CancelJson;
}

async function statusOf(options: RunOptions) {
  return JSON.parse((await run(['status', '--json'], options)).stdout) as {
    queue: Record<'waiting' | 'active' | 'delayed' | 'failed', number>;
    batches: { name: string; createdAt: string; finishedAt?: string; cancelledBy?: string }[];
  };
}

const nothing = { waiting: 0, active: 0, delayed: 0, failed: 0 };

describe.each([
  ['Redis', redisAndPostgres],
  ['Postgres', postgresOnly],
] as const)('on %s', (_, stores) => {
  /** More than are taken back at once. */
  const size = 1_200;
  /** So slow that most rooms still wait when they are cancelled, however long the command takes. */
  const ratePerSecond = 30;

  test('a batch cancelled while workers run: what was sent has its outcome, the rest is never sent', async () => {
    const { server, env } = await openStage();
    const variables = await stores();
    const options = {
      env: { ...env, ...variables, RATE_LIMIT_PER_SECOND: String(ratePerSecond) },
    };
    const list = { ...options, stdin: lines(roomIds(size)) };
    await run(['enqueue', '-', '--yes', '--batch', 'evening'], list);
    const workers = [startInside(['worker'], options), startInside(['worker'], options)];
    await server.reached(40);

    const report = await cancel(['evening', '--by', 'ada'], options);

    const sentBy = (await server.report()).requests.length;
    const rows = await readDestructions(variables.DATABASE_URL);
    expect(rows.size).toBe(size);
    const endedAs = (outcome: string) =>
      [...rows.values()].filter((row) => row.outcome === outcome);
    const [destroyed, cancelled] = [endedAs('destroyed'), endedAs('cancelled')];
    expect(destroyed.length + cancelled.length).toBe(size);
    expect(cancelled.length).toBeGreaterThan(0);
    expect(destroyed.length).toBe(sentBy);
    const [batch] = report.batches;
    expect(batch).toMatchObject({ total: size, finished: size, neverQueued: 0 });
    expect(batch?.outcomes).toMatchObject({
      destroyed: destroyed.length,
      cancelled: cancelled.length,
    });
    expect(report.leftInHand).toBe(0);
    for (const { roomId, outcome } of report.inHand)
      expect(rows.get(roomId)?.outcome).toBe(outcome);

    // The rooms can be asked for again at once, and then they are sent.
    const again = await run(['enqueue', '-', '--batch', 'evening', '--json'], {
      ...options,
      stdin: lines(cancelled.slice(0, 10).map((row) => row.room_id)),
    });
    expect(JSON.parse(again.stdout)).toMatchObject({ added: 10, pending: 0, finished: 0 });
    await server.reached(sentBy + 10);
    for (const worker of workers) worker.kill('SIGTERM');
    for (const worker of workers) expect((await worker.ended).code).toBe(0);
    const after = await server.report();
    const { requests } = after;
    const sent = new Set(requests.map((request) => request.roomId));
    expect(requests).toHaveLength(sentBy + 10);
    for (const row of cancelled.slice(10)) expect(sent).not.toContain(row.room_id);
    assertQuotaKept(after, ratePerSecond, await sentSlots(variables.DATABASE_URL));
    const { queue, batches } = await statusOf(options);
    expect(queue).toMatchObject(nothing);
    expect(batches.at(-1)).toMatchObject({
      name: 'evening',
      cancelledBy: 'ada',
      finishedAt: expect.any(String) as string,
    });
  });

  test('what an interrupted cancel took off the queue is recorded by the next one', async () => {
    const { sdkAppId, env } = await openStage();
    const variables = await stores();
    const options = { env: { ...env, ...variables } };
    const enqueued = await run(['enqueue', '-', '--json'], {
      ...options,
      stdin: lines(roomIds(30)),
    });
    const { batchId } = JSON.parse(enqueued.stdout) as { batchId: string };
    // As far as it came: ten jobs are gone from the queue, and nothing is recorded yet.
    const database = await openLedger(variables.DATABASE_URL);
    const queue = await openTestQueue(sdkAppId, variables.QUEUE_URL);
    await markBatchesCancelled(database, [batchId], 'ada');
    const taken = await queue.getRanges(['prioritized'], 0, 9);
    const jobs = await queue.jobs.read(taken);
    await ensureDestructions(database, sdkAppId, jobs);
    expect((await queue.jobs.remove(taken)).size).toBe(10);
    await database.close();

    const report = await cancel([batchId], options);

    expect(report.cancelled).toBe(30);
    expect(report.batches).toMatchObject([{ finished: 30, outcomes: { cancelled: 30 } }]);
    expect((await statusOf(options)).queue).toMatchObject(nothing);
  });
});

test('on the embedded default too', async () => {
  const cwd = await folderWithDatabase({ 'rooms.txt': lines(roomIds(20)) });
  const options = { env: { TENCENT_SDK_APP_ID: '1400000001' }, cwd };
  // The commands join it.
  const database = await openEmbedded(join(cwd, '.room-reaper'));
  afterThisTest(() => database.close());
  await run(['enqueue', 'rooms.txt', '--batch', 'evening'], options);

  const report = await cancel(['evening'], options);

  expect(report).toMatchObject({
    cancelled: 20,
    batches: [{ finished: 20, outcomes: { cancelled: 20 } }],
  });
  const { queue, batches } = await statusOf(options);
  expect(queue).toMatchObject(nothing);
  expect(batches[0]?.finishedAt).toBeDefined();
});

test('what is in flight finishes, and the report names it', async () => {
  const { server, env } = await openStage({ latencyMs: 7_000 });
  const variables = await redisAndPostgres();
  const options = { env: { ...env, ...variables, REQUEST_TIMEOUT_MS: '30000' } };
  await run(['enqueue', '-', '--batch', 'b'], { ...options, stdin: lines(roomIds(5)) });
  const worker = startInside(['worker'], options);
  await server.reached(5);

  const report = await cancel(['b'], options);

  expect(report).toMatchObject({ cancelled: 0, leftInHand: 0 });
  expect(report.inHand.sort((a, b) => a.roomId.localeCompare(b.roomId))).toEqual(
    roomIds(5).map((roomId) => ({ roomId, outcome: 'destroyed' })),
  );
  worker.kill('SIGTERM');
  await worker.ended;
});

test('a room that was sent and waits for its retry ends as failed, and is not sent again', async () => {
  const { server, env } = await openStage({
    scripts: {
      troubled: Array.from({ length: 60 }, () => ({ kind: 'code', code: 100001 }) as const),
    },
  });
  const variables = await redisAndPostgres();
  const options = { env: { ...env, ...variables } };
  await run(['enqueue', '--room', 'troubled'], options);
  const worker = startInside(['worker'], options);
  await expect
    .poll(async () => (await statusOf(options)).queue.delayed, { timeout: 60_000, interval: 100 })
    .toBe(1);
  // Its retry is due in a moment, and the worker would end it.
  worker.kill('SIGTERM');
  await worker.ended;

  const report = await cancel(['--room', 'troubled', '--room', 'unheard-of'], options);

  expect(report).toMatchObject({ cancelled: 0, sentBefore: 1, nothingWaits: ['unheard-of'] });
  const row = (await readDestructions(variables.DATABASE_URL)).get('troubled');
  expect(row).toMatchObject({
    outcome: 'failed',
    error_info: 'cancelled while it waited to be sent again',
  });
  expect((await statusOf(options)).queue).toMatchObject(nothing);
  // Three to a run: it may have been tried again before it was cancelled, never after.
  expect((await server.report()).requests).toHaveLength(row?.attempts ?? 0);
});

test('a worker sends nothing of a cancelled batch that it finds on the queue', async () => {
  const { server, env } = await openStage();
  const variables = await redisAndPostgres();
  const options = { env: { ...env, ...variables } };
  await run(['enqueue', '-', '--batch', 'b'], { ...options, stdin: lines(roomIds(50)) });
  await withPostgres(variables.DATABASE_URL, (client) =>
    client.query('update room_reaper.batches set cancelled_at = now()'),
  );

  const worker = startInside(['worker'], options);

  await expect
    .poll(async () => (await statusOf(options)).batches[0]?.finishedAt, { timeout: 60_000 })
    .toBeDefined();
  worker.kill('SIGTERM');
  await worker.ended;
  expect((await server.report()).requests).toEqual([]);
  expect((await readAttempts(variables.DATABASE_URL)).size).toBe(0);
  expect((await statusOf(options)).queue).toMatchObject(nothing);
});

test('a room that another batch waits for too goes on', async () => {
  const { server, env } = await openStage();
  const variables = await redisAndPostgres();
  const options = { env: { ...env, ...variables } };
  await run(['enqueue', '-', '--batch', 'first'], { ...options, stdin: lines(['a', 'b']) });
  await run(['enqueue', '-', '--batch', 'second'], { ...options, stdin: lines(['b']) });

  const report = await cancel(['first'], options);

  expect(report).toMatchObject({ cancelled: 1, goOnForOthers: 1 });
  const second = await run(['destroy', '-', '--batch', 'second', '--json'], {
    ...options,
    stdin: lines(['b']),
  });
  expect(JSON.parse(second.stdout)).toMatchObject({ outcomes: { destroyed: 1, cancelled: 0 } });
  expect((await server.report()).requests.map(({ roomId }) => roomId)).toEqual(['b']);
});

test('--all takes back batches and single rooms alike', async () => {
  const { env } = await openStage();
  const variables = await redisAndPostgres();
  const options = { env: { ...env, ...variables } };
  await run(['enqueue', '-', '--batch', 'first'], { ...options, stdin: lines(roomIds(20)) });
  await run(['enqueue', '-', '--delay', '1h'], { ...options, stdin: lines(roomIds(10, 'later')) });
  const producer = await openTestQueue(Number(env.TENCENT_SDK_APP_ID), variables.QUEUE_URL);
  await producer.addRoom('by-a-service');

  const report = await cancel(['--all'], options);

  expect(report).toMatchObject({ cancelled: 31, leftInHand: 0 });
  expect((await statusOf(options)).queue).toMatchObject(nothing);
  const rows = await readDestructions(variables.DATABASE_URL);
  expect([...rows.values()].every((row) => row.outcome === 'cancelled')).toBe(true);
  expect(rows.get('by-a-service')).toMatchObject({ batch_id: null });
});

test('of two batches of one name, the one that has not ended is meant, or the id must be given', async () => {
  const { env } = await openStage();
  const options = { env: { ...env, ...(await redisAndPostgres()) } };
  await run(['enqueue', '--room', 'a', '--batch', 'night'], options);
  await run(['enqueue', '--room', 'b', '--batch', 'night'], options);

  const both = await run(['cancel', 'night'], options);

  expect(both.code).toBe(2);
  expect(both.stderr).toMatch(
    /batch must name one batch, got "night", the name of 2; give the id: [0-9a-f-]{36} \(/,
  );
  const ids = [...both.stderr.matchAll(/[0-9a-f-]{36}/g)].map(([id]) => id);
  expect(ids).toHaveLength(2);
  expect(await cancel([ids[0] ?? ''], options)).toMatchObject({ cancelled: 1 });
  expect(await cancel(['night'], options)).toMatchObject({
    cancelled: 1,
    batches: [{ id: ids[1] }],
  });
});

test.each([
  ['nothing named', [], /nothing to cancel; name a BATCH or a --room ID, or .* --all/],
  ['a batch and --all', ['evening', '--all'], /cancel takes a BATCH, --room or --all/],
  ['a room that is none', ['--room', 'ü'], /--room: RoomId must/],
])('cancel refuses %s', async (_, args, message) => {
  const ended = await run(['cancel', ...args], { env: { TENCENT_SDK_APP_ID: '1400000001' } });
  expect(ended).toMatchObject({ code: 2, stdout: '' });
  expect(ended.stderr).toMatch(message);
});

test('a batch that does not exist is refused', async () => {
  const { env } = await openStage();
  const options = { env: { ...env, ...(await redisAndPostgres()) } };
  await run(['enqueue', '--room', 'a'], options);
  const ended = await run(['cancel', 'no\u001b[2Jne'], options);
  expect(ended.code).toBe(2);
  expect(ended.stderr).toMatch(
    /batch must be the id or name of a batch, got "no.*; room-reaper batches lists them/,
  );
  expect(ended.stderr).not.toContain('\u001b');
});

test('the same command again takes back what came onto the queue after it', async () => {
  const { sdkAppId, env } = await openStage();
  const variables = await redisAndPostgres();
  const options = { env: { ...env, ...variables } };
  const enqueue = ['enqueue', '-', '--batch', 'evening', '--delay', '2h', '--json'];
  const enqueued = await run(enqueue, { ...options, stdin: lines(roomIds(5)) });
  const { batchId } = JSON.parse(enqueued.stdout) as { batchId: string };
  expect((await cancel(['evening'], options)).cancelled).toBe(5);
  const queue = await openTestQueue(sdkAppId, variables.QUEUE_URL);
  const createdAtMs = Date.parse((await statusOf(options)).batches[0]?.createdAt ?? '');
  const [requestedAtMs, roomId] = [Date.now(), 'room-late'];
  const id = batchDestructionId(batchId, createdAtMs, roomId);
  const late = { id, roomId, batchId, requestedAtMs, notAfterMs: requestedAtMs + 86_400_000 };
  await addDestructions(queue, [late], { lane: 'bulk', delayMs: 7_200_000 });

  const again = await cancel([batchId], options);

  expect(again.cancelled).toBe(1);
  expect((await statusOf(options)).queue).toMatchObject(nothing);
});
