/** Taking a room back, on each place where a queue can live, and what becomes of it in the ledger. */
import { once } from 'node:events';
import { pino } from 'pino';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openBatch, readBatches } from '../../src/ledger/batches.js';
import { openDatabase } from '../../src/ledger/database.js';
import { addMany } from '../../src/producer/add-many.js';
import { addOrJoin } from '../../src/producer/add.js';
import { cancelRoom } from '../../src/producer/cancel.js';
import { openProducer } from '../../src/producer/index.js';
import { batchDestructionId, newId } from '../../src/queue/destruction-id.js';
import { lanes } from '../../src/queue/job.js';
import { openQueue } from '../../src/queue/open.js';
import { readTakeBack, takeBackId } from '../../src/queue/take-back.js';
import { readConfig, startWorker, type EndedDestruction } from '../../src/worker/index.js';
import { openStage, readDestructions, redisAndPostgres } from '../e2e/stage.js';
import { places, useQueue } from '../queue/places.js';

const hour = 3_600_000;

describe.each(places)('a room that is taken back, on %s', (_name, open) => {
  const opened = useQueue(open);

  const wish = (roomId: string, batchId?: string) => {
    const requestedAtMs = Date.now();
    const id = batchId === undefined ? newId() : batchDestructionId(batchId, requestedAtMs, roomId);
    return {
      destruction: { id, roomId, batchId, requestedAtMs, notAfterMs: requestedAtMs + hour },
      priority: lanes.normal,
    };
  };
  async function ask(roomId: string, delayMs = 0) {
    const { added } = await addOrJoin(opened, [wish(roomId)], { lane: 'normal', delayMs });
    return added[0]?.destructionId ?? '';
  }
  const cancel = (roomId: string) => cancelRoom(opened, roomId);
  const noteOf = async (id: string) => {
    const job = await opened.queue.getJob(takeBackId(id));
    return job && readTakeBack(job.id, job.data);
  };

  test.each([
    ['that waits', 0],
    ['that is due later', hour],
  ])('is off the queue and can be asked for again: one %s', async (_which, delayMs) => {
    const id = await ask('room', delayMs);
    expect(await cancel('room')).toEqual({
      roomId: 'room',
      status: 'cancelled',
      destructionId: id,
    });
    expect(await opened.jobs.existing([id])).toEqual(new Set());
    expect(await noteOf(id)).toMatchObject({ id, roomId: 'room', batchId: undefined });
    // A worker takes the note up before everything else.
    expect(await opened.queue.getJobState(takeBackId(id))).toMatch(/waiting|prioritized/);
    expect(await cancel('room')).toEqual({ roomId: 'room', status: 'not_pending' });
    expect(await ask('room')).not.toBe(id);
  });

  test('that nobody asked for is not pending, and leaves nothing on the queue', async () => {
    await ask('another');
    expect(await cancel('room')).toEqual({ roomId: 'room', status: 'not_pending' });
    expect(await opened.queue.count()).toBe(1);
  });

  test('keeps others where they are', async () => {
    const other = await ask('other');
    await ask('room');
    await cancel('room');
    expect(await opened.jobs.existing([other])).toEqual(new Set([other]));
  });

  test('is in hand where a worker has it, and the note says so to the next', async () => {
    const id = await ask('room');
    let answer: unknown;
    const worker = await opened.createWorker(
      async (job) => {
        if (job.id === id) answer = await cancel('room');
      },
      { autorun: false, concurrency: 1, removeOnComplete: { count: 0 } },
    );
    const completed = once(worker, 'completed');
    void worker.run();
    await completed;
    await worker.close();
    expect(answer).toEqual({ roomId: 'room', status: 'in_hand', destructionId: id });
  });

  test('is in hand where its job has a result that the ledger has not', async () => {
    const id = await ask('room');
    const job = await opened.queue.getJob(id);
    await job?.updateData({ ...job.data, u: 'sealed' });
    expect(await cancel('room')).toMatchObject({ status: 'in_hand' });
    expect(await opened.jobs.existing([id])).toEqual(new Set([id]));
  });

  test('is taken back by the next who asks where a producer left only the note', async () => {
    const id = await ask('room', hour);
    const stopped = cancelRoom(
      { queue: opened.queue, takeOff: () => Promise.reject(new Error('killed')) },
      'room',
    );
    await expect(stopped).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('ask again') as string,
    });
    expect(await noteOf(id)).toMatchObject({ id });
    expect(await cancel('room')).toMatchObject({ status: 'cancelled', destructionId: id });
  });

  test('is not added again with the lost rooms of its batch', async () => {
    const batchId = newId();
    const ids = new Map(['a', 'b'].map((room) => [room, batchDestructionId(batchId, 1, room)]));
    const add = () =>
      addMany(
        opened,
        // oxlint-disable-next-line typescript/require-await -- what is read is asynchronous
        (async function* () {
          yield [...ids.keys()];
        })(),
        {
          ...{ lane: 'normal', notBeforeMs: undefined, deadlineMs: hour, batchId },
          ...{ leaveWaiting: true, idOf: (roomId) => ids.get(roomId) ?? '' },
          stillOpen: (all) => Promise.resolve(all),
          precautionsOf: () => ({}),
          beforeAdding: () => Promise.resolve(),
          onProgress: () => undefined,
        },
      );
    await add();
    expect(await cancel('a')).toMatchObject({ status: 'cancelled' });

    expect(await add()).toMatchObject({ addedNow: 0 });

    const a = ids.get('a') ?? '';
    expect(await opened.jobs.existing([...ids.values()])).toEqual(new Set([ids.get('b')]));
    expect(await noteOf(a)).toMatchObject({ id: a, batchId });
  });
});

