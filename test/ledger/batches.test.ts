import { describe, expect, test } from 'vitest';
import {
  finishBatches,
  finishedAmong,
  joinDestructions,
  markEnqueued,
  openBatch,
  readBatches,
  type NewBatch,
} from '../../src/ledger/batches.js';
import { finishedCount } from '../../src/destruction.js';
import { markBatchesCancelled } from '../../src/ledger/cancel.js';
import type { Outcome } from '../../src/destruction.js';
import { recordEnds } from '../../src/ledger/record.js';
import { newId } from '../../src/queue/destruction-id.js';
import { freshSdkAppId } from '../support/servers.js';
import { attemptEnd, destructionEnd, makeLine, request, useLedger, type Line } from './fixture.js';

const ledger = useLedger();

function list(changes: Partial<NewBatch> = {}): NewBatch {
  return {
    id: newId(),
    sdkAppId: freshSdkAppId(),
    name: 'after the event',
    madeUpName: 'calm-otter-17',
    fingerprint: 'sha-256 of the list',
    total: 2,
    by: 'ada',
    note: undefined,
    ...changes,
  };
}

/** Ends a new destruction; its id. */
async function end(line: Line, outcome: Outcome, batchId?: string): Promise<string> {
  const wanted = request({ batchId });
  await line.grant(wanted);
  await recordEnds(ledger.database, 1_400_000_001, [
    {
      destructionId: wanted.id,
      attempt: attemptEnd(),
      end: destructionEnd(outcome),
    },
  ]);
  return wanted.id;
}

const read = (sdkAppId: number, idOrName?: string) =>
  readBatches(ledger.database, sdkAppId, {
    limit: 10,
    ...(idOrName === undefined ? {} : { idOrName }),
  });

describe('opening', () => {
  test('a list that nobody has asked for is a new batch', async () => {
    const asked = list();
    const batch = await openBatch(ledger.database, asked);
    expect(batch).toMatchObject({ id: asked.id, name: asked.name, total: 2, isNew: true });
  });

  test('opened again with the same id, because no answer came, it is the new batch that it was', async () => {
    const asked = list();
    const batch = await openBatch(ledger.database, asked);
    expect(await openBatch(ledger.database, asked)).toEqual(batch);
  });

  test('the same list under the same name continues its unfinished batch', async () => {
    const first = list();
    const { createdAtMs } = await openBatch(ledger.database, first);
    const again = await openBatch(ledger.database, { ...first, id: newId() });
    expect(again).toEqual({
      ...{ id: first.id, name: first.name, total: 2, createdAtMs, isNew: false },
      precautions: { snapshot: false, onlyCreatedBeforeMs: undefined },
    });
  });

  test('a batch that goes on keeps its precautions, and takes no others', async () => {
    const precautions = { snapshot: true, onlyCreatedBeforeMs: 1_700_000_000_123 };
    const first = list({ precautions });
    await openBatch(ledger.database, first);
    const again = (changes: Partial<NewBatch>) =>
      openBatch(ledger.database, { ...first, id: newId(), ...changes });
    for (const same of [precautions, {}, { snapshot: true }, { snapshot: false }]) {
      expect(await again({ precautions: same })).toMatchObject({ id: first.id, precautions });
    }
    expect(await read(first.sdkAppId)).toMatchObject([{ precautions }]);
    const refused = {
      code: 'CONFLICT',
      message: expect.stringMatching(
        `batch ${first.id} of this very list is not finished and was asked for so that rooms created after 2023-11-1.* are left alone, and statistics are read before`,
      ) as string,
    };
    const own = { partsId: newId(), lane: 'bulk', notBeforeMs: undefined };
    const other = { onlyCreatedBeforeMs: 1_700_000_000_124 };
    await expect(again({ precautions: other, list: own })).rejects.toMatchObject(refused);
    expect(await ledger.sql('select from room_reaper.lists')).toEqual([]);

    const plain = list();
    await openBatch(ledger.database, plain);
    const wished = openBatch(ledger.database, { ...plain, id: newId(), precautions });
    await expect(wished).rejects.toThrow(/was asked for without it\. Ask as before/);
  });

  test('a batch without a name gets a made-up one, and continues one without a name', async () => {
    const first = list({ name: undefined });
    expect(await openBatch(ledger.database, first)).toMatchObject({ name: 'calm-otter-17' });
    const again = await openBatch(ledger.database, {
      ...first,
      id: newId(),
      madeUpName: 'bold-heron-44',
    });
    expect(again).toMatchObject({ id: first.id, name: 'calm-otter-17', isNew: false });
  });

  test('a name that was made up is not the same as that name given', async () => {
    const first = list({ name: undefined });
    await openBatch(ledger.database, first);
    const id = newId();
    const named = await openBatch(ledger.database, { ...first, id, name: first.madeUpName });
    expect(named).toMatchObject({ id, isNew: true });
  });

  test('who asked, and the note, are kept', async () => {
    const asked = list({ name: 'again', by: 'grace', note: 'after the outage' });
    await openBatch(ledger.database, asked);
    expect(await read(asked.sdkAppId)).toMatchObject([
      { by: 'grace', note: 'after the outage', parentId: undefined, origin: undefined },
    ]);
  });

  test('a cancelled batch is not continued', async () => {
    const first = list();
    await openBatch(ledger.database, first);
    await markBatchesCancelled(ledger.database, [first.id], 'grace');
    const id = newId();
    expect(await openBatch(ledger.database, { ...first, id })).toMatchObject({ id, isNew: true });
    expect(await read(first.sdkAppId, first.id)).toMatchObject([
      { cancelledBy: 'grace', cancelledAtMs: expect.any(Number) as number },
    ]);
  });

  test.each<[string, Partial<NewBatch>]>([
    ['another name', { name: 'another event' }],
    ['no name', { name: undefined }],
    ['another list', { fingerprint: 'of another list' }],
    ['another app', { sdkAppId: freshSdkAppId() }],
  ])('%s makes it a new batch', async (_rule, changes) => {
    const first = list();
    await openBatch(ledger.database, first);
    const id = newId();
    const other = await openBatch(ledger.database, { ...first, ...changes, id });
    expect(other).toMatchObject({ id, isNew: true });
  });

  test('the same list is a new request once its batch has finished', async () => {
    const line = await makeLine(ledger);
    const first = list({ sdkAppId: line.sdkAppId, total: 1 });
    await openBatch(ledger.database, first);
    await markEnqueued(ledger.database, first.id);
    await end(line, 'destroyed', first.id);
    // Nobody noted yet that its last room has ended: opening does.
    const id = newId();
    expect(await openBatch(ledger.database, { ...first, id })).toMatchObject({ id, isNew: true });
  });
});

