/** Every job that waits is visited, whatever is taken off the queue on the way. */
import { describe, expect, test } from 'vitest';
import { addDestructions } from '../../src/producer/add.js';
import { newId } from '../../src/queue/destruction-id.js';
import { visitWaiting } from '../../src/queue/waiting.js';
import { servers, useQueue } from './places.js';

const now = Date.now();
const never = new AbortController().signal;

describe.each(servers)('jobs that wait on %s', (_name, open) => {
  const opened = useQueue(open);

  async function add(count: number, delayMs = 0): Promise<string[]> {
    const rooms = Array.from({ length: count }, (_, room) => ({
      ...{ id: newId(), roomId: `${delayMs}-${room}`, batchId: undefined },
      ...{ requestedAtMs: now, notAfterMs: now + 3_600_000 },
    }));
    await addDestructions(opened.queue, rooms, { lane: 'bulk', delayMs });
    return rooms.map(({ id }) => id);
  }

  test.each([
    { taking: 'none', isTaken: () => false },
    { taking: 'all', isTaken: () => true },
    { taking: 'every third', isTaken: (place: number) => place % 3 === 0 },
  ])('are each visited once, in groups, $taking of them being taken off', async ({ isTaken }) => {
    const ids = [...(await add(25)), ...(await add(5, 60_000))];
    const groups: string[][] = [];

    await visitWaiting(
      opened.queue,
      async (group) => {
        groups.push(group);
        const taken = group.filter((id) => isTaken(ids.indexOf(id)));
        return (await opened.jobs.remove(taken)).size;
      },
      never,
      10,
    );

    expect(groups.map((group) => group.length)).toEqual([5, 10, 10, 5]);
    expect(groups.flat().sort()).toEqual([...ids].sort());
    const left = ids.filter((_, place) => !isTaken(place));
    expect(await opened.jobs.existing(ids)).toEqual(new Set(left));
  });

  test('are not read on once it is interrupted', async () => {
    await add(25);
    const stop = new AbortController();
    let visits = 0;
    await visitWaiting(
      opened.queue,
      () => {
        visits += 1;
        stop.abort();
        return Promise.resolve(0);
      },
      stop.signal,
      10,
    );
    expect(visits).toBe(1);
  });
});
