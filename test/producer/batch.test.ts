/** Batches of a service: kept in the ledger, and known to everybody who looks there. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openProducer, type ManyAdded, type ProducerOptions } from '../../src/producer/index.js';
import { readConfig, startWorker } from '../../src/worker/index.js';
import { openStage, redisAndPostgres } from '../e2e/stage.js';
import { makeDataDirectory } from '../support/data-directory.js';
import { freshSdkAppId } from '../support/servers.js';

async function open(options: ProducerOptions) {
  const producer = await openProducer(options);
  onTestFinished(() => producer.close());
  return producer;
}
async function openOnServers() {
  const { server, env, sdkAppId } = await openStage();
  const stores = await redisAndPostgres();
  const urls = { queueUrl: stores.QUEUE_URL, databaseUrl: stores.DATABASE_URL };
  const producer = await open({ ...urls, sdkAppId });
  return { server, producer, urls, sdkAppId, config: readConfig({ ...env, ...stores }) };
}

test('a batch is known by its name from its first room to its end', async () => {
  const { producer, config, sdkAppId, urls } = await openOnServers();
  await producer.destroy('joined');
  const told: ManyAdded[] = [];
  const onlyCreatedBefore = new Date();
  const asked = await producer.destroyMany(['a', 'b', 'joined', 'a'], {
    ...{ batch: 'evening', by: 'ada', note: 'after the event', onlyCreatedBefore },
    onProgress: (counts) => told.push({ ...counts }),
  });
  expect(asked).toMatchObject({ requested: 4, added: 2, pending: 2, invalid: 0, finished: 0 });
  expect(told).toEqual([asked]);
  const before = await producer.batch('evening');
  expect(before).toMatchObject({
    ...{ id: asked.batchId, name: 'evening', by: 'ada', note: 'after the event' },
    ...{ total: 3, finished: 0, finishedAt: undefined },
    ...{ onlyCreatedBefore: onlyCreatedBefore.toISOString(), snapshot: undefined },
  });

  const worker = await startWorker(config, { log: pino({ level: 'silent' }) });
  onTestFinished(() => worker.close());
  // Another producer sees the same.
  const other = await open({ ...urls, sdkAppId });
  await expect
    .poll(() => other.batch(asked.batchId ?? ''), { timeout: 60_000 })
    .toMatchObject({ finished: 3, finishedAt: expect.any(String) as string });
  expect((await other.batch('evening')).outcomes).toMatchObject({ destroyed: 3 });
});

test('the same list under the same name goes on with its batch until that has ended', async () => {
  const { producer } = await openOnServers();
  const first = await producer.destroyMany(['a', 'b'], { batch: 'evening' });
  const again = await producer.destroyMany(new Set(['a', 'b']), { batch: 'evening' });
  expect(again).toEqual(first);
  const others = await producer.destroyMany(['c'], { batch: 'evening' });
  expect(others.batchId).not.toBe(first.batchId);
  await expect(producer.batch('evening')).rejects.toMatchObject({ code: 'AMBIGUOUS' });
  expect(await producer.batch(first.batchId ?? '')).toMatchObject({ total: 2, by: 'a service' });
  await expect(producer.batch('morning')).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('a list that cannot be used makes no batch, and says why', async () => {
  const { producer } = await openOnServers();
  const many = (rooms: Iterable<string>, onInvalid?: (roomId: string) => void) =>
    producer.destroyMany(rooms, { batch: 'evening', ...(onInvalid ? { onInvalid } : {}) });

  await expect(many(['a', 'café'])).rejects.toMatchObject({ code: 'INVALID' });
  const own = new Error('the cursor is closed');
  const broken = function* () {
    yield 'a';
    throw own;
  };
  await expect(many(broken())).rejects.toBe(own);
  expect(await many([])).toEqual({ requested: 0, added: 0, pending: 0, invalid: 0 });
  await expect(producer.batch('evening')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  expect(await producer.destroy('a')).toMatchObject({ status: 'added' });

  const skipped: string[] = [];
  const rooms = [' spaced ', '#1', '"quoted"', 'café', '{"roomId":"x"}'];
  expect(await many(rooms, (roomId) => skipped.push(roomId))).toMatchObject({
    ...{ requested: 5, added: 4, invalid: 1 },
  });
  expect(skipped).toEqual(['café']);
  expect(await producer.destroy(' spaced ')).toMatchObject({ status: 'pending' });
});

describe('a producer without a ledger', () => {
  test('says what a batch needs, and adds nothing', async () => {
    const { urls } = await openOnServers();
    const producer = await open({ queueUrl: urls.queueUrl, sdkAppId: freshSdkAppId() });
    const wanted = {
      code: 'INVALID',
      message: expect.stringContaining('databaseUrl') as string,
    };
    await expect(producer.destroyMany(['a'], { batch: 'evening' })).rejects.toMatchObject(wanted);
    await expect(producer.batch('evening')).rejects.toMatchObject(wanted);
    expect(await producer.destroy('a')).toMatchObject({ status: 'added' });
  });

  test('is one whose ledger cannot be reached: what needs none works, and no password is told', async () => {
    const { urls } = await openOnServers();
    const databaseUrl = 'postgres://ada:s3cret@127.0.0.1:1/x';
    const producer = await open({ ...urls, databaseUrl, sdkAppId: freshSdkAppId() });
    const failed = producer.destroyMany(['a'], { batch: 'evening' });
    await expect(failed).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.not.stringContaining('s3cret') as string,
    });
    expect(await producer.destroy('a')).toMatchObject({ status: 'added' });
  });
});

test('a batch in the embedded database needs no address', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'rr-'));
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }));
  await makeDataDirectory(dataDir);
  const producer = await open({ queueUrl: 'embedded', sdkAppId: freshSdkAppId(), dataDir });
  await producer.destroyMany(['a'], { batch: 'evening' });
  expect(await producer.batch('evening')).toMatchObject({ total: 1, finished: 0 });
});

test.each([
  [{ note: 'why' }, /note must have a batch/],
  [{ by: 'ada' }, /by must have a batch/],
  [{ batch: '' }, /batch must be 1–200 characters/],
  [{ batch: 'x'.repeat(201) }, /batch must be 1–200 characters/],
  [{ batch: 'x', note: 7 }, /note must be 1–2000 characters/],
])('options of a batch that are not valid are refused: %j', async (options, message) => {
  const { urls, sdkAppId } = await openOnServers();
  const producer = await open({ ...urls, sdkAppId });
  await expect(producer.destroyMany(['a'], options as never)).rejects.toMatchObject({
    code: 'INVALID',
    message: expect.stringMatching(message) as string,
  });
});

test('an address that is none of a ledger is refused when the producer is opened', async () => {
  const options = { queueUrl: 'redis://localhost', sdkAppId: 1, databaseUrl: 'redis://localhost' };
  await expect(openProducer(options)).rejects.toMatchObject({
    code: 'INVALID',
    message: expect.stringMatching(/^databaseUrl must be/) as string,
  });
});
