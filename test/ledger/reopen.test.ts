/** Taking an outcome back, because the job was retried from the failed set. */
import { expect, test } from 'vitest';
import {
  finishBatches,
  joinDestructions,
  markEnqueued,
  openBatch,
  readBatches,
} from '../../src/ledger/batches.js';
import type { Outcome } from '../../src/destruction.js';
import { recordEnds } from '../../src/ledger/record.js';
import { noteInFailedSet, reopenDestruction } from '../../src/ledger/reopen.js';
import { newId } from '../../src/queue/destruction-id.js';
import { attemptEnd, destructionEnd, makeLine, request, useLedger, type Line } from './fixture.js';

const ledger = useLedger();

async function batchOf(sdkAppId: number, total: number): Promise<string> {
  const id = newId();
  await openBatch(ledger.database, {
    ...{ id, sdkAppId, name: id, madeUpName: '', fingerprint: id, total },
    ...{ by: 'ada', note: undefined },
  });
  await markEnqueued(ledger.database, id);
  return id;
}

async function end(line: Line, outcome: Outcome, batchId?: string) {
  const wanted = request({ batchId });
  await line.grant(wanted);
  await recordEnds(ledger.database, line.sdkAppId, [
    {
      destructionId: wanted.id,
      attempt: attemptEnd({ errorCode: 100001, mayHaveActed: true }),
      end: destructionEnd(outcome),
    },
  ]);
  return wanted;
}

const reopen = (id: string) => reopenDestruction(ledger.database, id);
const firstSentAtMs = async (id: string) => {
  const [first] = await ledger.sql<{ sent_at: Date }>(
    'select sent_at from room_reaper.attempts where destruction_id = $1 order by attempt limit 1',
    [id],
  );
  return first?.sent_at.getTime();
};
const later = () => Date.now() + 60_000;

test.each<Outcome>(['failed', 'rejected', 'expired'])(
  'what ended as %s is open again, with its attempts, and the counter of its batch follows',
  async (outcome) => {
    const line = await makeLine(ledger);
    const batchId = await batchOf(line.sdkAppId, 1);
    const waiting = await batchOf(line.sdkAppId, 1);
    const wanted = await end(line, outcome, batchId);
    const { id: destructionId, roomId } = wanted;
    await joinDestructions(ledger.database, waiting, [{ destructionId, roomId }]);
    await finishBatches(ledger.database, line.sdkAppId);
    const read = () => readBatches(ledger.database, line.sdkAppId, { limit: 2 });
    for (const batch of await read())
      expect(batch).toMatchObject({ [outcome]: 1, finishedAtMs: expect.any(Number) as number });

    // When its first request was sent, which is when the room was meant.
    expect(await reopen(destructionId)).toBe(await firstSentAtMs(destructionId));

    for (const batch of await read())
      expect(batch).toMatchObject({ [outcome]: 0, finishedAtMs: undefined });
    // What the earlier attempt may have done is not forgotten.
    expect(await line.grant(wanted)).toMatchObject({ attempt: 2, mayHaveActedBefore: true });
    await recordEnds(ledger.database, line.sdkAppId, [
      {
        destructionId,
        attempt: attemptEnd({ attempt: 2 }),
        end: destructionEnd('destroyed'),
      },
    ]);
    await finishBatches(ledger.database, line.sdkAppId);
    for (const batch of await read())
      expect(batch).toMatchObject({
        ...{ destroyed: 1, [outcome]: 0 },
        finishedAtMs: expect.any(Number) as number,
      });
    expect(
      await ledger.sql('select attempts, reopened from room_reaper.destructions where id = $1', [
        destructionId,
      ]),
    ).toEqual([{ attempts: 2, reopened: 1 }]);
  },
);

test.each<Outcome>(['destroyed', 'destroyed_statistics_lost', 'already_gone', 'cancelled'])(
  'what ended as %s stays so',
  async (outcome) => {
    const line = await makeLine(ledger);
    const wanted = await end(line, outcome);
    expect(await reopen(wanted.id)).toBeUndefined();
    expect((await line.reserve([wanted])).reservations).toEqual([{ kind: 'finished', outcome }]);
  },
);

test('what is open already is not opened', async () => {
  const line = await makeLine(ledger);
  const wanted = request();
  await line.grant(wanted);
  expect(await reopen(wanted.id)).toBeUndefined();
});

test('it is opened once, until its job is in the failed set again', async () => {
  const line = await makeLine(ledger);
  const { id: id } = await end(line, 'failed');
  expect(await reopen(id)).toBeDefined();
  await recordEnds(ledger.database, line.sdkAppId, [
    { destructionId: id, attempt: undefined, end: destructionEnd('failed') },
  ]);
  expect(await reopen(id)).toBeUndefined();
  await noteInFailedSet(ledger.database, [{ id, atMs: later() }]);
  expect(await reopen(id)).toBeDefined();
});

test('a note that is older than the reopening says nothing', async () => {
  const line = await makeLine(ledger);
  const { id: id } = await end(line, 'failed');
  const before = Date.now() - 60_000;
  await reopen(id);
  await recordEnds(ledger.database, line.sdkAppId, [
    { destructionId: id, attempt: undefined, end: destructionEnd('failed') },
  ]);
  await noteInFailedSet(ledger.database, [{ id, atMs: before }]);
  expect(await reopen(id)).toBeUndefined();
});