test('a note under the id of another destruction is none', () => {
  const note = { c: { i: newId(), r: 'room', l: hour, t: Date.now() } };
  expect(readTakeBack(takeBackId(note.c.i), note)).toMatchObject({ id: note.c.i });
  expect(readTakeBack(takeBackId(newId()), note)).toBeUndefined();
  expect(readTakeBack(takeBackId(note.c.i), { c: { ...note.c, r: '' } })).toBeUndefined();
  expect(readTakeBack(newId(), { r: 'room', l: hour })).toBeUndefined();
});

test('a room that is taken back ends as cancelled, also in a batch that waits for it, and is never sent', async () => {
  const { server, env, sdkAppId } = await openStage();
  const stores = await redisAndPostgres();
  const config = readConfig({ ...env, ...stores });
  const database = await openDatabase({
    connection: { connectionString: stores.DATABASE_URL },
    shownAs: 'the test database',
    onIdleError: () => undefined,
  });
  onTestFinished(() => database.close());
  const producer = await openProducer({ queueUrl: stores.QUEUE_URL, sdkAppId });
  onTestFinished(() => producer.close());
  const queue = await openQueue({
    ...{ sdkAppId, connection: { kind: 'redis', url: stores.QUEUE_URL } },
    onError: () => undefined,
  });
  onTestFinished(() => queue.close());
  const batch = await openBatch(database, {
    ...{ id: newId(), sdkAppId, name: 'evening', madeUpName: 'evening', fingerprint: newId() },
    ...{ total: 1, by: 'ada', note: undefined },
  });
  const now = Date.now();
  const ofBatch = {
    id: batchDestructionId(batch.id, batch.createdAtMs, 'of-batch'),
    ...{ roomId: 'of-batch', batchId: batch.id, requestedAtMs: now, notAfterMs: now + hour },
  };
  await addOrJoin(queue, [{ destruction: ofBatch, priority: 4 }], { lane: 'bulk', delayMs: hour });
  await producer.destroy('single', { delayMs: hour });

  expect(await producer.cancel('of-batch')).toMatchObject({ status: 'cancelled' });
  expect(await producer.cancel('single')).toMatchObject({ status: 'cancelled' });
  await expect(producer.cancel('café')).rejects.toMatchObject({ code: 'INVALID' });

  const ended: EndedDestruction[] = [];
  const worker = await startWorker(config, {
    log: pino({ level: 'silent' }),
    onEnded: (each) => void ended.push(each),
  });
  await expect.poll(() => ended.length, { timeout: 60_000 }).toBe(2);
  await worker.close();
  expect(ended.map(({ outcome }) => outcome)).toEqual(['cancelled', 'cancelled']);
  const rows = await readDestructions(stores.DATABASE_URL);
  expect(rows.get('of-batch')).toMatchObject({ outcome: 'cancelled' });
  expect(rows.get('single')).toMatchObject({ outcome: 'cancelled' });
  const read = await readBatches(database, sdkAppId, { idOrName: 'evening', limit: 1 });
  expect(read).toMatchObject([{ total: 1, cancelled: 1 }]);
  expect((await server.report()).requests).toEqual([]);
  expect(await queue.queue.count()).toBe(0);
  expect(await queue.queue.getFailedCount()).toBe(0);
});
