/**
 * What the rest relies on of BullMQ, the same on each place where a queue can live.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { WaitingError } from 'bullmq';
import { afterEach, describe, expect, test } from 'vitest';
import { addDestructions, bringForward, readJobs, type Placement } from '../../src/producer/add.js';
import type { QueueConnection } from '../../src/queue/connection.js';
import { readDepth } from '../../src/queue/depth.js';
import { newId } from '../../src/queue/destruction-id.js';
import type { Destruction } from '../../src/destruction.js';
import {
  type DestroyJob,
  type DestroyWorker,
  lanes,
  readDestruction,
} from '../../src/queue/job.js';
import { openQueue } from '../../src/queue/open.js';
import { countUpTo, readFirstTurn, roomsPerTurn, turnOf } from '../../src/queue/turns.js';
import { freshSdkAppId } from '../support/servers.js';
import { places, useQueue } from './places.js';

/** What of BullMQ's worker says whether it was woken or waited in vain. */
interface WaitsForJobs {
  waitForJob(limitSeconds: number): Promise<unknown>;
}

const bulk: Placement = { lane: 'bulk', delayMs: 0 };

function destruction(roomId: string): Destruction {
  const now = Date.now();
  return {
    ...{ id: newId(), roomId, batchId: undefined },
    ...{ requestedAtMs: now, notAfterMs: now + 3_600_000 },
  };
}

