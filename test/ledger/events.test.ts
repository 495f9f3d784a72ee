/** The outbox: what becomes true is written with it, once, and nothing else is. */
import { describe, expect, test } from 'vitest';
import { finishBatches, markEnqueued, openBatch } from '../../src/ledger/batches.js';
import { markBatchesCancelled } from '../../src/ledger/cancel.js';
import { noteTry, readFailingDeliveries, takeDueEvents } from '../../src/ledger/events.js';
import {
  beginOutage,
  brakeLine,
  endOutage,
  probeNow,
  resumeLine,
  stopLine,
} from '../../src/ledger/line.js';
import { prune } from '../../src/ledger/prune.js';
import { recordEnds } from '../../src/ledger/record.js';
import { newId } from '../../src/queue/destruction-id.js';
import { freshSdkAppId } from '../support/servers.js';
import { attemptEnd, destructionEnd, makeLine, request, useLedger, type Line } from './fixture.js';

const ledger = useLedger();

const cause = { code: 70003, reason: 'the signature is wrong', remedy: 'check the key' };
const day = 24 * 3_600_000;

const take = (sdkAppId: number, more: Partial<Parameters<typeof takeDueEvents>[1]> = {}) =>
  takeDueEvents(ledger.database, {
    ...{ sdkAppId, limit: 100, leaseMs: 30_000, oldestMs: day },
    ...more,
  });

const typesOf = async (sdkAppId: number) => (await take(sdkAppId)).map(({ type }) => type);

async function openList(sdkAppId: number, total: number): Promise<string> {
  const id = newId();
  await openBatch(ledger.database, {
    ...{ id, sdkAppId, name: 'after the event', madeUpName: 'calm-otter-17', total },
    ...{ fingerprint: id, by: 'ada', note: 'the “finals”' },
  });
  return id;
}

async function end(line: Line, batchId: string, outcome: 'destroyed' | 'rejected'): Promise<void> {
  const wanted = request({ batchId });
  await line.grant(wanted);
  await recordEnds(ledger.database, line.sdkAppId, [
    { destructionId: wanted.id, attempt: attemptEnd(), end: destructionEnd(outcome) },
  ]);
}

describe('a line', () => {
  test('tells that it is stopped, once, with why and what to do; and that it runs again', async () => {
    const line = await makeLine(ledger);
    await line.grant(request());
    await brakeLine(ledger.database, line.id, line.intervalMs, 'over quota');
    expect(await take(line.sdkAppId)).toEqual([]);
    await stopLine(ledger.database, line.id, cause);
    await stopLine(ledger.database, line.id, { ...cause, reason: 'still wrong' });
    await probeNow(ledger.database, line.id);
    await line.reserve([request()]);
    const [stopped, ...others] = await take(line.sdkAppId);
    expect(others).toEqual([]);
    expect(stopped).toMatchObject({ type: 'line.stopped', tries: 1 });
    expect(stopped?.data).toMatchObject({
      ...cause,
      ...{ host: 'localhost', sdkAppId: line.sdkAppId, command: 'destroy_room' },
    });
    const { since } = stopped?.data as { since: string };
    expect(new Date(since).toISOString()).toBe(since);
    await resumeLine(ledger.database, line.id);
    await resumeLine(ledger.database, line.id);
    const [resumed, ...more] = await take(line.sdkAppId);
    expect(more).toEqual([]);
    expect(resumed).toMatchObject({
      type: 'line.resumed',
      data: { reason: 'still wrong', remedy: null },
    });
  });

  test('tells that an outage began and ended, also where a stop takes its place', async () => {
    const line = await makeLine(ledger);
    await beginOutage(ledger.database, line.id, { code: undefined, reason: 'no connection' });
    expect(await typesOf(line.sdkAppId)).toEqual(['line.outage_began']);
    await endOutage(ledger.database, line.id);
    await endOutage(ledger.database, line.id);
    expect(await typesOf(line.sdkAppId)).toEqual(['line.outage_ended']);
    await line.letPass(60_000);
    await beginOutage(ledger.database, line.id, { code: 502, reason: 'HTTP 502' });
    await stopLine(ledger.database, line.id, cause);
    expect((await typesOf(line.sdkAppId)).sort()).toEqual([
      ...['line.outage_began', 'line.outage_ended', 'line.stopped'],
    ]);
  });
});

