/** A thousand jobs at once, the same on each place where a queue can live. */
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { addDestructions } from '../../src/producer/add.js';
import { batchDestructionId, newId } from '../../src/queue/destruction-id.js';
import type { JobData } from '../../src/queue/job.js';
import { places, useQueue } from './places.js';

const now = Date.now();

describe.each(places)('many jobs on %s', (_name, open) => {
  const opened = useQueue(open);

  const destructions = (roomIds: string[]) =>
    roomIds.map((roomId) => ({
      ...{ id: newId(), roomId, batchId: newId() },
      ...{ requestedAtMs: now, notAfterMs: now + 3_600_000 },
    }));
  const add = (rooms: ReturnType<typeof destructions>) =>
    addDestructions(opened.queue, rooms, { lane: 'bulk', delayMs: 0 });

  test('are read whole; what is not there, or of another program, is left out', async () => {
    const rooms = destructions(['a', 'b "quoted"', "c'\\"]);
    await add(rooms);
    const foreign = newId();
    await opened.queue.add('other', { some: 'thing' } as unknown as JobData, { jobId: foreign });
    const ids = [...rooms.map(({ id }) => id), foreign, newId()];

    const read = await opened.jobs.read(ids);

    expect(read.sort((a, b) => a.roomId.localeCompare(b.roomId))).toEqual(rooms);
    expect(await opened.jobs.existing(ids)).toEqual(new Set(ids.slice(0, 4)));
    expect(await opened.jobs.read([])).toEqual([]);
  });

  test('are taken off the queue, and their rooms can be asked for again', async () => {
    const rooms = destructions(['a', 'b', 'c']);
    await add(rooms);
    const [a, b, c] = rooms.map(({ id }) => id) as [string, string, string];

    const gone = newId();
    expect(await opened.jobs.remove([b, a, gone])).toEqual(new Set([a, b, gone]));

    expect(await opened.jobs.existing([a, b, c])).toEqual(new Set([c]));
    expect(await opened.jobs.remove([])).toEqual(new Set());
    const again = await add(destructions(['a', 'c']));
    expect(again.map(({ status }) => status)).toEqual(['added', 'pending']);
  });

  test('one in the hand of a worker stays', async () => {
    const rooms = destructions(['a', 'b']);
    await add(rooms);
    const ids = rooms.map(({ id }) => id);
    let removed: Set<string> | undefined;
    const worker = await opened.createWorker(
      async () => {
        removed ??= await opened.jobs.remove(ids);
      },
      { autorun: false, concurrency: 1, removeOnComplete: { count: 0 } },
    );
    const completed = once(worker, 'completed');
    void worker.run();
    await completed;
    await worker.close();

    expect(removed).toEqual(new Set([ids[1]]));
    expect(await opened.jobs.existing(ids)).toEqual(new Set());
  });

  test('those of a batch are found, wherever they are, and those of others are not', async () => {
    const batch = { id: newId(), createdAtMs: now };
    const roomsOf = (batchId: string, prefix: string, count: number) =>
      Array.from({ length: count }, (_, n) => ({
        ...{ id: batchDestructionId(batchId, now, `${prefix}-${n}`), roomId: `${prefix}-${n}` },
        ...{ batchId, requestedAtMs: now, notAfterMs: now + 3_600_000 },
      }));
    // More than one call adds, and more than one page has.
    const [waiting, delayed] = [roomsOf(batch.id, 'waits', 1_020), roomsOf(batch.id, 'is-due', 2)];
    const others = roomsOf(newId(), 'other', 3);
    for (let from = 0; from < waiting.length; from += 250)
      await add(waiting.slice(from, from + 250));
    await add(others);
    await addDestructions(opened.queue, delayed, { lane: 'bulk', delayMs: 60_000 });
    const found = new Map<string, unknown>();
    const worker = await opened.createWorker(
      async () => {
        for await (const page of opened.roomsOf(batch))
          for (const each of page) found.set(each.roomId, each);
      },
      { autorun: false, concurrency: 1, removeOnComplete: { count: 0 } },
    );
    const completed = once(worker, 'completed');
    void worker.run();
    await completed;
    await worker.close();

    const wanted = new Map([...waiting, ...delayed].map((each) => [each.roomId, each]));
    expect(new Set(found.keys())).toEqual(new Set(wanted.keys()));
    expect(found.get('waits-7')).toEqual(wanted.get('waits-7'));
  });
});