describe.each(places)('a queue on %s', (name, open) => {
  const opened = useQueue(open);
  let worker: DestroyWorker | undefined;
  afterEach(async () => {
    await worker?.close();
    worker = undefined;
  });

  async function add(roomId: string, placement: Placement = bulk) {
    const [added] = await addDestructions(opened.queue, [destruction(roomId)], placement);
    if (added === undefined) throw new Error('nothing was added');
    return added;
  }

  /** Adds a batch that begins now, each of its rooms the first of a turn. */
  async function addBatch(batch: string, turns: number): Promise<number> {
    const first = await readFirstTurn(opened.queue);
    const rooms = Array.from({ length: turns }, (_, index) => destruction(`${batch}-${index}`));
    await addDestructions(opened.queue, rooms, bulk, (index) =>
      turnOf(first, index * roomsPerTurn),
    );
    return first;
  }

  /** Works until so many jobs have ended; the RoomIds of all runs, in the order of their start. */
  async function work(
    ends: number,
    process: (job: DestroyJob, token: string | undefined) => Promise<void> = () =>
      Promise.resolve(),
  ): Promise<string[]> {
    const runs: string[] = [];
    worker = await opened.createWorker(
      (job, token) => {
        runs.push(readDestruction(job.id, job.data, job.timestamp)?.roomId ?? 'not one of ours');
        job.opts = { ...job.opts, attempts: 100, backoff: { type: 'test' } };
        return process(job, token);
      },
      {
        autorun: false,
        concurrency: 1,
        removeOnComplete: { count: 0 },
        removeOnFail: { age: 3_600 },
        settings: { backoffStrategy: () => 1 },
      },
    );
    let left = ends;
    const done = new Promise<void>((resolve) => {
      const end = (): void => {
        left -= 1;
        if (left === 0) resolve();
      };
      worker?.on('completed', end);
      worker?.on('failed', (job) => {
        if (job?.finishedOn !== undefined) end();
      });
    });
    void worker.run();
    await done;
    await worker.close();
    worker = undefined;
    return runs;
  }

  const unrecoverable = () =>
    Promise.reject(Object.assign(new Error('rejected'), { name: 'UnrecoverableError' }));

  test('a room whose destruction is pending is not added again: the id of the pending one comes back', async () => {
    const first = await add('room');
    expect(first.status).toBe('added');
    expect(await add('room')).toEqual({ ...first, status: 'pending' });
    expect((await readDepth(opened.queue)).waiting).toBe(1);
  });

  test('a room that stands twice in one call is added once', async () => {
    const both = [destruction('room'), destruction('room')];
    const added = await addDestructions(opened.queue, both, bulk);
    expect(added.map((each) => each.status)).toEqual(['added', 'pending']);
    expect(new Set(added.map((each) => each.destructionId)).size).toBe(1);
    expect((await readDepth(opened.queue)).waiting).toBe(1);
  });

  test('a room whose destruction is delayed is pending', async () => {
    const first = await add('room', { lane: 'normal', delayMs: 3_600_000 });
    expect(await add('room')).toEqual({ ...first, status: 'pending' });
  });

  test('a room whose destruction is in hand is pending', async () => {
    const first = await add('room');
    let second: unknown;
    await work(1, async () => {
      second = await add('room');
    });
    expect(second).toEqual({ ...first, status: 'pending' });
  });

  test('after a destruction has completed, the room gets a new one', async () => {
    const first = await add('room');
    await work(1);
    const second = await add('room');
    expect(second.status).toBe('added');
    expect(second.destructionId).not.toBe(first.destructionId);
    expect(await work(1)).toEqual(['room']);
  });

  test('after a destruction has failed, the room gets a new one, and the failed one is kept', async () => {
    await add('room');
    await work(1, unrecoverable);
    expect(await readDepth(opened.queue)).toMatchObject({ failed: 1, waiting: 0 });
    expect((await add('room')).status).toBe('added');
    expect(await work(1)).toEqual(['room']);
    expect((await readDepth(opened.queue)).failed).toBe(1);
  });

  test('adding the same id again is silent and adds nothing', async () => {
    const same = destruction('room');
    const first = await addDestructions(opened.queue, [same], bulk);
    expect(await addDestructions(opened.queue, [same], bulk)).toEqual(first);
    expect((await readDepth(opened.queue)).waiting).toBe(1);
    expect(await work(1)).toEqual(['room']);
  });

  test('RoomIds with spaces, colons and every other legal character stay apart and unchanged', async () => {
    const roomIds = [' ', '  ', 'a:b', 'a: b', '{a}', `"'\\`, '*', '12', '012', '~'.repeat(48)];
    for (const roomId of roomIds) expect((await add(roomId)).status).toBe('added');
    for (const roomId of roomIds) expect((await add(roomId)).status).toBe('pending');
    expect(await work(roomIds.length)).toEqual(roomIds);
  });

  test('urgent goes before normal, normal before bulk, whatever came first', async () => {
    await add('bulk 1');
    await add('bulk 2');
    await add('normal 1', { lane: 'normal', delayMs: 0 });
    await add('urgent 1', { lane: 'urgent', delayMs: 0 });
    await add('normal 2', { lane: 'normal', delayMs: 0 });
    await add('urgent 2', { lane: 'urgent', delayMs: 0 });
    expect(await work(6)).toEqual([
      ...['urgent 1', 'urgent 2', 'normal 1', 'normal 2', 'bulk 1', 'bulk 2'],
    ]);
  });

  test('a room to be retried goes before normal and bulk, and after urgent', async () => {
    const dueAfterMs = 100;
    for (const room of ['first', 'bulk 2', 'bulk 3']) await add(room);
    let failedAt = 0;
    const runs = await work(5, async (job) => {
      // What is taken up while the retry is not due yet ends when it is.
      if (failedAt > 0) await sleep(Math.max(0, failedAt + dueAfterMs - performance.now()));
      if (job.data.r !== 'first' || failedAt > 0) return;
      failedAt = performance.now();
      await add('normal', { lane: 'normal', delayMs: 0 });
      await add('urgent', { lane: 'urgent', delayMs: 0 });
      await job.changePriority({ priority: lanes.retry });
      throw new Error('transient');
    });
    // Its delay may let one other go first.
    expect(runs[0]).toBe('first');
    expect(runs.indexOf('first', 1)).toBeLessThanOrEqual(2);
    expect(runs.slice(-2)).toEqual(['bulk 2', 'bulk 3']);
  });

  test('a job given back with moveToWait is unspent, and stays ahead of its lane', async () => {
    for (const room of ['first', 'second', 'third']) await add(room);
    const spent: number[] = [];
    let givenBack = 0;
    const runs = await work(3, async (job, token) => {
      spent.push(job.attemptsMade);
      if (job.data.r !== 'first' || givenBack === 2) return;
      givenBack += 1;
      await job.moveToWait(token);
      throw new WaitingError();
    });
    expect(spent).toEqual([0, 0, 0, 0, 0]);
    // Postgres skips a row that is locked just then, so one other may go before.
    expect(runs.filter((room) => room === 'first')).toHaveLength(3);
    expect(runs.lastIndexOf('first')).toBeLessThan(runs.indexOf('third'));
    if (name === 'Redis') expect(runs.slice(0, 3)).toEqual(['first', 'first', 'first']);
  });

  test('a job given back does not go before more urgent ones', async () => {
    await add('bulk');
    let givenBack = false;
    const runs = await work(2, async (job, token) => {
      if (job.data.r !== 'bulk' || givenBack) return;
      givenBack = true;
      await add('urgent', { lane: 'urgent', delayMs: 0 });
      await job.moveToWait(token);
      throw new WaitingError();
    });
    expect(runs).toEqual(['bulk', 'urgent', 'bulk']);
  });

  test('a delayed room is not taken before its time', async () => {
    await add('later', { lane: 'urgent', delayMs: 2_000 });
    await add('now');
    expect(await readDepth(opened.queue)).toMatchObject({ delayed: 1, waiting: 1 });
    const early: boolean[] = [];
    const runs = await work(2, (job) => {
      early.push(Date.now() < job.timestamp + job.delay);
      return Promise.resolve();
    });
    expect(runs).toEqual(['now', 'later']);
    expect(early).toEqual([false, false]);
  });

  test('an idle worker is woken by a new room', async () => {
    await add('first');
    let adding: Promise<unknown> | undefined;
    let isNews: boolean | undefined;
    let woken: boolean | undefined;
    await work(2, (job) => {
      if (job.data.r === 'second') woken = isNews;
      else {
        const { backend } = worker as unknown as { backend: WaitsForJobs };
        const wait = backend.waitForJob.bind(backend);
        backend.waitForJob = async (limitSeconds) => {
          const waiting = wait(limitSeconds);
          adding ??= add('second');
          // A wait that runs out gives nothing.
          const news = await waiting;
          isNews = Boolean(news);
          return news;
        };
      }
      return Promise.resolve();
    });
    await adding;
    expect(woken).toBe(true);
  });

  test('a thousand are added in one call, in their order', async () => {
    const many = Array.from({ length: 1_000 }, (_, index) => destruction(`room-${index}`));
    const added = await addDestructions(opened.queue, many, bulk);
    expect(added.map((each) => each.destructionId)).toEqual(many.map((each) => each.id));
    expect(new Set(added.map((each) => each.status))).toEqual(new Set(['added']));
    expect((await readDepth(opened.queue)).lanes.bulk).toBe(1_000);
    const again = await addDestructions(
      opened.queue,
      many.map((each) => destruction(each.roomId)),
      bulk,
    );
    expect(again.map((each) => each.destructionId)).toEqual(many.map((each) => each.id));
    expect(new Set(again.map((each) => each.status))).toEqual(new Set(['pending']));
    const first = await opened.queue.getJobs(['prioritized'], 0, 2, true);
    expect(first.map((job) => job.data.r)).toEqual(['room-0', 'room-1', 'room-2']);
  });

  test('a paused queue takes rooms and starts none until it is resumed', async () => {
    await opened.queue.pause();
    await add('room');
    expect(await readDepth(opened.queue)).toMatchObject({ paused: true, waiting: 1 });
    let isResumed = false;
    const startedPaused: boolean[] = [];
    const working = work(1, () => {
      startedPaused.push(!isResumed);
      return Promise.resolve();
    });
    await worker?.waitUntilReady();
    await new Promise((resolve) => setTimeout(resolve, 300));
    isResumed = true;
    await opened.queue.resume();
    expect(await working).toEqual(['room']);
    expect(startedPaused).toEqual([false]);
    expect((await readDepth(opened.queue)).paused).toBe(false);
  });

  test('the depth tells what waits, by lane, and what is in hand, delayed and failed', async () => {
    const empty = { paused: false, waiting: 0, active: 0, delayed: 0, failed: 0 };
    const none = { urgent: 0, retry: 0, normal: 0, bulk: 0 };
    expect(await readDepth(opened.queue)).toEqual({ ...empty, lanes: none });
    await add('rejected', { lane: 'urgent', delayMs: 0 });
    await work(1, unrecoverable);
    await add('in hand', { lane: 'urgent', delayMs: 0 });
    await add('normal', { lane: 'normal', delayMs: 0 });
    for (const room of ['bulk 1', 'bulk 2']) await add(room);
    await add('delayed', { lane: 'normal', delayMs: 3_600_000 });
    const depths: unknown[] = [];
    await work(4, async () => {
      depths.push(await readDepth(opened.queue));
    });
    expect(depths[0]).toEqual({
      ...{ paused: false, waiting: 3, active: 1, delayed: 1, failed: 1 },
      lanes: { urgent: 0, retry: 0, normal: 1, bulk: 2 },
    });
    expect(await readDepth(opened.queue)).toEqual({ ...empty, delayed: 1, failed: 1, lanes: none });
  });

  test('the queues of two apps never mix', async () => {
    const other = await openQueue({
      sdkAppId: freshSdkAppId(),
      connection: opened.connection,
      onError: (error) => {
        throw error;
      },
    });
    await add('room');
    const [added] = await addDestructions(other.queue, [destruction('room')], bulk);
    expect(added?.status).toBe('added');
    expect((await readDepth(other.queue)).waiting).toBe(1);
    await other.close();
  });

  test('a batch that begins behind a long one takes turns with it', async () => {
    expect(await addBatch('long', 5)).toBe(lanes.bulk);
    expect(await addBatch('short', 2)).toBe(lanes.bulk + 1);
    expect(await work(7)).toEqual([
      ...['long-0', 'long-1', 'short-0', 'long-2', 'short-1', 'long-3', 'long-4'],
    ]);
  });

  test('small batches that keep coming do not hold up the long one', async () => {
    await addBatch('long', 3);
    let small = 0;
    const runs = await work(6, async () => {
      if (small < 3) await addBatch(`small-${small++}`, 1);
    });
    expect(runs).toEqual(['long-0', 'long-1', 'long-2', 'small-0-0', 'small-1-0', 'small-2-0']);
  });

  test('an empty lane begins anew', async () => {
    await addBatch('one', 3);
    await work(3);
    expect(await readFirstTurn(opened.queue)).toBe(lanes.bulk);
  });

  test('jobs of earlier versions, all in the first turn, go before what is added later', async () => {
    await add('earlier-0');
    await add('earlier-1');
    await addBatch('later', 2);
    await add('urgent', { lane: 'urgent', delayMs: 0 });
    expect(await work(5)).toEqual(['urgent', 'earlier-0', 'earlier-1', 'later-0', 'later-1']);
  });

  test('the depth counts every turn as bulk, and what is ahead of one is counted by turns', async () => {
    await addBatch('long', 5);
    await addBatch('short', 2);
    await add('urgent', { lane: 'urgent', delayMs: 0 });
    await add('single', { lane: 'normal', delayMs: 0 });
    expect(await readDepth(opened.queue)).toMatchObject({
      waiting: 9,
      lanes: { urgent: 1, retry: 0, normal: 1, bulk: 7 },
    });
    const upTo = (priority: number) => countUpTo(opened.queue, priority);
    expect(await upTo(lanes.urgent)).toBe(1);
    expect(await upTo(lanes.normal)).toBe(2);
    // urgent, single, long-0, long-1, short-0, long-2, short-1
    expect(await upTo(lanes.bulk + 2)).toBe(7);
    expect(await upTo(lanes.bulk + 4)).toBe(9);
    expect(await upTo(Number.MAX_SAFE_INTEGER)).toBe(9);
  });

  test('what waits further back is brought forward, what would gain a few turns is left', async () => {
    const first = await addBatch('long', 12);
    const waiting = await opened.queue.getPrioritized();
    const [far, near] = [waiting[11], waiting[3]];
    for (const job of [far, near]) if (job) await bringForward(job, first, 0, { notAfterMs: 0 });
    const jobs = await readJobs(opened.queue, [far?.id ?? '', near?.id ?? '', 'nobody']);
    expect(jobs.map((job) => job?.priority)).toEqual([first, first + 3, undefined]);
    expect((await work(12)).slice(0, 3)).toEqual(['long-0', 'long-11', 'long-1']);
  });
});

describe('a queue that cannot be reached', () => {
  test.each<[string, QueueConnection]>([
    ['Redis', { kind: 'redis', url: 'redis://user:secret@127.0.0.1:1' }],
    [
      'Postgres',
      {
        kind: 'postgres',
        connection: { connectionString: 'postgres://user:secret@127.0.0.1:1/queue' },
        shownAs: 'postgres://user@127.0.0.1:1/queue',
      },
    ],
  ])(
    '%s: the error names the place without its password, and the way out',
    async (_name, connection) => {
      const opening = openQueue({ sdkAppId: 1, connection, onError: () => undefined });
      await expect(opening).rejects.toMatchObject({
        code: 'UNAVAILABLE',
        message: expect.stringMatching(
          /127\.0\.0\.1:1.* cannot be used: ECONNREFUSED; start it, or set QUEUE_URL/,
        ) as string,
      });
      await expect(opening).rejects.not.toThrow(/secret/);
    },
  );
});
