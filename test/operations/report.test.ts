import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { markEnqueued, openBatch } from '../../src/ledger/batches.js';
import { ensureLine } from '../../src/ledger/line.js';
import { recordEnds } from '../../src/ledger/record.js';
import { reserveSlots } from '../../src/ledger/reserve.js';
import { audit, auditJson } from '../../src/operations/audit.js';
import type { ChosenEnds } from '../../src/operations/ends.js';
import { explain, summaryOf } from '../../src/operations/explain.js';
import { findBatch } from '../../src/operations/find-batch.js';
import { prune, pruneJson } from '../../src/operations/prune.js';
import {
  csv,
  json,
  ndjson,
  writeReport,
  type ReportOptions,
  type RowFormat,
} from '../../src/operations/report.js';
import { reportPage } from '../../src/operations/report-page.js';
import { ledgerNowMs } from '../../src/operations/service.js';
import { batchDestructionId, newId } from '../../src/queue/destruction-id.js';
import { attemptEnd, destructionEnd } from '../ledger/fixture.js';
import { useService } from './service.js';

const app = useService();
const dayMs = 86_400_000;
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

/** A batch of which a worker has destroyed some rooms, while the others wait. */
async function makeBatch(destroyed: readonly string[], waiting: readonly string[] = []) {
  const { database, config, lineKey, lineId, intervalMs } = app.service;
  const { sdkAppId } = config;
  const { id: batchId, createdAtMs } = await openBatch(database, {
    ...{ id: newId(), sdkAppId, name: 'evening', madeUpName: 'evening', fingerprint: newId() },
    ...{ total: destroyed.length + waiting.length, by: 'ada', note: undefined },
  });
  await app.add(waiting, { batchId, requestedAtMs: createdAtMs });
  await markEnqueued(database, batchId);
  await ensureLine(database, lineKey, intervalMs, 200);
  const requests = destroyed.map((roomId) => ({
    ...{ id: newId(), roomId, batchId },
    ...{ requestedAtMs: Date.now(), notAfterMs: Date.now() + 3_600_000 },
  }));
  const options = {
    ...{ lineId, sdkAppId, workerId: 'w', intervalMs, windowSlots: 200, leadMs: 0 },
    ...{ answeredAtMs: undefined, moved: [], newestSlotMs: undefined },
  };
  await reserveSlots(database, options, requests);
  await recordEnds(
    database,
    sdkAppId,
    requests.map(({ id: destructionId, ...destruction }) => ({
      ...{ destructionId, destruction },
      ...{ attempt: attemptEnd(), end: destructionEnd('destroyed') },
    })),
  );
  return findBatch(app.service, batchId);
}

async function written(
  batch: Awaited<ReturnType<typeof makeBatch>>,
  format: RowFormat,
  options?: ReportOptions,
) {
  const pages = writeReport(app.service, batch, format, options);
  let text = '';
  let page = await pages.next();
  for (; page.done !== true; page = await pages.next()) text += page.value;
  const report = page.value;
  return { report, text: report === undefined ? text : text + format.tail(report) };
}

test('a report has every room once, those that wait first, in each format, with one digest', async () => {
  const batch = await makeBatch(['a', 'b'], ['waits']);
  const lines = await written(batch, ndjson);
  const rooms = lines.text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
  expect(rooms).toMatchObject([
    { roomId: 'waits', state: 'waiting', outcome: null, attempts: 0 },
    { roomId: 'a', state: 'ended', outcome: 'destroyed', attempts: 1 },
    { roomId: 'b', state: 'ended', outcome: 'destroyed', attempts: 1 },
  ]);
  expect(lines.report?.sha256).toBe(sha256(lines.text));
  const rows = await written(batch, csv);
  expect(rows.text.split('\r\n').map((line) => line.split(',')[0])).toEqual([
    ...['room_id', 'waits', 'a', 'b', ''],
  ]);
  expect(rows.report?.sha256).toBe(sha256(rows.text));
  expect(JSON.parse((await written(batch, json(false))).text)).toMatchObject({
    rooms,
    summary: {
      ...{ total: 3, open: 1, waiting: 1, unlisted: 0, outcomes: { destroyed: 2 } },
      ...{ sha256: lines.report?.sha256 },
    },
  });
});

test('a summary alone has the sums and the digest of the rooms that it leaves out', async () => {
  const batch = await makeBatch(['a']);
  const { report } = await written(batch, ndjson);
  const { text } = await written(batch, json(true), { summaryOnly: true });
  expect(JSON.parse(text)).toMatchObject({ summary: { total: 1, sha256: report?.sha256 } });
  expect(JSON.parse(text)).not.toHaveProperty('rooms');
});