describe('finishing', () => {
  test('a batch has finished when its last room has ended, however it ended', async () => {
    const line = await makeLine(ledger);
    const batch = list({ sdkAppId: line.sdkAppId, total: 2 });
    await openBatch(ledger.database, batch);
    await markEnqueued(ledger.database, batch.id);
    await end(line, 'destroyed', batch.id);
    await finishBatches(ledger.database, line.sdkAppId);
    expect((await read(line.sdkAppId))[0]?.finishedAtMs).toBeUndefined();
    await end(line, 'rejected', batch.id);
    await finishBatches(ledger.database, line.sdkAppId);
    const [progress] = await read(line.sdkAppId);
    expect(progress).toMatchObject({ destroyed: 1, rejected: 1, failed: 0, total: 2 });
    expect(progress?.finishedAtMs).toBeGreaterThanOrEqual(progress?.createdAtMs ?? NaN);
    expect(progress && finishedCount(progress)).toBe(2);
  });

  test('a batch that is still being put on the queue has not finished', async () => {
    const line = await makeLine(ledger);
    const batch = list({ sdkAppId: line.sdkAppId, total: 1 });
    await openBatch(ledger.database, batch);
    await end(line, 'destroyed', batch.id);
    await finishBatches(ledger.database, line.sdkAppId);
    expect((await read(line.sdkAppId))[0]?.finishedAtMs).toBeUndefined();
    await markEnqueued(ledger.database, batch.id);
    await finishBatches(ledger.database, line.sdkAppId);
    expect((await read(line.sdkAppId))[0]?.finishedAtMs).toBeDefined();
  });

  test('the time at which it finished stands', async () => {
    const line = await makeLine(ledger);
    const batch = list({ sdkAppId: line.sdkAppId, total: 1 });
    await openBatch(ledger.database, batch);
    await markEnqueued(ledger.database, batch.id);
    await end(line, 'destroyed', batch.id);
    await finishBatches(ledger.database, line.sdkAppId);
    const [before] = await read(line.sdkAppId);
    await finishBatches(ledger.database, line.sdkAppId);
    expect((await read(line.sdkAppId))[0]).toEqual(before);
  });

  test('an empty batch finishes at once', async () => {
    const batch = list({ total: 0 });
    await openBatch(ledger.database, batch);
    await markEnqueued(ledger.database, batch.id);
    await finishBatches(ledger.database, batch.sdkAppId);
    expect((await read(batch.sdkAppId))[0]?.finishedAtMs).toBeDefined();
  });

  test('a room that was pending under another destruction counts with that outcome', async () => {
    const line = await makeLine(ledger);
    const batch = list({ sdkAppId: line.sdkAppId, total: 2 });
    await openBatch(ledger.database, batch);
    const pending = request({ roomId: 'pending elsewhere' });
    await line.grant(pending);
    const joined = [{ destructionId: pending.id, roomId: pending.roomId }];
    await joinDestructions(ledger.database, batch.id, joined);
    // Again, after an interruption.
    await joinDestructions(ledger.database, batch.id, joined);
    await markEnqueued(ledger.database, batch.id);
    await end(line, 'destroyed', batch.id);
    await finishBatches(ledger.database, line.sdkAppId);
    expect((await read(line.sdkAppId))[0]).toMatchObject({ destroyed: 1, finishedAtMs: undefined });

    await recordEnds(ledger.database, 1_400_000_001, [
      {
        destructionId: pending.id,
        attempt: attemptEnd(),
        end: destructionEnd('already_gone'),
      },
    ]);
    await finishBatches(ledger.database, line.sdkAppId);
    const [progress] = await read(line.sdkAppId);
    expect(progress).toMatchObject({ destroyed: 1, already_gone: 1 });
    expect(progress?.finishedAtMs).toBeDefined();
  });

  test('a room that was joined, lost with its queue and made anew under the batch counts once', async () => {
    const line = await makeLine(ledger);
    const batch = list({ sdkAppId: line.sdkAppId, total: 2 });
    await openBatch(ledger.database, batch);
    const lost = request();
    const joined = [{ destructionId: lost.id, roomId: lost.roomId }];
    await joinDestructions(ledger.database, batch.id, joined);
    await markEnqueued(ledger.database, batch.id);
    const anew = request({ batchId: batch.id, roomId: lost.roomId });
    await line.grant(anew);
    const ends = (destructionId: string) =>
      recordEnds(ledger.database, 1_400_000_001, [
        { destructionId, attempt: attemptEnd(), end: destructionEnd('destroyed') },
      ]);
    await ends(anew.id);
    // Its job was not lost after all: one room has ended, in two ways.
    await line.grant(lost);
    await ends(lost.id);
    await finishBatches(ledger.database, line.sdkAppId);
    expect((await read(line.sdkAppId))[0]?.finishedAtMs).toBeUndefined();
    await end(line, 'destroyed', batch.id);
    await finishBatches(ledger.database, line.sdkAppId);
    expect((await read(line.sdkAppId))[0]?.finishedAtMs).toBeDefined();
  });
});

