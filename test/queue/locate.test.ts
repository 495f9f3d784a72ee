/** Finding a room on the queue, the same on each place where a queue can live. */
import { UnrecoverableError } from 'bullmq';
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { addDestructions, type Placement } from '../../src/producer/add.js';
import { newId } from '../../src/queue/destruction-id.js';
import { locateJob, locateRoom, type LocatedJob } from '../../src/queue/locate.js';
import type { DestroyJob } from '../../src/queue/job.js';
import { servers, useQueue } from './places.js';

const now = Date.now();

describe.each(servers)('a room on %s', (_name, open) => {
  const opened = useQueue(open);

  async function add(roomIds: string[], placement: Placement): Promise<string[]> {
    const added = await addDestructions(
      opened.queue,
      roomIds.map((roomId) => ({
        ...{ id: newId(), roomId, batchId: undefined },
        ...{ requestedAtMs: now, notAfterMs: now + 3_600_000 },
      })),
      placement,
    );
    return added.map(({ destructionId }) => destructionId);
  }

  const locate = (roomId: string) => locateRoom(opened.queue, opened.lookUp, roomId);

  /** Lets a worker take up the first job and shows what becomes of it while `look` runs. */
  async function takeUp(
    end: (job: DestroyJob) => void,
    look: () => Promise<LocatedJob | undefined>,
  ): Promise<LocatedJob | undefined> {
    let seen: LocatedJob | undefined;
    const worker = await opened.createWorker(
      async (job) => {
        seen = await look();
        end(job);
      },
      {
        autorun: false,
        concurrency: 1,
        removeOnComplete: { count: 0 },
        removeOnFail: { age: 3_600 },
      },
    );
    const ended = Promise.race([once(worker, 'completed'), once(worker, 'failed')]);
    void worker.run();
    await ended;
    await worker.close();
    return seen;
  }

  test('that was never asked for is not found', async () => {
    await add(['another'], { lane: 'bulk', delayMs: 0 });
    expect(await locate('live-room-42')).toBeUndefined();
    expect(await locateJob(opened.queue, opened.lookUp, newId())).toBeUndefined();
  });

  test('waits behind exactly those that BullMQ takes up before it, those of better lanes included', async () => {
    await add(['a', 'b', 'c', 'd'], { lane: 'bulk', delayMs: 0 });
    await add(['normal'], { lane: 'normal', delayMs: 0 });
    await add(['urgent'], { lane: 'urgent', delayMs: 0 });
    await add(['later'], { lane: 'bulk', delayMs: 60_000 });

    const places = await Promise.all(['urgent', 'normal', 'a', 'd'].map(locate));

    expect(places).toMatchObject([
      { lane: 'urgent', place: { state: 'waiting', ahead: 0, exact: true } },
      { lane: 'normal', place: { state: 'waiting', ahead: 1, exact: true } },
      { lane: 'bulk', place: { state: 'waiting', ahead: 2, exact: true } },
      { lane: 'bulk', place: { state: 'waiting', ahead: 5, exact: true } },
    ]);
    expect(places[2]?.destruction).toMatchObject({ roomId: 'a', requestedAtMs: now });
  });

  test('whose exact place cannot be read is behind at most those of its lane and before', async () => {
    await add(['a', 'b', 'c'], { lane: 'bulk', delayMs: 0 });
    await add(['normal', 'other'], { lane: 'normal', delayMs: 0 });
    const lookUp = {
      ...opened.lookUp,
      ahead: () => Promise.reject(new Error('other tables than those of BullMQ 6')),
    };
    expect(await locateRoom(opened.queue, lookUp, 'a')).toMatchObject({
      place: { state: 'waiting', ahead: 4, exact: false },
    });
    expect(await locateRoom(opened.queue, lookUp, 'normal')).toMatchObject({
      place: { state: 'waiting', ahead: 1, exact: false },
    });
  });

  test('that is not due yet says when it will be, also after that was changed', async () => {
    const [id = ''] = await add(['later'], { lane: 'normal', delayMs: 60_000 });
    // BullMQ counts the delay from the job's timestamp or from now, by a difference of milliseconds.
    const first = await locate('later');
    expect(first).toMatchObject({ id, lane: 'normal', failedRuns: 0, place: { state: 'delayed' } });
    const dueAt = first?.place.state === 'delayed' ? (first.place.dueAtMs ?? 0) : 0;
    expect(dueAt).toBeGreaterThanOrEqual(now + 60_000 - 5_000);
    expect(dueAt).toBeLessThanOrEqual(Date.now() + 60_000);

    const job = await opened.queue.getJob(id);
    const changedAt = Date.now();
    await job?.changeDelay(600_000);
    const second = await locate('later');
    const dueAgain = second?.place.state === 'delayed' ? (second.place.dueAtMs ?? 0) : 0;
    expect(dueAgain).toBeGreaterThanOrEqual(changedAt + 600_000 - 1_000);
    expect(dueAgain).toBeLessThanOrEqual(Date.now() + 600_000);
  });

  test('is in hand while a worker has it, and off the queue when it is done', async () => {
    const [id = ''] = await add(['a'], { lane: 'bulk', delayMs: 0 });
    const seen = await takeUp(
      () => undefined,
      () => locate('a'),
    );
    expect(seen).toMatchObject({ id, place: { state: 'in_hand' } });
    expect(seen?.place.state === 'in_hand' && seen.place.sinceMs).toBeGreaterThanOrEqual(now);
    expect(await locate('a')).toBeUndefined();
    expect(await locateJob(opened.queue, opened.lookUp, id)).toBeUndefined();
  });

  test('that ended and is not gone is found by its destruction, with the reason', async () => {
    const [id = ''] = await add(['a'], { lane: 'bulk', delayMs: 0 });
    await takeUp(
      () => {
        throw new UnrecoverableError('rejected: no permission');
      },
      () => locate('a'),
    );
    expect(await locate('a')).toBeUndefined();
    expect(await locateJob(opened.queue, opened.lookUp, id)).toMatchObject({
      place: { state: 'failed', reason: 'rejected: no permission' },
    });
  });
});
