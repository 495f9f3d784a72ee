import { expect, test } from 'vitest';
import type { Destruction } from '../../src/destruction.js';
import { readBatches } from '../../src/ledger/batches.js';
import { ensureDestructions, recordEnds } from '../../src/ledger/record.js';
import type { EnqueueOptions } from '../../src/operations/enqueue.js';
import {
  previewReplay,
  refuseFutile,
  replay,
  replayedToJson,
  replayPlanToJson,
  unfinishedReplay,
  type ReplayRequest,
} from '../../src/operations/replay.js';
import type { Service } from '../../src/operations/service.js';
import { protectedRooms } from '../../src/protected-rooms.js';
import { readDepth } from '../../src/queue/depth.js';
import { newId } from '../../src/queue/destruction-id.js';
import { roomIds } from '../e2e/stage.js';
import { destructionEnd } from '../ledger/fixture.js';
import { useServices } from './service.js';

const services = useServices();

const everything: ReplayRequest = {
  ...{ name: undefined, by: 'ada', note: undefined, origin: '--all', batchId: undefined },
  ...{ codes: undefined, outcomes: undefined, endedFromMs: undefined, roomIds: undefined },
  ...{ force: false, protectedRooms: protectedRooms([]) },
};

const quietly = (signal = new AbortController().signal): EnqueueOptions => ({
  ...{ onProgress: () => undefined, signal },
});

/** Destructions that have ended, without a batch. */
async function ended(
  { database, config }: Service,
  rooms: readonly string[],
  ...end: Parameters<typeof destructionEnd>
): Promise<void> {
  const now = Date.now();
  const destructions = rooms.map((roomId) => ({
    ...{ id: newId(), roomId, batchId: undefined },
    ...{ requestedAtMs: now, notAfterMs: now + 3_600_000 },
  }));
  await ensureDestructions(database, config.sdkAppId, destructions);
  await recordEnds(
    database,
    config.sdkAppId,
    destructions.map(({ id, ...destruction }) => ({
      ...{ destructionId: id, destruction, attempt: undefined, end: destructionEnd(...end) },
    })),
  );
}

/** Four failed, three were refused for good, two are gone. */
async function openFailures(): Promise<Service> {
  const service = await services.open();
  await ended(service, roomIds(4, 'failed'), 'failed', { errorCode: 100001 });
  await ended(service, roomIds(3, 'refused'), 'rejected', { errorCode: 100006 });
  await ended(service, roomIds(2, 'gone'), 'destroyed');
  return service;
}

test('a preview says what becomes of each group, and changes nothing', async () => {
  const service = await openFailures();
  const plan = await previewReplay(service, everything);
  expect(replayPlanToJson(plan)).toEqual({
    ...{ origin: '--all', rooms: 4, seconds: 0, waitingBefore: 0 },
    note: 'rooms that were created again since they were first asked for are left alone',
    plan: [
      {
        ...{ fate: 'replay', outcome: 'failed', errorCode: 100001, rooms: 4 },
        ...{ meaning: 'internal error of the API', example: 'failed-0000' },
      },
      {
        ...{ fate: 'refused', outcome: 'rejected', errorCode: 100006, rooms: 3 },
        ...{ meaning: expect.any(String) as string, example: 'refused-0000' },
      },
    ],
  });
  expect(await readDepth((await service.queue()).queue)).toMatchObject({ waiting: 0 });
  expect(await readBatches(service.database, service.config.sdkAppId, { limit: 1 })).toEqual([]);
});

test('the rooms are put on the queue as a batch with the choice in words', async () => {
  const service = await openFailures();
  const plan = await previewReplay(service, everything);
  const replayed = await replay(service, everything, undefined, quietly());
  expect(replayed).toMatchObject({ complete: true, added: { added: 4 } });
  expect(replayedToJson(replayed, plan)).toMatchObject({
    ...{ batchId: replayed?.batch.id, parentId: null, added: 4, pending: 0, finished: 0 },
    ...{ rooms: 4, origin: '--all' },
  });
  const [batch] = await readBatches(service.database, service.config.sdkAppId, { limit: 1 });
  expect(batch).toMatchObject({ origin: '--all', by: 'ada', total: 4 });
});

