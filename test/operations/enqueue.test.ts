import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { readBatches } from '../../src/ledger/batches.js';
import { markBatchesCancelled } from '../../src/ledger/cancel.js';
import {
  enqueuedToJson,
  enqueueRooms,
  type Batch,
  type EnqueueOptions,
  type EnqueueRequest,
} from '../../src/operations/enqueue.js';
import { checkRooms } from '../../src/operations/rooms.js';
import type { Service } from '../../src/operations/service.js';
import { protectedRooms } from '../../src/protected-rooms.js';
import { readDepth } from '../../src/queue/depth.js';
import { roomIds } from '../e2e/stage.js';
import { listIn } from '../room-list/lists.js';
import { useServices } from './service.js';

const services = useServices();

const depthOf = async (service: Service) => readDepth((await service.queue()).queue);

async function requestFor(
  rooms: readonly string[],
  changes: Partial<EnqueueRequest> = {},
): Promise<EnqueueRequest> {
  const nobody = { rooms: protectedRooms([]), patterns: [] };
  return {
    rooms: await checkRooms(listIn(rooms.map((room) => `${room}\n`).join('')), nobody),
    ...{ lane: 'bulk', notBeforeMs: undefined, name: 'evening', by: 'ada', note: undefined },
    ...changes,
  };
}

const quietly = (changes: Partial<EnqueueOptions> = {}): EnqueueOptions => ({
  onProgress: () => undefined,
  signal: new AbortController().signal,
  ...changes,
});

test('a list is put on the queue as a batch, and asked for again it is the same one', async () => {
  const service = await services.open();
  const request = await requestFor([...roomIds(600), 'room-0000']);
  const progress: number[] = [];
  const onProgress = (settled: number) => progress.push(settled);

  const first = await enqueueRooms(service, request, quietly({ onProgress }));
  const again = await enqueueRooms(service, request, quietly());

  const counts = { requested: 601, unique: 600, duplicates: 1, invalid: 0 };
  const json = { batchId: first.batch.id, ...counts, added: 600, pending: 0, finished: 0 };
  expect(enqueuedToJson(request.rooms, first)).toEqual(json);
  expect(Object.keys(enqueuedToJson(request.rooms, first))).toEqual(Object.keys(json));
  expect(enqueuedToJson(request.rooms, again)).toEqual(json);
  expect([first.batch.isNew, again.batch.isNew]).toEqual([true, false]);
  expect(progress).toEqual([100, 200, 300, 400, 500, 600]);
  expect(await depthOf(service)).toMatchObject({ waiting: 600, lanes: { bulk: 600 } });
});

test('its jobs have its precautions, also where it goes on and nobody says them again', async () => {
  const service = await services.open();
  const precautions = { onlyCreatedBeforeMs: Date.now() - 5_000, snapshot: true };
  await enqueueRooms(service, await requestFor(['a'], { precautions }), quietly());
  const { queue } = await service.queue();
  const dataOf = async () => (await queue.getPrioritized()).map(({ data }) => data);
  const wished = { o: 'a', g: precautions.onlyCreatedBeforeMs, s: 1 };
  expect(await dataOf()).toMatchObject([wished]);

  await queue.drain();
  await enqueueRooms(service, await requestFor(['a']), quietly());
  expect(await dataOf()).toMatchObject([wished]);
  const other = await requestFor(['a'], { precautions: { onlyCreatedBeforeMs: 1e12 } });
  await expect(enqueueRooms(service, other, quietly())).rejects.toMatchObject({ code: 'CONFLICT' });
  expect(await dataOf()).toMatchObject([wished]);
});

test('a room that waits under another batch is joined, and its outcome will count for both', async () => {
  const service = await services.open();
  await enqueueRooms(service, await requestFor(['a', 'b']), quietly());
  const other = await requestFor(['b', 'c'], { name: 'other' });
  const { added } = await enqueueRooms(service, other, quietly());
  expect(added).toMatchObject({ added: 1, pending: 1 });
});

