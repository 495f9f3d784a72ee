/** The worker as a library, in the process that uses it, on real stores. */
import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { openProducer } from '../../src/producer/index.js';
import {
  readConfig,
  ReaperError,
  startWorker,
  type EndedDestruction,
  type ErrorCode,
} from '../../src/worker/index.js';
import { afterThisTest } from '../e2e/room-reaper.js';
import { openStage, readDestructions, redisAndPostgres } from '../e2e/stage.js';
import { createFreshDatabase, withPostgres } from '../support/servers.js';

const log = pino({ level: 'silent' });
const code = (error: unknown): ErrorCode | undefined =>
  error instanceof ReaperError ? error.code : undefined;

test('a worker ends the rooms that a producer asks for, and closing it once or twice ends it', async () => {
  const { server, env, sdkAppId } = await openStage();
  const stores = await redisAndPostgres();
  const worker = await startWorker(readConfig({ ...env, ...stores }), { log });
  const producer = await openProducer({ queueUrl: stores.QUEUE_URL, sdkAppId });
  afterThisTest(() => producer.close());
  for (const room of ['a', 'b', 'c']) await producer.destroy(room);
  await expect
    .poll(async () => (await server.report()).requests.length, { timeout: 60_000 })
    .toBe(3);
  await Promise.all([worker.close(), worker.close()]);
});

test('a worker that is closed gives back the rooms that wait for a slot, and sends nothing for them', async () => {
  const { server, env, sdkAppId } = await openStage();
  const stores = await redisAndPostgres();
  const producer = await openProducer({ queueUrl: stores.QUEUE_URL, sdkAppId });
  afterThisTest(() => producer.close());
  const rooms = Array.from({ length: 8 }, (_, index) => `room-${index}`);
  for (const room of rooms) await producer.destroy(room);
  // A slot a second: waiting for all of them would take eight.
  const config = readConfig({ ...env, ...stores, RATE_LIMIT_PER_SECOND: '1' });
  const worker = await startWorker(config, { log });
  const sent = async () => (await server.report()).requests.length;
  await expect.poll(sent, { timeout: 60_000 }).toBeGreaterThan(0);
  const before = await sent();
  await worker.close();
  // One may have been at its slot while it was told to close.
  expect(await sent()).toBeLessThanOrEqual(before + 1);
  const asked = new Set((await server.report()).requests.map(({ roomId }) => roomId));
  const left = rooms.filter((room) => !asked.has(room));
  expect(left.length).toBeGreaterThan(0);
  for (const room of left)
    expect(await producer.destroy(room)).toMatchObject({ status: 'pending' });
});

test('a service is told how each destruction ended, with the statistics that came with it', async () => {
  const { env, sdkAppId } = await openStage({
    scripts: { refused: [{ kind: 'code', code: 100006 }], gone: [{ kind: 'code', code: 100004 }] },
  });
  const stores = await redisAndPostgres();
  const producer = await openProducer({ queueUrl: stores.QUEUE_URL, sdkAppId });
  afterThisTest(() => producer.close());
  const asked: string[] = [];
  for (const room of ['live', 'refused', 'gone'])
    asked.push((await producer.destroy(room)).destructionId);
  const ended: EndedDestruction[] = [];
  const worker = await startWorker(readConfig({ ...env, ...stores }), {
    log,
    onEnded(each) {
      ended.push(each);
      throw new Error('a listener that fails must not stop the worker');
    },
  });
  afterThisTest(() => worker.close());

  await expect.poll(() => ended.length, { timeout: 60_000 }).toBe(3);
  const rows = await readDestructions(stores.DATABASE_URL);
  const of = (room: string) => ended.find(({ roomId }) => roomId === room);
  expect(ended.map(({ id }) => id).sort()).toEqual([...asked].sort());
  expect(of('live')).toMatchObject({ outcome: 'destroyed', batchId: undefined });
  expect(String(of('live')?.statistics?.totalViewers)).toBe(rows.get('live')?.total_viewers);
  expect(of('refused')).toMatchObject({ outcome: 'rejected', statistics: undefined });
  expect(of('refused')?.reason).toMatch(/100006/);
  expect(of('gone')).toMatchObject({ outcome: 'already_gone', statistics: undefined });
});

test('a worker whose ledger becomes newer ends by itself, and says why', async () => {
  const { env } = await openStage();
  const stores = await redisAndPostgres(createFreshDatabase);
  const config = readConfig({ ...env, ...stores });
  const worker = await startWorker(config, { log });
  await withPostgres(stores.DATABASE_URL, (client) =>
    client.query('insert into room_reaper.migrations (version) values (999)'),
  );
  expect(await worker.ended).toMatchObject({
    code: 'UNAVAILABLE',
    message: expect.stringMatching(/schema version 999 now.*start the newer/) as string,
  });
  await worker.close();
  const again = startWorker(config, { log });
  expect(code(await again.catch((error: unknown) => error))).toBe('UNAVAILABLE');
});

test('a worker that is closed has ended for no other reason', async () => {
  const { env } = await openStage();
  const worker = await startWorker(readConfig({ ...env, ...(await redisAndPostgres()) }), { log });
  await worker.close();
  expect(await worker.ended).toBeUndefined();
});

describe('a worker that cannot start says so by its code', () => {
  test('a configuration that is wrong is INVALID', () => {
    let problem: unknown;
    try {
      readConfig({});
    } catch (error) {
      problem = error;
    }
    expect(code(problem)).toBe('INVALID');
  });

  test('a ledger that is not that of the queue is INVALID', async () => {
    const { env } = await openStage();
    const [stores, others] = [await redisAndPostgres(), await redisAndPostgres()];
    const worker = await startWorker(readConfig({ ...env, ...stores }), { log });
    await worker.close();
    const mixed = readConfig({ ...env, ...stores, DATABASE_URL: others.DATABASE_URL });
    const started = startWorker(mixed, { log });
    expect(code(await started.catch((error: unknown) => error))).toBe('INVALID');
  });

  test('stores that cannot be reached are UNAVAILABLE', async () => {
    const { env } = await openStage();
    const nowhere = { QUEUE_URL: 'redis://127.0.0.1:1', DATABASE_URL: 'postgres://127.0.0.1:1/x' };
    const started = startWorker(readConfig({ ...env, ...nowhere }), { log });
    expect(code(await started.catch((error: unknown) => error))).toBe('UNAVAILABLE');
  });
});