test('each room is asked for as it was at its first request, and one that was created again is not', async () => {
  const service = await services.open();
  const { database, config } = service;
  const requestedAtMs = Date.now() - 100_000;
  const destructionOf = (roomId: string, changes: Partial<Destruction> = {}) => ({
    ...{ id: newId(), roomId, batchId: undefined, requestedAtMs },
    ...{ notAfterMs: Date.now() + 3_600_000, ...changes },
  });
  const guarded = destructionOf('guarded', { onlyCreatedBeforeMs: requestedAtMs - 5_000 });
  const all = [guarded, destructionOf('sent'), destructionOf('never-sent'), destructionOf('again')];
  await ensureDestructions(database, config.sdkAppId, all);
  const sentAtMs = requestedAtMs + 60_000;
  await database.query(
    'test-attempts',
    `insert into room_reaper.attempts (destruction_id, attempt, worker_id, slot_at, sent_at, ended_at)
     select id, n, 'w', now(), to_timestamp($2::float8 / 1000) + n * interval '1 second', now()
       from unnest($1::text[]) as d (id), generate_series(0, 1) as n`,
    [all.slice(0, 2).map(({ id }) => id), sentAtMs],
  );
  await recordEnds(
    database,
    config.sdkAppId,
    all.map(({ id, ...destruction }) => {
      const outcome = destruction.roomId === 'again' ? 'recreated' : 'failed';
      const end = destructionEnd(outcome);
      return { destructionId: id, destruction, attempt: undefined, end };
    }),
  );
  const plan = await previewReplay(service, everything);
  expect(plan.groups.map(({ fate, outcome, rooms }) => [fate, outcome, rooms])).toEqual([
    ['replay', 'failed', 3],
    ['recreated', 'recreated', 1],
  ]);
  await replay(service, everything, undefined, quietly());
  const jobs = await (await service.queue()).queue.getPrioritized();
  expect(new Map(jobs.map(({ data }) => [data.o, data.g]))).toEqual(
    new Map([
      ['guarded', requestedAtMs - 5_000],
      ['sent', sentAtMs],
      ['never-sent', requestedAtMs],
    ]),
  );
});

test('behind all that waits: that is what a preview counts first', async () => {
  const service = await openFailures();
  await replay(service, { ...everything, outcomes: ['failed'] }, undefined, quietly());
  const forced = await previewReplay(service, { ...everything, force: true });
  expect(replayPlanToJson(forced)).toMatchObject({ waitingBefore: 4 });
  expect(forced.forecast.aheadSeconds).toBeCloseTo(4 * 0.0051);
});

test('rooms that ended before a given time are left out', async () => {
  const service = await openFailures();
  const from = (endedFromMs: number) => previewReplay(service, { ...everything, endedFromMs });
  expect((await from(Date.now() - 60_000)).forecast.rooms).toBe(4);
  expect((await from(Date.now() + 60_000)).groups).toEqual([]);
});

test('protected rooms are told, and are not replayed', async () => {
  const service = await openFailures();
  const request = { ...everything, protectedRooms: protectedRooms(['failed-0001', 'f*-0002']) };
  const plan = await previewReplay(service, request);
  expect(plan.protected.total).toBe(2);
  expect(plan.protected.named.map(({ roomId }) => roomId)).toEqual(['failed-0001', 'failed-0002']);
  expect(await replay(service, request, undefined, quietly())).toMatchObject({
    added: { added: 2 },
  });
});

test('what was refused for good is asked for only by force', async () => {
  const service = await openFailures();
  const request = { ...everything, codes: [100006] };
  const plan = await previewReplay(service, request);
  expect(() => refuseFutile(plan)).toThrow(
    expect.objectContaining({ code: 'REFUSED', remedy: 'force' }),
  );
  expect(await replay(service, request, undefined, quietly())).toBeUndefined();
  const forced = await previewReplay(service, { ...request, force: true });
  expect(() => refuseFutile(forced)).not.toThrow();
  expect(forced.forecast.rooms).toBe(3);
});

test('interrupted, the same choice goes on with the same batch, and another one does not', async () => {
  const service = await openFailures();
  const begun = await replay(service, everything, undefined, quietly(AbortSignal.abort()));
  expect(begun).toMatchObject({ complete: false, added: { added: 0 } });

  const unfinished = await unfinishedReplay(service, everything);
  expect(unfinished).toMatchObject({ id: begun?.batch.id, total: 4, isNew: false });
  const others: Partial<ReplayRequest>[] = [
    { name: 'other' },
    { origin: '--since 2h' },
    { codes: [100001] },
    { force: true },
    { protectedRooms: protectedRooms(['a']) },
  ];
  for (const other of others) {
    expect(await unfinishedReplay(service, { ...everything, ...other })).toBeUndefined();
  }

  const whole = await replay(service, everything, unfinished, quietly());
  expect(replayedToJson(whole, undefined)).toEqual({
    ...{ batchId: begun?.batch.id, name: begun?.batch.name, parentId: null },
    ...{ added: 4, pending: 0, finished: 0, rooms: 4 },
  });
  expect(await unfinishedReplay(service, everything)).toBeUndefined();
});