test('rooms are due at the time that was given, whatever else takes time', async () => {
  const service = await services.open();
  const notBeforeMs = Date.now() + 3_600_000;
  const request = await requestFor(['a'], { notBeforeMs, lane: 'normal' });
  await sleep(200);
  const from = performance.now();
  await enqueueRooms(service, request, quietly());
  const tookMs = performance.now() - from;
  const { queue, lookUp } = await service.queue();
  const [id = ''] = await queue.getRanges(['delayed'], 0, 0);
  const dueAt = (await lookUp.dueAt(id)) ?? Number.NaN;
  expect(dueAt - notBeforeMs).toBeGreaterThanOrEqual(-1);
  expect(dueAt - notBeforeMs).toBeLessThanOrEqual(tookMs + 1);
});

test('what is due earlier already stays so, and is counted', async () => {
  const service = await services.open();
  const inHours = (hours: number) => ({ notBeforeMs: Date.now() + hours * 3_600_000 });
  await enqueueRooms(service, await requestFor(roomIds(3), inHours(2)), quietly());
  const later = await requestFor(roomIds(3), inHours(4));
  const { added, ...rest } = await enqueueRooms(service, later, quietly());
  expect(added.dueEarlier).toBe(3);
  expect(enqueuedToJson(later.rooms, { added, ...rest })).toMatchObject({ dueEarlier: 3 });
});

test('interrupted, it says so, and the same request again adds the rest', async () => {
  const service = await services.open();
  const request = await requestFor(roomIds(1_000));
  const interrupt = new AbortController();
  const onProgress = () => interrupt.abort();

  const begun = await enqueueRooms(
    service,
    request,
    quietly({ onProgress, signal: interrupt.signal }),
  );
  expect(begun.complete).toBe(false);
  expect((await depthOf(service)).waiting).toBeLessThan(1_000);

  const whole = await enqueueRooms(service, request, quietly());
  expect(whole).toMatchObject({ complete: true, batch: { id: begun.batch.id } });
  expect((await depthOf(service)).waiting).toBe(1_000);
});

test('a list that changes while it is read is a conflict, and says where its rooms are', async () => {
  const service = await services.open();
  const request = await requestFor(['a', 'b']);
  const changed = { ...request.rooms, list: listIn('a\nc\n') };
  const enqueuing = enqueueRooms(service, { ...request, rooms: changed }, quietly());
  await expect(enqueuing).rejects.toMatchObject({
    code: 'CONFLICT',
    message: expect.stringMatching(
      /^a list must not change while it is read; it did, and part of it is on the queue as batch [0-9a-f-]{36}$/,
    ) as string,
  });
});

test('a batch that is cancelled while its rooms are added stops there, and says who cancelled it', async () => {
  const service = await services.open();
  const request = await requestFor(roomIds(1_000));
  let batch: Batch | undefined;
  const list = {
    ...request.rooms.list,
    async *entries() {
      let read = 0;
      for await (const each of request.rooms.list.entries()) {
        yield each.slice(0, 500);
        read += 500;
        await markBatchesCancelled(service.database, [batch?.id ?? ''], 'ada');
        await sleep(1_100);
        yield each.slice(500);
      }
      expect(read).toBe(500);
    },
  };

  const enqueuing = enqueueRooms(
    service,
    { ...request, rooms: { ...request.rooms, list } },
    quietly({ onBatch: (opened) => (batch = opened) }),
  );

  await expect(enqueuing).rejects.toMatchObject({
    ...{ code: 'CONFLICT', remedy: 'cancel_again' },
    message: expect.stringContaining(
      'was cancelled by ada while its rooms were put on the queue; no more are added',
    ) as string,
  });
  expect((await depthOf(service)).waiting).toBe(500);
  expect(await readBatches(service.database, service.config.sdkAppId, { limit: 9 })).toHaveLength(
    1,
  );
});
