import { describe, expect, test } from 'vitest';
import { enqueueRooms } from '../../src/operations/enqueue.js';
import { followBatch, lookAhead, readOutlook } from '../../src/operations/look-ahead.js';
import { checkRooms } from '../../src/operations/rooms.js';
import type { Service } from '../../src/operations/service.js';
import { protectedRooms } from '../../src/protected-rooms.js';
import { roomIds } from '../e2e/stage.js';
import { listIn } from '../room-list/lists.js';
import { useServices } from './service.js';

const services = useServices();

async function put(service: Service, count: number, name: string): Promise<number> {
  const text = roomIds(count, name)
    .map((room) => `${room}\n`)
    .join('');
  const nobody = { rooms: protectedRooms([]), patterns: [] };
  const { lastPriority } = await enqueueRooms(
    service,
    {
      rooms: await checkRooms(listIn(text), nobody),
      ...{ lane: 'bulk', notBeforeMs: undefined, name, by: 'ada', note: undefined },
    },
    { onProgress: () => undefined, signal: new AbortController().signal },
  );
  return lastPriority;
}

describe('what goes before new rooms', () => {
  test('is what waits up to the last of them in their lane, or all that waits', async () => {
    const service = await services.open();
    await put(service, 1_000, 'first');
    const ahead = async (newRooms: Parameters<typeof readOutlook>[1]) =>
      (await readOutlook(service, newRooms)).waitingAhead;
    // They join at the second turn: 250 of the first list go before and 250 beside them.
    expect(await ahead({ rooms: 200, lane: 'bulk' })).toBe(500);
    expect(await ahead({ rooms: 1, lane: 'normal' })).toBe(0);
    expect(await ahead(undefined)).toBe(1_000);
  });

  test('is the same for a preview, which opens stores of its own to look', async () => {
    const service = await services.open();
    await put(service, 300, 'first');
    const newRooms = { rooms: 300, lane: 'bulk' } as const;
    expect(await lookAhead(service.config, newRooms)).toEqual(await readOutlook(service, newRooms));
  });

  test('goes no faster than snapshots where the new rooms have them, and then alone', async () => {
    const service = await services.open();
    const most = async (snapshot: boolean) => {
      const newRooms = { rooms: 1, lane: 'bulk', precautions: { snapshot } } as const;
      const outlook = await readOutlook(service, newRooms);
      expect(await lookAhead(service.config, newRooms)).toEqual(outlook);
      return outlook.mostPerSecond;
    };
    expect(await most(true)).toBeCloseTo(1000 / 10.2);
    expect(await most(false)).toBeUndefined();
  });

  test('is held where the queue is paused', async () => {
    const service = await services.open();
    await (await service.queue()).queue.pause();
    expect(await readOutlook(service, undefined)).toMatchObject({ held: 'paused' });
  });

  test('is not counted where the queue does not answer, and a preview goes on', async () => {
    const service = await services.open();
    const config = { ...service.config, queueUrl: 'redis://127.0.0.1:1' };
    expect(await lookAhead(config, undefined)).toMatchObject({
      waitingAhead: undefined,
      notCounted: expect.stringMatching(/^Redis at .* cannot be used/) as string,
    });
  });
});

test('a batch that is followed is as far off as what goes before its last room', async () => {
  const service = await services.open();
  await put(service, 250, 'first');
  const lastPriority = await put(service, 250, 'second');
  const secondsLeft = followBatch(service, lastPriority);
  // At first nothing is known, and it waits for nothing.
  expect(secondsLeft(250, Date.now())).toBeUndefined();
  await expect.poll(() => secondsLeft(250, Date.now())).toBeCloseTo(500 * 0.0051);
  expect(secondsLeft(100, Date.now())).toBeCloseTo(350 * 0.0051);
  // With snapshots its own rooms take twice as long, those of others do not.
  const slow = followBatch(service, lastPriority, { snapshot: true });
  await expect.poll(() => slow(250, Date.now())).toBeCloseTo(500 * 0.0051);
  expect(slow(400, Date.now())).toBeCloseTo(400 * 0.0102);
});
