import { expect, test } from 'vitest';
import { assertQuotaKept, sentSlots } from '../support/quota-kept.js';
import { withPostgres } from '../support/servers.js';
import { run, startInside } from './room-reaper.js';
import { lines, openStage, readDestructions, redisAndPostgres, roomIds } from './stage.js';

interface EnqueueJson {
  batchId: string;
}

/** Resolves once the ledger calls these batches finished. */
async function batchesFinished(databaseUrl: string, ids: readonly string[]): Promise<void> {
  await expect
    .poll(
      () =>
        withPostgres(databaseUrl, async (client) => {
          const { rows } = await client.query<{ id: string }>(
            'select id from room_reaper.batches where finished_at is not null and id = any ($1)',
            [ids],
          );
          return rows.length;
        }),
      { timeout: 100_000, interval: 250 },
    )
    .toBe(ids.length);
}

test('two workers end what two batches ask for, and a room that both name is asked for once', async () => {
  const { server, env } = await openStage();
  const stores = await redisAndPostgres();
  const options = { env: { ...env, ...stores } };
  const rooms = roomIds(300);

  const first = await run(['enqueue', '-', '--batch', 'first', '--json'], {
    ...options,
    stdin: lines([...rooms.slice(0, 200), 'room-0000']),
  });
  const again = await run(['enqueue', '-', '--batch', 'first', '--json'], {
    ...options,
    stdin: lines([...rooms.slice(0, 200), 'room-0000']),
  });
  const second = await run(['enqueue', '-', '--batch', 'second', '--json'], {
    ...options,
    stdin: lines(rooms.slice(100)),
  });

  expect([first.code, again.code, second.code]).toEqual([0, 0, 0]);
  const firstJson = JSON.parse(first.stdout) as EnqueueJson;
  const secondJson = JSON.parse(second.stdout) as EnqueueJson;
  expect(firstJson).toEqual({
    batchId: firstJson.batchId,
    requested: 201,
    unique: 200,
    duplicates: 1,
    invalid: 0,
    added: 200,
    pending: 0,
    finished: 0,
  });
  // The same command while its batch is unfinished is the same batch.
  expect(JSON.parse(again.stdout)).toEqual(firstJson);
  expect(secondJson).toMatchObject({ unique: 200, added: 100, pending: 100, finished: 0 });
  expect(secondJson.batchId).not.toBe(firstJson.batchId);

  const waiting = await run(['status', '--json'], options);
  expect(JSON.parse(waiting.stdout)).toMatchObject({
    line: 'running',
    queue: { waiting: 300, active: 0, lanes: { bulk: 300 } },
    batches: [
      { id: secondJson.batchId, name: 'second', total: 200, finished: 0 },
      { id: firstJson.batchId, name: 'first', total: 200, finished: 0 },
    ],
  });
  expect((await server.report()).requests).toEqual([]);

  const workers = [startInside(['worker'], options), startInside(['worker'], options)];
  await batchesFinished(stores.DATABASE_URL, [firstJson.batchId, secondJson.batchId]);
  for (const worker of workers) worker.kill('SIGTERM');
  const ended = await Promise.all(workers.map((worker) => worker.ended));

  expect(ended.map(({ code }) => code)).toEqual([0, 0]);
  const report = await server.report();
  expect(Object.keys(report.rooms).sort()).toEqual(rooms);
  expect(report.requests).toHaveLength(300);
  assertQuotaKept(report, 200, await sentSlots(stores.DATABASE_URL));
  const status = await run(['status', '--batch', 'second', '--json'], options);
  expect(JSON.parse(status.stdout)).toMatchObject({
    queue: { waiting: 0, active: 0, delayed: 0, failed: 0 },
    etaSeconds: 0,
    batches: [{ name: 'second', total: 200, finished: 200, outcomes: { destroyed: 200 } }],
  });
});

test('a room can be asked for again once its destruction has ended', async () => {
  const { server, env } = await openStage();
  const stores = await redisAndPostgres();
  const options = { env: { ...env, ...stores } };

  const first = await run(['destroy', '--room', 'a', '--json'], options);
  const second = await run(['destroy', '--room', 'a', '--json'], options);

  expect([first.code, second.code]).toEqual([0, 0]);
  expect(JSON.parse(first.stdout)).toMatchObject({ outcomes: { destroyed: 1, already_gone: 0 } });
  expect(JSON.parse(second.stdout)).toMatchObject({ outcomes: { destroyed: 0, already_gone: 1 } });
  expect((await server.report()).requests).toHaveLength(2);
});

