/** Jobs that other tools retry from BullMQ's failed set, and jobs that only look like it. */
import { describe, expect, test } from 'vitest';
import { ensureDestructions, recordEnds } from '../../src/ledger/record.js';
import { destructionEnd, openLedger } from '../ledger/fixture.js';
import type { ScriptedAnswer } from '../support/counting-server.js';
import { withPostgres } from '../support/servers.js';
import { openTestQueue, type TestQueue } from './queue.js';
import { run, startInside, type RunOptions } from './room-reaper.js';
import {
  lines,
  openStage,
  postgresOnly,
  readAttempts,
  readDestructions,
  redisAndPostgres,
} from './stage.js';

/** One run of a job: three attempts. */
const failing: ScriptedAnswer[] = Array.from({ length: 3 }, () => ({ kind: 'code', code: 100001 }));

async function openFailedSet(
  stores: typeof redisAndPostgres,
  scripts: Record<string, ScriptedAnswer[]>,
) {
  const { server, env, sdkAppId } = await openStage({ scripts });
  const variables = await stores();
  const options = { env: { ...env, ...variables, LATER_RETRIES: '0' } };
  const queue = await openTestQueue(sdkAppId, variables.QUEUE_URL);
  return { server, sdkAppId, options, queue, databaseUrl: variables.DATABASE_URL };
}

async function failedJobs(queue: TestQueue, count: number) {
  await expect.poll(() => queue.getFailedCount(), { timeout: 60_000, interval: 50 }).toBe(count);
  return queue.getFailed();
}

/** Resolves once none is begun anew: BullMQ has what failed again, and the ledger knows. */
async function nothingBegunAnew(databaseUrl: string): Promise<void> {
  await expect
    .poll(
      () =>
        withPostgres(databaseUrl, async (client) => {
          const { rows } = await client.query<{ count: number }>(
            `select count(*)::int from room_reaper.destructions
              where reopened_at is not null and outcome is distinct from 'destroyed'`,
          );
          return rows[0]?.count;
        }),
      { timeout: 60_000, interval: 50 },
    )
    .toBe(0);
}

async function batchOf(options: RunOptions) {
  const { stdout } = await run(['status', '--json'], options);
  return (JSON.parse(stdout) as { batches: { outcomes: object; finishedAt?: string }[] })
    .batches[0];
}