test('a part of a report has the rooms that ended so, and the sums of these alone', async () => {
  const batch = await makeBatch(['a', 'b', 'c', 'd'], ['waits']);
  await app.sql(
    `update room_reaper.destructions
        set outcome = 'failed', error_code = case room_id when 'b' then 100001 else 5 end,
            statistics_source = null, total_viewers = null, total_gifts_sent = null,
            total_gift_coins = null, total_unique_gift_senders = null, total_likes_received = null
      where batch_id = $1 and room_id in ('b', 'c')`,
    [batch.id],
  );
  const part = async (only: ChosenEnds) => {
    const { report, text } = await written(batch, ndjson, { only });
    const lines = text.split('\n').filter(Boolean);
    const rooms = lines.map((line) => (JSON.parse(line) as { roomId: string }).roomId);
    expect(report?.sha256).toBe(sha256(text));
    expect(report?.part).toEqual({ ...only, of: 5 });
    expect(report?.total).toBe(rooms.length);
    return [rooms.join(''), report?.summary.outcomes.failed, report?.unlisted];
  };
  const either = { outcomes: undefined, codes: undefined };
  expect(await part({ ...either, outcomes: ['failed'] })).toEqual(['bc', 2, 0]);
  expect(await part({ ...either, codes: [5, 6] })).toEqual(['c', 1, 0]);
  expect(await part({ outcomes: ['destroyed'], codes: [100001] })).toEqual(['', 0, 0]);
  expect(await part({ ...either, outcomes: ['open'] })).toEqual(['waits', 0, 0]);
  expect(await part({ ...either, outcomes: ['open', 'destroyed'] })).toEqual(['waitsad', 0, 0]);

  // What cannot be listed belongs to what is open, and to nothing else.
  const away = { kind: 'redis' as const, url: 'redis://127.0.0.1:1' };
  const blind = { ...app.service, stores: { ...app.service.stores, queue: away } };
  const told: string[] = [];
  for (const outcome of ['open', 'failed'] as const) {
    const only = { ...either, outcomes: [outcome] };
    const pages = writeReport(blind, batch, ndjson, { only, onNotListed: (why) => told.push(why) });
    let page = await pages.next();
    while (page.done !== true) page = await pages.next();
    const sums = outcome === 'open' ? { total: 1, unlisted: 1 } : { total: 2, unlisted: 0 };
    expect(page.value).toMatchObject(sums);
  }
  expect(told).toHaveLength(1);
});

test('a report that is ended has no sums, for it is not whole', async () => {
  const batch = await makeBatch(['a']);
  const { report } = await written(batch, csv, { signal: AbortSignal.abort() });
  expect(report).toBeUndefined();
});

test('where the queue is away the report says so, and counts what it could not list', async () => {
  const batch = await makeBatch(['a'], ['waits']);
  const away = { kind: 'redis' as const, url: 'redis://127.0.0.1:1' };
  const { service } = app;
  const blind = { ...service, stores: { ...service.stores, queue: away } };
  const told: string[] = [];
  const pages = writeReport(blind, batch, ndjson, { onNotListed: (why) => told.push(why) });
  let page = await pages.next();
  while (page.done !== true) page = await pages.next();
  expect(page.value).toMatchObject({ total: 2, unlisted: 1 });
  expect(told).toEqual([expect.stringMatching(/^Redis at/) as string]);
});

test('what waits on the queue of another ledger is not this batch', async () => {
  const batch = await makeBatch(['a'], ['waits']);
  const { ledger } = await app.service.queue();
  await ledger.set('01a2073e-0000-7000-8000-000000000000');
  const told: string[] = [];
  const { report } = await written(batch, ndjson, { onNotListed: (why) => told.push(why) });
  expect(report).toMatchObject({ total: 2, unlisted: 1 });
  expect(told).toEqual([
    expect.stringMatching(/^DATABASE_URL must lead to the ledger that the queue/) as string,
  ]);
});

test('the audit of a batch and of its time agree that the quota was kept', async () => {
  const batch = await makeBatch(['a', 'b']);
  const { rateLimitPerSecond } = app.service.config;
  const kept = { kept: true, requests: 2, retries: { rooms: 2, mean: 0 } };
  expect(auditJson(await audit(app.service, { batchId: batch.id }))).toMatchObject(kept);
  const fromMs = (await ledgerNowMs(app.service)) - 60_000;
  expect(auditJson(await audit(app.service, { fromMs }))).toMatchObject({
    ...kept,
    quotaPerSecond: rateLimitPerSecond,
  });
  expect(auditJson(await audit(app.service, { fromMs: fromMs + 60_000 }))).toMatchObject({
    ...{ kept: true, requests: 0 },
  });
  const strict = { ...app.service, config: { ...app.service.config, rateLimitPerSecond: 1 } };
  const violated = auditJson(await audit(strict, { batchId: batch.id }));
  expect(violated).toMatchObject({ kept: false, worstWindow: 2 });
});

test('the audit names what the API refused as over quota, beside the proof', async () => {
  const batch = await makeBatch(['a', 'b']);
  await app.sql(
    `update room_reaper.attempts set verdict = 'over_quota' where destruction_id = (
       select id from room_reaper.destructions where room_id = 'a' and batch_id = $1)`,
    [batch.id],
  );
  const expected = { kept: true, requests: 2, hosts: [{ requests: 2, overQuota: 1 }] };
  expect(auditJson(await audit(app.service, { batchId: batch.id }))).toMatchObject(expected);
});

