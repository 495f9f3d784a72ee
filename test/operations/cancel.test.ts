import { describe, expect, test } from 'vitest';
import { openBatch, readBatches } from '../../src/ledger/batches.js';
import { outcomesOf } from '../../src/ledger/cancel.js';
import { cancel, cancelJson } from '../../src/operations/cancel.js';
import { readStatus } from '../../src/operations/status.js';
import { newId } from '../../src/queue/destruction-id.js';
import { places, useService } from './service.js';

describe.each(places)('on %s', (place) => {
  const app = useService(place);

  /** A batch on the queue, whose rooms no worker has taken up. */
  async function makeBatch(name: string, rooms: readonly string[]) {
    const { database, config } = app.service;
    const { id, createdAtMs } = await openBatch(database, {
      ...{ id: newId(), sdkAppId: config.sdkAppId, name, madeUpName: name },
      ...{ fingerprint: newId(), total: rooms.length, by: 'ada', note: undefined },
    });
    return { id, rooms: await app.add(rooms, { batchId: id, requestedAtMs: createdAtMs }) };
  }

  async function cancelled(wish: Omit<Parameters<typeof cancel>[1], 'by'>) {
    const report = await cancel(app.service, { ...wish, by: 'grace' });
    if (report === undefined) throw new Error('nothing ended it');
    return cancelJson(report);
  }
  const waiting = async () => (await readStatus(app.service)).queue?.waiting;

  test('a cancelled batch leaves the queue, and its rooms end as cancelled', async () => {
    const { id, rooms } = await makeBatch('evening', ['a', 'b', 'c']);
    await app.add(['another']);
    expect(await cancelled({ batches: ['evening'] })).toMatchObject({
      ...{ cancelled: 3, sentBefore: 0, leftInHand: 0, goOnForOthers: 0 },
      batches: [{ id, total: 3, finished: 3, neverQueued: 0, outcomes: { cancelled: 3 } }],
    });
    expect(await waiting()).toBe(1);
    const ids = rooms.map((room) => room.id);
    const ended = await outcomesOf(app.service.database, ids);
    expect(ended.map(({ outcome }) => outcome)).toEqual(['cancelled', 'cancelled', 'cancelled']);
    const { sdkAppId } = app.service.config;
    const [batch] = await readBatches(app.service.database, sdkAppId, { idOrName: id, limit: 1 });
    expect(batch).toMatchObject({
      cancelledBy: 'grace',
      finishedAtMs: expect.any(Number) as number,
    });
  });

  test('a cancelled room can be asked for again at once', async () => {
    await app.add(['a', 'b']);
    expect(await cancelled({ rooms: ['a', 'never'] })).toMatchObject({
      ...{ cancelled: 1, nothingWaits: ['never'], batches: [] },
    });
    await app.add(['a']);
    expect(await waiting()).toBe(2);
  });

  test('everything that waits is taken back, whoever asked for it', async () => {
    await makeBatch('evening', ['a', 'b']);
    await makeBatch('night', ['c']);
    await app.add(['d']);
    expect(await cancelled({ all: true })).toMatchObject({ cancelled: 4 });
    expect(await waiting()).toBe(0);
  });

  test('interrupted, nothing of it is sent any more, and the same wish again records the rest', async () => {
    const { id } = await makeBatch('evening', ['a', 'b']);
    const wish = { batches: [id], by: 'grace' };
    const aborted = AbortSignal.abort();
    expect(await cancel(app.service, wish, { signal: aborted })).toBeUndefined();
    const marked = 'select 1 from room_reaper.batches where id = $1 and cancelled_at is not null';
    expect(await app.sql(marked, [id])).toHaveLength(1);
    expect(await cancelled({ batches: [id] })).toMatchObject({ cancelled: 2 });
  });

  test('a room that is none, and a batch that is not there, change nothing', async () => {
    await app.add(['a']);
    await expect(cancelled({ rooms: ['a', 'café'] })).rejects.toMatchObject({ code: 'INVALID' });
    await expect(cancelled({ batches: ['noon'] })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(await waiting()).toBe(1);
  });
});