describe.each([
  ['Redis', redisAndPostgres],
  ['Postgres', postgresOnly],
])('on %s', (_, stores) => {
  test('a job retried by a dashboard is sent again under its own id, and its batch follows', async () => {
    const { server, options, queue, databaseUrl } = await openFailedSet(stores, {
      again: failing,
      twice: [...failing, ...failing],
      refused: [{ kind: 'code', code: 100006 }],
    });
    await run(['enqueue', '-'], { ...options, stdin: lines(['again', 'twice', 'refused']) });
    const worker = startInside(['worker'], options);
    const jobs = await failedJobs(queue, 3);
    const before = await readDestructions(databaseUrl);
    expect([...before.values()].map(({ outcome }) => outcome).sort()).toEqual([
      'failed',
      'failed',
      'rejected',
    ]);

    for (const job of jobs) await job.retry();

    await server.reached(7 + 5);
    const [left] = await failedJobs(queue, 1);
    // From its retry on only the room of its first request is meant.
    expect(left?.data.o).toBe('twice');
    await nothingBegunAnew(databaseUrl);
    let rows = await readDestructions(databaseUrl);
    expect(rows.get('again')).toMatchObject({
      id: before.get('again')?.id,
      outcome: 'destroyed',
      attempts: 4,
      statistics_source: 'response',
    });
    expect(rows.get('refused')).toMatchObject({ outcome: 'destroyed', attempts: 2 });
    expect(rows.get('twice')).toMatchObject({ outcome: 'failed', attempts: 6 });
    expect((await readAttempts(databaseUrl)).get('again')?.map(({ verdict }) => verdict)).toEqual([
      'transient',
      'transient',
      'transient',
      'destroyed',
    ]);

    // Once more, and with the attempts reset, as a dashboard may do.
    await left?.retry('failed', { resetAttemptsMade: true, resetAttemptsStarted: true });

    await server.reached(4 + 7 + 2);
    await failedJobs(queue, 0);
    await expect
      .poll(async () => (await batchOf(options))?.finishedAt, { timeout: 60_000, interval: 200 })
      .toBeDefined();
    rows = await readDestructions(databaseUrl);
    expect(rows.get('twice')).toMatchObject({ outcome: 'destroyed', attempts: 7 });
    expect(await batchOf(options)).toMatchObject({
      outcomes: { destroyed: 3, failed: 0, rejected: 0 },
    });
    worker.kill('SIGTERM');
    await worker.ended;
    expect((await server.report()).requests).toHaveLength(4 + 7 + 2);
  });

  test('a job whose worker died after it recorded the end is not sent again', async () => {
    const { server, sdkAppId, options, queue, databaseUrl } = await openFailedSet(stores, {});
    const id = await queue.addRoom('a');
    const database = await openLedger(databaseUrl);
    const now = Date.now();
    await ensureDestructions(database, sdkAppId, [
      {
        id,
        roomId: 'a',
        batchId: undefined,
        requestedAtMs: now,
        notAfterMs: now + 3_600_000,
      },
    ]);
    await recordEnds(database, sdkAppId, [
      { destructionId: id, attempt: undefined, end: destructionEnd('failed') },
    ]);
    await database.close();

    const worker = startInside(['worker'], options);

    const [job] = await failedJobs(queue, 1);
    expect((await server.report()).requests).toEqual([]);

    // From there it is a retry like any other, also one that resets the attempts.
    await job?.retry('failed', { resetAttemptsMade: true });
    await failedJobs(queue, 0);
    await server.reached(1);
    worker.kill('SIGTERM');
    await worker.ended;
    expect((await readDestructions(databaseUrl)).get('a')).toMatchObject({ outcome: 'destroyed' });
  });

  test('nor is one that was begun anew and whose worker died then', async () => {
    const { server, options, queue, databaseUrl } = await openFailedSet(stores, { a: failing });
    await queue.addRoom('a');
    const first = startInside(['worker'], options);
    const [job] = await failedJobs(queue, 1);
    first.kill('SIGTERM');
    await first.ended;
    // As if it had been retried, had failed again, and BullMQ had not been told.
    await withPostgres(databaseUrl, (client) =>
      client.query('update room_reaper.destructions set reopened_at = now(), reopened = 1'),
    );
    await job?.retry();

    const second = startInside(['worker'], options);

    const [again] = await failedJobs(queue, 1);
    expect((await server.report()).requests).toHaveLength(3);
    await nothingBegunAnew(databaseUrl);
    await again?.retry();
    await server.reached(4);
    await failedJobs(queue, 0);
    second.kill('SIGTERM');
    await second.ended;
    expect((await server.report()).requests).toHaveLength(4);
  });
});

test('queue.retryJobs sends all of them again', async () => {
  const rooms = Array.from({ length: 8 }, (_, index) => `room-${index}`);
  const { server, options, queue, databaseUrl } = await openFailedSet(
    redisAndPostgres,
    Object.fromEntries(rooms.map((room) => [room, [{ kind: 'code', code: 100002 } as const]])),
  );
  await run(['enqueue', '-'], { ...options, stdin: lines(rooms) });
  const worker = startInside(['worker'], options);
  await failedJobs(queue, 8);

  await queue.retryJobs({ state: 'failed', count: 1_000 });

  await server.reached(16);
  await failedJobs(queue, 0);
  worker.kill('SIGTERM');
  await worker.ended;
  const rows = [...(await readDestructions(databaseUrl)).values()];
  expect(rows.map(({ outcome }) => outcome)).toEqual(rooms.map(() => 'destroyed'));
  expect((await server.report()).requests).toHaveLength(16);
});

test('past its deadline it is not sent: the room may be a new one by now', async () => {
  const { server, options, queue, databaseUrl } = await openFailedSet(redisAndPostgres, {
    a: failing,
  });
  await queue.addRoom('a');
  const worker = startInside(['worker'], options);
  const [job] = await failedJobs(queue, 1);
  await job?.updateData({ ...job.data, n: Date.now() - 1 });

  await job?.retry();

  await expect
    .poll(async () => (await queue.getFailed())[0]?.failedReason, { timeout: 60_000, interval: 50 })
    .toMatch(/^failed: the ledger knows it as finished/);
  worker.kill('SIGTERM');
  await worker.ended;
  expect((await server.report()).requests).toHaveLength(3);
  expect((await readDestructions(databaseUrl)).get('a')).toMatchObject({ outcome: 'failed' });
});