test('what ended long ago is counted and deleted alike; less long ago than is safe only by force', async () => {
  await makeBatch(['a', 'b']);
  await app.sql(
    `update room_reaper.destructions set requested_at = requested_at - interval '20 days',
       finished_at = finished_at - interval '20 days', not_after = not_after - interval '20 days'
      where sdk_app_id = $1`,
    [app.service.config.sdkAppId],
  );
  await app.sql(
    `update room_reaper.batches set finished_at = now() - interval '20 days' where sdk_app_id = $1`,
    [app.service.config.sdkAppId],
  );
  const now = await ledgerNowMs(app.service);
  const soon = { beforeMs: now - 13.5 * dayMs, dryRun: false, force: false };
  await expect(prune(app.service, soon)).rejects.toMatchObject({
    ...{ code: 'INVALID', remedy: 'keep_more' },
    message: expect.stringMatching(
      /must be at least 15d, got 13\.5d: .*FAILED_JOBS_DAYS/,
    ) as string,
  });
  const none = { destructions: 0, attempts: 0, batches: 0 };
  const old = { beforeMs: now - 30 * dayMs, dryRun: true, force: false };
  expect(pruneJson(await prune(app.service, old))).toMatchObject(none);
  const options = { beforeMs: now - 16 * dayMs, force: false };
  const all = { destructions: 2, attempts: 2, batches: 1 };
  const before = new Date(options.beforeMs).toISOString();
  for (const dryRun of [true, true, false]) {
    const pruned = pruneJson(await prune(app.service, { ...options, dryRun }));
    expect(pruned).toEqual({ dryRun, before, ...all });
  }
  expect(pruneJson(await prune(app.service, { ...options, dryRun: false }))).toMatchObject(none);
});

test('a room is explained by the id of its destruction too, on the queue or ended, whatever came after it', async () => {
  const { id: batchId, createdAtMs } = await makeBatch(['gone'], ['waits']);
  const waiting = batchDestructionId(batchId, createdAtMs, 'waits');
  // So long ago, with so many requests since, that it is none of the newest.
  const id = newId();
  await app.sql(
    `insert into room_reaper.destructions (id, room_id, sdk_app_id, requested_at, not_after, outcome, finished_at)
     select case when n = 0 then $2 else gen_random_uuid()::text end, 'gone', $1,
            now() + (n * 2 - 1) * interval '1 minute', now(), 'failed', now()
       from generate_series(0, 6) n`,
    [app.service.config.sdkAppId, id],
  );
  expect(await explain(app.service, waiting)).toMatchObject({
    ...{ roomId: 'waits', destructionId: waiting, namesake: undefined },
    pending: { id: waiting, place: { state: 'waiting' } },
  });
  const explained = await explain(app.service, id);
  expect(explained).toMatchObject({ roomId: 'gone', destructionId: id });
  expect(explained.history.destructions.map((each) => each.id)).toContain(id);
  expect(explained.history).toMatchObject({ total: 8, destructions: { length: 7 } });

  // A room may be called like it: then that room is meant, and the other one named.
  await app.add([id]);
  expect(await explain(app.service, id)).toMatchObject({
    ...{ roomId: id, destructionId: undefined, namesake: 'gone' },
    ...{ pending: { place: { state: 'waiting' } }, history: { total: 0 } },
  });

  // It may be the id of a batch.
  const ofBatch = await explain(app.service, batchId);
  expect(ofBatch).toMatchObject({ roomId: batchId, batch: { id: batchId } });
  expect(summaryOf(ofBatch)).toMatch(/^this is the id of batch \S+, and no room of this name/);
  await app.add([batchId]);
  expect(await explain(app.service, batchId)).toMatchObject({
    ...{ batch: undefined, pending: { place: { state: 'waiting' } } },
  });
  const unknown = await explain(app.service, newId());
  expect(unknown).toMatchObject({
    ...{ destructionId: undefined, namesake: undefined, batch: undefined },
  });
  expect(summaryOf(unknown)).toMatch(/^nothing is known of this room/);
});

test('as a page it has what is not gone, the sums, and nothing that runs', async () => {
  const hostile = '<img src=x onerror=alert(1)>&"';
  const batch = await makeBatch(['a', 'b'], [hostile]);
  const { text, report } = await written(batch, reportPage(app.service.config));
  expect(text).toMatch(/^<!doctype html>/);
  expect(text).toContain('&lt;img src=x onerror=alert(1)>&amp;&quot;');
  expect(text).not.toMatch(/<(?:img|script|link|iframe)|url\(|@import/);
  expect(text).toContain('3 rooms, 1 not ended');
  expect(text).not.toContain('<td data-name="Room">a</td>');
  expect(text).toContain(report?.sha256);
  expect(report?.sha256).toBe((await written(batch, ndjson)).report?.sha256);
  const sums = /<dt>Viewers<\/dt><dd><span class="figure-value">([\d,]+)/.exec(text)?.[1];
  const statistics = report?.summary.statistics;
  expect(sums?.replaceAll(',', '')).toBe(String(statistics?.totalViewers));
});