test('a delayed room is asked for when it is due, not before', async () => {
  const { server, env } = await openStage();
  const stores = await redisAndPostgres();
  const options = { env: { ...env, ...stores } };
  const worker = startInside(['worker'], options);
  await worker.said(/worker started/);

  const tomorrow = new Date(Date.now() + 86_400_000).toISOString();
  await run(['enqueue', '--room', 'tomorrow', '--at', tomorrow, '--json'], options);
  const status = await run(['status', '--json'], options);
  const enqueued = await run(['enqueue', '--room', 'later', '--delay', '3s'], options);

  expect(enqueued.stdout).toMatch(/^1 room on the queue, due \d\d:\d\d:\d\d UTC\S*$/m);
  expect(JSON.parse(status.stdout)).toMatchObject({ queue: { waiting: 0, delayed: 1 } });
  await server.reached(1);
  worker.kill('SIGTERM');
  await worker.ended;
  const { requests, startedAtMs } = await server.report();
  expect(requests.map(({ roomId }) => roomId)).toEqual(['later']);
  const row = (await readDestructions(stores.DATABASE_URL)).get('later');
  expect(row).toMatchObject({ outcome: 'destroyed', attempts: 1 });
  const arrivedAtMs = startedAtMs + (requests[0]?.atMs ?? NaN);
  expect(arrivedAtMs - (row?.requested_at.getTime() ?? NaN)).toBeGreaterThanOrEqual(3_000);
});

test('a list that waits for an earlier time is not put off, and that is said', async () => {
  const { env } = await openStage();
  const options = { env: { ...env, ...(await redisAndPostgres()) }, stdin: lines(roomIds(3)) };
  const enqueue = (delay: string, ...flags: string[]) =>
    run(['enqueue', '-', '--delay', delay, ...flags], options);
  expect((await enqueue('2h')).stdout).not.toContain('due earlier');

  const later = await enqueue('4h');
  expect(later.stdout).toMatch(/^but 3 rooms were asked for before, are due earlier and stay so/m);
  const json = JSON.parse((await enqueue('4h', '--batch', 'other', '--json')).stdout) as unknown;
  expect(json).toMatchObject({ added: 0, pending: 3, dueEarlier: 3 });

  // Sooner is.
  expect((await enqueue('1h')).stdout).not.toContain('due earlier');
  expect((await enqueue('2h')).stdout).toContain('due earlier');
});

test('an urgent room goes before everything that waits', async () => {
  const { server, env } = await openStage();
  const stores = await redisAndPostgres();
  // So slow that rooms still wait when the urgent one comes, however long the command takes.
  const ratePerSecond = 30;
  const options = {
    env: { ...env, ...stores, RATE_LIMIT_PER_SECOND: String(ratePerSecond) },
  };
  await run(['enqueue', '-', '--yes'], { ...options, stdin: lines(roomIds(1_500)) });
  const worker = startInside(['worker'], options);
  await server.reached(40);

  const enqueued = await run(['enqueue', '--room', 'urgent', '--urgent'], options);
  const queuedAt = (await server.report()).requests.length;

  expect(enqueued.code).toBe(0);
  await server.reached(queuedAt + ratePerSecond);
  const { requests } = await server.report();
  const position = requests.findIndex(({ roomId }) => roomId === 'urgent');
  // Within a second, so among the requests of the next one.
  expect(position).toBeGreaterThan(0);
  expect(position).toBeLessThan(queuedAt + ratePerSecond);
  worker.kill('SIGTERM');
  expect((await worker.ended).code).toBe(0);
});

test.each([
  ['both --delay and --at', ['--delay', '1m', '--at', '02:30'], /--delay and --at/],
  ['a delay that is none', ['--delay', 'soon'], /--delay must be a duration such as 90s/],
  ['a time that is over', ['--at', '2020-01-01T00:00:00Z'], /--at must be in the future/],
  ['a time that is none', ['--at', '25:00'], /--at must be a time such as 02:30/],
])('enqueue refuses %s', async (_, flags, message) => {
  const ended = await run(['enqueue', '--room', 'a', ...flags], {
    env: { TENCENT_SDK_APP_ID: '1400000001' },
  });

  expect(ended).toMatchObject({
    code: 2,
    stdout: '',
    stderr: expect.stringMatching(message) as string,
  });
});
