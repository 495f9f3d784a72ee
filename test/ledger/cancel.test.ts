/** Cancelling, as the reserve statement and the batch counters see it. */
import { describe, expect, test } from 'vitest';
import {
  joinDestructions,
  markEnqueued,
  openBatch,
  readBatches,
} from '../../src/ledger/batches.js';
import {
  cancelledAmong,
  finishCancelled,
  markBatchesCancelled,
  markDestructionsCancelled,
  openDestructions,
  sentAmong,
} from '../../src/ledger/cancel.js';
import { recordEnds } from '../../src/ledger/record.js';
import { newId } from '../../src/queue/destruction-id.js';
import { attemptEnd, makeLine, request, useLedger } from './fixture.js';

const ledger = useLedger();

async function batchOn(sdkAppId: number): Promise<string> {
  const id = newId();
  await openBatch(ledger.database, {
    ...{ id, sdkAppId, name: id, madeUpName: '', fingerprint: id, total: 3 },
    ...{ by: 'ada', note: undefined },
  });
  return id;
}

describe('a slot', () => {
  test('is granted to no destruction of a cancelled batch, and takes none from others', async () => {
    const line = await makeLine(ledger);
    const batchId = await batchOn(line.sdkAppId);
    await markBatchesCancelled(ledger.database, [batchId], 'ada');
    const { reservations } = await line.reserve([
      request({ batchId }),
      request(),
      request({ batchId }),
    ]);
    expect(reservations).toMatchObject([
      { kind: 'cancelled', sentBefore: false },
      { kind: 'granted', attempt: 1 },
      { kind: 'cancelled', sentBefore: false },
    ]);
    const rows = await ledger.sql('select from room_reaper.attempts where worker_id = $1', [
      'none',
    ]);
    expect(rows).toEqual([]);
  });

  test('is granted to no destruction that was cancelled singly', async () => {
    const line = await makeLine(ledger);
    const wanted = request();
    await markDestructionsCancelled(ledger.database, [wanted.id], 'ada');
    expect((await line.reserve([wanted])).reservations).toEqual([
      { kind: 'cancelled', sentBefore: false },
    ]);
  });

  test.each([
    ['sent and answered', { sentAtMs: Date.now() }, true],
    ['never written to a connection', { sentAtMs: undefined, mayHaveActed: false }, false],
  ])('after an attempt that was %s: sent before is %j', async (_, end, sentBefore) => {
    const line = await makeLine(ledger);
    const wanted = request();
    await line.grant(wanted);
    await recordEnds(ledger.database, line.sdkAppId, [
      { destructionId: wanted.id, attempt: attemptEnd(end), end: undefined },
    ]);
    await markDestructionsCancelled(ledger.database, [wanted.id], 'ada');
    expect((await line.reserve([wanted])).reservations).toEqual([
      { kind: 'cancelled', sentBefore },
    ]);
  });

  test('an attempt of a worker that died counts as sent', async () => {
    const line = await makeLine(ledger);
    const wanted = request();
    await line.grant(wanted, { worker: 'dead' });
    await markDestructionsCancelled(ledger.database, [wanted.id], 'ada');
    expect((await line.reserve([wanted])).reservations).toEqual([
      { kind: 'cancelled', sentBefore: true },
    ]);
    const [unsent, id] = [request(), wanted.id];
    expect(await cancelledAmong(ledger.database, [wanted, unsent])).toEqual(new Set([id]));
    expect(await sentAmong(ledger.database, [id, unsent.id])).toEqual(new Set([id]));
  });

  test('is granted where another batch waits for the room, until that is cancelled too', async () => {
    const line = await makeLine(ledger);
    const [batchId, other] = [await batchOn(line.sdkAppId), await batchOn(line.sdkAppId)];
    const wanted = request({ batchId });
    const { id: destructionId, roomId } = wanted;
    await joinDestructions(ledger.database, other, [{ destructionId, roomId }]);
    await markBatchesCancelled(ledger.database, [batchId], 'ada');
    expect((await line.reserve([wanted])).reservations).toMatchObject([{ kind: 'granted' }]);
    await markBatchesCancelled(ledger.database, [other], 'ada');
    expect((await line.reserve([wanted])).reservations).toMatchObject([{ kind: 'cancelled' }]);
  });

  test('of what has ended, the end is told and not the cancellation', async () => {
    const line = await makeLine(ledger);
    const wanted = request();
    await line.grant(wanted);
    await recordEnds(ledger.database, line.sdkAppId, [
      {
        destructionId: wanted.id,
        attempt: attemptEnd(),
        end: {
          ...{ outcome: 'rejected', errorCode: 100006, errorInfo: undefined },
          ...{ requestId: undefined, statistics: undefined },
        },
      },
    ]);
    await markDestructionsCancelled(ledger.database, [wanted.id], 'ada');
    expect((await line.reserve([wanted])).reservations).toEqual([
      { kind: 'finished', outcome: 'rejected' },
    ]);
  });
});