describe('reading', () => {
  test('the newest batch comes first, found by id, by name, or all of the app', async () => {
    const older = list();
    const newer = list({ sdkAppId: older.sdkAppId, name: 'second', fingerprint: 'other' });
    await openBatch(ledger.database, older);
    await openBatch(ledger.database, newer);
    const ids = async (idOrName?: string) =>
      (await read(older.sdkAppId, idOrName)).map((batch) => batch.id);
    expect(await ids()).toEqual([newer.id, older.id]);
    expect(await ids(older.id)).toEqual([older.id]);
    expect(await ids('second')).toEqual([newer.id]);
    expect(await ids('unknown')).toEqual([]);
  });

  test('of these destructions, those that have ended', async () => {
    const line = await makeLine(ledger);
    const done = await end(line, 'failed');
    const open = request();
    await line.grant(open);
    const among = [done, open.id, newId()];
    expect(await finishedAmong(ledger.database, among)).toEqual(new Set([done]));
  });
});

describe('the rate', () => {
  test('is that of the rooms of the batch that ended in the last seconds', async () => {
    const line = await makeLine(ledger);
    const batch = list({ sdkAppId: line.sdkAppId, total: 10 });
    await openBatch(ledger.database, batch);
    for (let room = 0; room < 4; room++) await end(line, 'destroyed', batch.id);
    await end(line, 'destroyed');
    const open = request({ batchId: batch.id });
    await line.grant(open);
    // All within a second: a span shorter than that would make a few rooms look fast.
    await ledger.sql(
      `update room_reaper.attempts set sent_at = clock_timestamp() - interval '0.5 seconds'`,
    );
    expect(await read(line.sdkAppId)).toMatchObject([{ ratePerSecond: 4 }]);
    await ledger.sql(
      `update room_reaper.attempts set sent_at = clock_timestamp() - interval '11 seconds'`,
    );
    expect(await read(line.sdkAppId)).toMatchObject([{ ratePerSecond: 0 }]);
    // The clock went back by an hour.
    await ledger.sql(
      `update room_reaper.attempts set sent_at = clock_timestamp() + interval '1 hour'`,
    );
    expect(await read(line.sdkAppId)).toMatchObject([{ ratePerSecond: 0 }]);
  });

  test('can be that of a look at all batches, and is not asked for where each has ended', async () => {
    const line = await makeLine(ledger);
    const batch = list({ sdkAppId: line.sdkAppId, total: 1 });
    await openBatch(ledger.database, batch);
    let looks = 0;
    const readRates = () => Promise.resolve(new Map([[batch.id, (looks += 1)]]));
    const look = () => readBatches(ledger.database, line.sdkAppId, { limit: 10 }, readRates);
    expect(await look()).toMatchObject([{ ratePerSecond: 1 }]);
    await end(line, 'destroyed', batch.id);
    await markEnqueued(ledger.database, batch.id, 4);
    await finishBatches(ledger.database, line.sdkAppId);
    expect(await look()).toMatchObject([{ ratePerSecond: 0 }]);
    expect(looks).toBe(1);
  });
});