describe('a batch', () => {
  test('tells that it has finished, with how its rooms ended', async () => {
    const line = await makeLine(ledger);
    const id = await openList(line.sdkAppId, 2);
    await end(line, id, 'destroyed');
    await end(line, id, 'rejected');
    await finishBatches(ledger.database, line.sdkAppId);
    expect(await take(line.sdkAppId)).toEqual([]);
    await markEnqueued(ledger.database, id);
    await finishBatches(ledger.database, line.sdkAppId);
    await finishBatches(ledger.database, line.sdkAppId);
    const [finished, ...others] = await take(line.sdkAppId);
    expect(others).toEqual([]);
    expect(finished?.type).toBe('batch.finished');
    expect(finished?.data).toMatchObject({
      ...{ batchId: id, name: 'after the event', total: 2, by: 'ada', note: 'the “finals”' },
      outcomes: { destroyed: 1, rejected: 1, failed: 0, already_gone: 0, cancelled: 0 },
      cancelledAt: null,
    });
  });

  test('tells that it was cancelled, and by whom', async () => {
    const sdkAppId = freshSdkAppId();
    const id = await openList(sdkAppId, 2);
    await markBatchesCancelled(ledger.database, [id], 'bob');
    await markBatchesCancelled(ledger.database, [id], 'eve');
    const events = await take(sdkAppId);
    expect(events.map(({ type }) => type)).toEqual(['batch.cancelled']);
    expect(events[0]?.data).toMatchObject({ batchId: id, cancelledBy: 'bob', finishedAt: null });
  });

  test('whose end is not committed tells nothing', async () => {
    const sdkAppId = freshSdkAppId();
    const id = await openList(sdkAppId, 1);
    await ledger.sql(
      `do $$ begin
         update room_reaper.batches set cancelled_at = now() where id = '${id}';
         raise exception 'rolled back';
       exception when raise_exception then null; end $$`,
    );
    expect(await take(sdkAppId)).toEqual([]);
  });
});

describe('an event', () => {
  async function stopped(): Promise<number> {
    const line = await makeLine(ledger);
    await stopLine(ledger.database, line.id, cause);
    return line.sdkAppId;
  }

  test('that was taken is taken by nobody else, until its lease is over', async () => {
    const sdkAppId = await stopped();
    const [both] = await Promise.all([
      Promise.all([take(sdkAppId), take(sdkAppId)]),
      take(freshSdkAppId()),
    ]);
    expect(both.flat()).toHaveLength(1);
    expect(await take(sdkAppId, { leaseMs: 0 })).toEqual([]);
    await ledger.sql('update room_reaper.events set due_at = now() where sdk_app_id = $1', [
      sdkAppId,
    ]);
    expect(await take(sdkAppId)).toMatchObject([{ tries: 2 }]);
  });

  test('that was delivered is not taken again, one that was not is, when it is due', async () => {
    const sdkAppId = await stopped();
    const [event] = await take(sdkAppId);
    await noteTry(ledger.database, event?.id ?? '', { again: 0, trouble: 'HTTP 500' });
    expect(await readFailingDeliveries(ledger.database, sdkAppId)).toMatchObject({
      ...{ waiting: 1, givenUp: 0, trouble: 'HTTP 500' },
    });
    expect(await take(sdkAppId)).toHaveLength(1);
    await noteTry(ledger.database, event?.id ?? '', {});
    expect(await take(sdkAppId)).toEqual([]);
    expect(await readFailingDeliveries(ledger.database, sdkAppId)).toBeUndefined();
  });

  test('that is given up is told for a day', async () => {
    const sdkAppId = await stopped();
    const [event] = await take(sdkAppId);
    await noteTry(ledger.database, event?.id ?? '', { trouble: 'HTTP 410' });
    expect(await readFailingDeliveries(ledger.database, sdkAppId)).toMatchObject({ givenUp: 1 });
  });

  test('older than a day is given up, and goes with what is pruned', async () => {
    const sdkAppId = await stopped();
    await ledger.sql(
      "update room_reaper.events set created_at = now() - interval '25 hours' where sdk_app_id = $1",
      [sdkAppId],
    );
    expect(await take(sdkAppId)).toEqual([]);
    const rows = () =>
      ledger.sql('select due_at from room_reaper.events where sdk_app_id = $1', [sdkAppId]);
    expect(await rows()).toEqual([{ due_at: null }]);
    const old = { sdkAppId, beforeUs: (Date.now() - day) * 1_000, force: false };
    await prune(ledger.database, { ...old, dryRun: true });
    expect(await rows()).toHaveLength(1);
    await prune(ledger.database, { ...old, dryRun: false });
    expect(await rows()).toEqual([]);
  });
});