test('a batch that has ended is not cancelled', async () => {
  const line = await makeLine(ledger);
  const id = await batchOn(line.sdkAppId);
  await ledger.sql('update room_reaper.batches set finished_at = now() where id = $1', [id]);
  await markBatchesCancelled(ledger.database, [id], 'ada');
  expect(await readBatches(ledger.database, line.sdkAppId, { limit: 1 })).toMatchObject([
    { cancelledAtMs: undefined },
  ]);
});

test('a cancelled batch ends when none of its rooms is open, also where some were never on the queue', async () => {
  const line = await makeLine(ledger);
  const batchId = await batchOn(line.sdkAppId);
  const wanted = request({ batchId });
  await line.grant(wanted);
  await markBatchesCancelled(ledger.database, [batchId], 'ada');
  const ended = async () => {
    await finishCancelled(ledger.database, [batchId]);
    const [batch] = await readBatches(ledger.database, line.sdkAppId, { limit: 1 });
    return batch?.finishedAtMs !== undefined;
  };
  expect(await ended()).toBe(false);
  await recordEnds(ledger.database, line.sdkAppId, [
    {
      destructionId: wanted.id,
      attempt: attemptEnd(),
      end: {
        ...{ outcome: 'already_gone', errorCode: 100004, errorInfo: undefined },
        ...{ requestId: undefined, statistics: undefined },
      },
    },
  ]);
  expect(await ended()).toBe(true);
});

test('a batch that is not cancelled is not ended by it', async () => {
  const line = await makeLine(ledger);
  const batchId = await batchOn(line.sdkAppId);
  await markEnqueued(ledger.database, batchId);
  await finishCancelled(ledger.database, [batchId]);
  expect(await readBatches(ledger.database, line.sdkAppId, { limit: 1 })).toMatchObject([
    { finishedAtMs: undefined },
  ]);
});

test('open destructions come in pages, of this app only', async () => {
  const [line, other] = [await makeLine(ledger), await makeLine(ledger)];
  const batchId = await batchOn(line.sdkAppId);
  const single = request();
  const strange = request();
  const wanted = [request({ batchId }), request({ batchId }), single, request()];
  for (const each of wanted) await line.grant(each);
  await other.grant(strange);
  const ids = [single, strange].map((each) => each.id);
  await markDestructionsCancelled(ledger.database, ids, 'ada');
  const of = { sdkAppId: line.sdkAppId, batchIds: [batchId], ids: [], allSingle: true };
  const found: string[] = [];
  for (let after = ''; ;) {
    const page = await openDestructions(ledger.database, of, after, 2);
    if (page.length === 0) break;
    found.push(...page.map((each) => each.id));
    after = found.at(-1) ?? '';
  }
  expect(found).toEqual(
    wanted
      .slice(0, 3)
      .map((each) => each.id)
      .sort(),
  );
});
