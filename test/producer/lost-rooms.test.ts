/**
 * A job that is gone, or that nobody will take up any more, must not keep its room: the key by
 * which BullMQ knows that a room is pending can outlive its job.
 */
import { Redis } from 'ioredis';
import pg from 'pg';
import { describe, expect, test } from 'vitest';
import { addMany } from '../../src/producer/add-many.js';
import { addOrJoin } from '../../src/producer/add.js';
import { newId } from '../../src/queue/destruction-id.js';
import { lanes } from '../../src/queue/job.js';
import { servers, useQueue } from '../queue/places.js';

describe.each(servers)('a room whose job is lost, on %s', (name, open) => {
  const opened = useQueue(open);

  const wish = (roomId: string, id = newId()) => {
    const now = Date.now();
    const destruction = { ...{ id, roomId, batchId: undefined }, requestedAtMs: now };
    return { destruction: { ...destruction, notAfterMs: now + 3_600_000 }, priority: lanes.normal };
  };
  const ask = async (roomId: string) => {
    const { added } = await addOrJoin(opened, [wish(roomId)], { lane: 'normal', delayMs: 0 });
    return added[0];
  };
  const idOf = async (roomId: string) => (await ask(roomId))?.destructionId ?? '';

  /** As a hand or an eviction would do it. */
  async function onRedis(use: (redis: Redis, key: (name: string) => string) => Promise<unknown>) {
    if (opened.connection.kind !== 'redis') throw new Error('it is a Redis');
    const redis = new Redis(opened.connection.url);
    await use(redis, (key) => opened.queue.toKey(key));
    redis.disconnect();
  }
  async function onPostgres(sql: string, id: string) {
    if (opened.connection.kind !== 'postgres') throw new Error('it is a Postgres');
    const client = new pg.Client(opened.connection.connection);
    await client.connect();
    await client.query(sql, [id]);
    await client.end();
  }
  /** Some worker takes up whatever is there. */
  async function work(id: string): Promise<void> {
    const worker = await opened.createWorker(
      (job) =>
        Promise.reject(
          Object.assign(new Error(`no valid destruction: ${job.name}`), {
            name: 'UnrecoverableError',
          }),
        ),
      { autorun: false, removeOnComplete: { count: 0 }, removeOnFail: { age: 3_600 } },
    );
    const failed = new Promise<void>((resolve) => {
      worker.on('failed', (job) => {
        if (job?.id === id) resolve();
      });
    });
    void worker.run();
    await failed;
    await worker.close();
  }

  const losses: [how: string, lose: (id: string, roomId: string) => Promise<void>][] =
    name === 'Redis'
      ? [
          ['its hash was deleted', (id) => onRedis((redis, key) => redis.del(key(id)))],
          [
            'its hash was deleted, and a worker took up what was left of it',
            async (id) => {
              await onRedis((redis, key) => redis.del(key(id)));
              await work(id);
              expect(await opened.jobs.lost([id])).toEqual(new Map([[id, 'failed']]));
            },
          ],
          [
            'it was taken out of the list',
            (id) => onRedis((redis, key) => redis.zrem(key('prioritized'), id)),
          ],
          ['the lists were evicted', () => onRedis((redis, key) => redis.del(key('prioritized')))],
          [
            'it was moved to the failed set by hand',
            (id) =>
              onRedis(async (redis, key) => {
                await redis.zrem(key('prioritized'), id);
                await redis.zadd(key('failed'), Date.now(), id);
              }),
          ],
        ]
      : [
          ['its row was deleted', (id) => onPostgres('delete from bullmq.job where id = $1', id)],
          [
            'it was marked as failed by hand',
            (id) => onPostgres(`update bullmq.job set state = 'failed' where id = $1`, id),
          ],
          [
            'it was marked as completed by hand',
            (id) => onPostgres(`update bullmq.job set state = 'completed' where id = $1`, id),
          ],
        ];

  test.each(losses)('is asked for anew where %s', async (_how, lose) => {
    const other = await ask('other');
    const id = await idOf('room');
    await lose(id, 'room');
    if (other !== undefined) await opened.jobs.remove([other.destructionId]);

    expect(await ask('room')).toMatchObject({ status: 'added' });
    expect(await ask('room')).toMatchObject({ status: 'pending' });
    const ids = await opened.queue.getRanges(['prioritized'], 0, -1);
    expect(ids).toContain(await idOf('room'));
  });

  test.each(losses)('is added again with its batch where %s', async (_how, lose) => {
    const ids = new Map(['a', 'b', 'c'].map((roomId) => [roomId, newId()]));
    const add = (leaveWaiting: boolean) =>
      addMany(
        opened,
        // oxlint-disable-next-line typescript/require-await -- what is read is asynchronous
        (async function* () {
          yield [...ids.keys()];
        })(),
        {
          ...{ lane: 'normal', notBeforeMs: undefined, deadlineMs: 3_600_000, batchId: undefined },
          ...{ leaveWaiting, idOf: (roomId) => ids.get(roomId) ?? '' },
          stillOpen: (all) => Promise.resolve(all),
          precautionsOf: () => ({}),
          beforeAdding: () => Promise.resolve(),
          onProgress: () => undefined,
        },
      );
    expect(await add(false)).toMatchObject({ added: 3, addedNow: 3 });
    expect(await add(true)).toMatchObject({ added: 3, addedNow: 0 });
    await lose(ids.get('a') ?? '', 'a');

    const again = await add(true);

    expect(again).toMatchObject({ added: 3, pending: 0 });
    expect(again.addedNow).toBeGreaterThan(0);
    const waiting = await opened.queue.getRanges(['prioritized'], 0, -1);
    expect(waiting.sort()).toEqual([...ids.values()].sort());
    expect(await add(true)).toMatchObject({ added: 3, addedNow: 0 });
  });

  test('a job in hand, delayed or waiting is not lost', async () => {
    const delayed = wish('delayed');
    await addOrJoin(opened, [delayed], { lane: 'normal', delayMs: 3_600_000 });
    const waiting = await idOf('waiting');
    const ids = [delayed.destruction.id, waiting];
    let inHand: unknown;
    const worker = await opened.createWorker(
      async () => {
        inHand ??= await opened.jobs.lost(ids);
      },
      { autorun: false, removeOnComplete: { count: 0 } },
    );
    const completed = new Promise((resolve) => worker.once('completed', resolve));
    expect(await opened.jobs.lost(ids)).toEqual(new Map());
    void worker.run();
    await completed;
    await worker.close();
    expect(inHand).toEqual(new Map());
    const gone = newId();
    expect(await opened.jobs.lost([gone, delayed.destruction.id])).toEqual(
      new Map([[gone, 'nowhere']]),
    );
    expect(await opened.jobs.lost([])).toEqual(new Map());
  });
});
