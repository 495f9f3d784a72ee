import { describe, expect, test } from 'vitest';
import { openBatch } from '../../src/ledger/batches.js';
import { beginOutage, brakeLine, ensureLine, stopLine } from '../../src/ledger/line.js';
import { ReaperError } from '../../src/errors.js';
import { beat, type WorkerBeat } from '../../src/ledger/workers.js';
import {
  batchesJson,
  listBatches,
  readLimit,
  type BatchesWish,
} from '../../src/operations/batches.js';
import { explain, explanationJson, summaryOf } from '../../src/operations/explain.js';
import { findBatch } from '../../src/operations/find-batch.js';
import { readHistory } from '../../src/operations/history.js';
import { pause, readLimitLeft, resume } from '../../src/operations/pause.js';
import { readStatus, statusJson } from '../../src/operations/status.js';
import { newId } from '../../src/queue/destruction-id.js';
import { useService } from './service.js';

const app = useService();
const byAna = { by: 'ana', note: 'maintenance of X' };
const cause = { code: 70009, reason: 'UserSig was made with the wrong key', remedy: 'set the key' };

function makeLine(host = app.service.lineKey.host) {
  const { database, intervalMs, lineKey } = app.service;
  return ensureLine(database, { ...lineKey, host }, intervalMs, 200);
}

function makeWorker(changes: Partial<WorkerBeat> = {}) {
  const { database, config, lineId } = app.service;
  return beat(database, {
    ...{ id: newId(), lineId, sdkAppId: config.sdkAppId, host: 'box-7', pid: 4123 },
    ...{ version: '1.0.0', keyFingerprint: '3fa9c1d2', state: 'running', reason: undefined },
    ...{ inHand: 40, ...changes },
  });
}

async function makeBatch(name: string, total = 3) {
  const { database, config } = app.service;
  return openBatch(database, {
    ...{ id: newId(), sdkAppId: config.sdkAppId, name, madeUpName: name },
    ...{ fingerprint: newId(), total, by: 'ada', note: undefined },
  });
}

const status = async (batch?: string) => statusJson(await readStatus(app.service, batch));

/** What an operation threw. */
async function refusal(work: Promise<unknown>): Promise<ReaperError> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof ReaperError)) throw new Error(`expected a refusal, got ${String(error)}`);
  return error;
}

test('the status of an app that was never used is an empty queue, no line, and no time left', async () => {
  expect(await status()).toEqual({
    ...{ line: 'running', lines: [], etaSeconds: 0, batches: [], workers: [], sentPerSecond: 0 },
    queue: {
      ...{ paused: false, waiting: 0, active: 0, delayed: 0, failed: 0 },
      lanes: { urgent: 0, retry: 0, normal: 0, bulk: 0 },
    },
  });
});

test('a limit that a dashboard set on the queue is said, also after resume', async () => {
  const { queue } = await app.service.queue();
  await queue.setGlobalRateLimit(5, 60_000);
  await queue.setGlobalConcurrency(1);
  const limit = 'a rate limit of 5 rooms in 60000 ms, and a limit of 1 rooms in hand';
  expect(await status()).toMatchObject({ queue: { limit } });
  await resume(app.service);
  expect(await readLimitLeft(app.service)).toContain(limit);
  await queue.removeGlobalRateLimit();
  await queue.removeGlobalConcurrency();
  expect(await readLimitLeft(app.service)).toBeUndefined();
  await queue.rateLimit(3_600_000);
  expect(await readLimitLeft(app.service)).toMatch(/a hold of 3600 s more.*removeRateLimitKey/);
  await queue.removeRateLimitKey();
});

test('the status says what waits in which lane, and how long that takes at the full rate', async () => {
  await makeLine();
  await makeWorker();
  await app.add(['a', 'b'], { lane: 'urgent' });
  await app.add(['c']);
  await app.add(['later'], { delayMs: 3_600_000 });
  expect(await status()).toMatchObject({
    queue: { waiting: 3, delayed: 1, lanes: { urgent: 2, normal: 0, bulk: 1 } },
    lines: [{ state: 'running', ratePerSecond: 196.1 }],
    workers: [{ host: 'box-7', pid: 4123, alive: true, state: 'running', inHand: 40 }],
    etaSeconds: 0,
  });
});

test.each([
  ['none was ever there', undefined],
  ['the only one is of another host', { lineId: 'another.example' }],
  ['the only one has ended', { state: 'ended' as const }],
])('no time is told while rooms wait and no worker is at work: %s', async (_, changes) => {
  await makeLine();
  if (changes !== undefined) await makeWorker(changes);
  await app.add(['a']);
  expect(await status()).toMatchObject({
    ...{ queue: { waiting: 1 }, etaSeconds: null, noEtaBecause: 'no_worker' },
  });
  expect(JSON.parse(explanationJson(await explain(app.service, 'a')))).toMatchObject({
    summary: expect.stringMatching(/; no worker is at work; start one with/) as string,
    ...{ noEtaBecause: 'no_worker', line: { state: 'running' } },
  });
});

test('paused is running nowhere, and no batch has a time left while nothing moves', async () => {
  await makeLine();
  await makeWorker();
  const { id } = await makeBatch('evening', 30);
  await app.add(['a']);
  await app.sql(
    `with d as (
       insert into room_reaper.destructions (id, room_id, batch_id, sdk_app_id, requested_at, not_after, outcome, finished_at)
       values (gen_random_uuid()::text, 'r', $1, $2, now(), now(), 'failed', now()) returning id)
     insert into room_reaper.attempts (destruction_id, attempt, worker_id, slot_at, sent_at, ended_at)
     select id, 1, 'w', now(), now(), now() from d`,
    [id, app.service.config.sdkAppId],
  );
  const moving = (await readStatus(app.service, 'evening')).ledger?.batches[0];
  expect(moving).toMatchObject({ isMoving: true, etaSeconds: expect.any(Number) as number });
  await pause(app.service, byAna);
  const paused = (await status('evening')) as { batches: { etaSeconds?: number }[] };
  expect(paused).toMatchObject({
    queue: { paused: true, pause: { ...byAna, since: expect.stringMatching(/Z$/) as string } },
    ...{ line: 'paused', lines: [{ state: 'paused' }], noEtaBecause: 'paused', etaSeconds: null },
  });
  expect(paused.batches[0]?.etaSeconds).toBeUndefined();
});

test('a worker that was heard of before the clock went back is not counted on', async () => {
  await makeLine();
  await makeWorker();
  await app.add(['a']);
  await app.sql(`update room_reaper.workers set seen_at = now() + interval '1 hour'`);
  expect(await status()).toMatchObject({
    ...{ noEtaBecause: 'no_worker', etaSeconds: null, workers: [{ alive: false }] },
  });
});

test('a line that is braked, out, stopped or paused is told in the words of the contract', async () => {
  const { database, lineId, intervalMs } = app.service;
  await makeLine();
  await app.add(['a']);
  await brakeLine(database, lineId, intervalMs, 'too frequent (60018)');
  const braked = { state: 'braked', brakeReason: 'too frequent (60018)' };
  expect(await status()).toMatchObject({ line: 'running', lines: [braked] });
  await beginOutage(database, lineId, { code: undefined, reason: 'HTTP 502' });
  expect(await status()).toMatchObject({
    ...{ line: 'running', etaSeconds: null },
    lines: [{ state: 'braked', outage: { reason: 'HTTP 502' } }],
  });
  await stopLine(database, lineId, cause);
  expect(await status()).toMatchObject({
    ...{ line: 'stopped', etaSeconds: null },
    lines: [{ state: 'stopped', stopped: cause }],
  });
  await pause(app.service, byAna);
  expect(await status()).toMatchObject({ line: 'paused', lines: [{ state: 'stopped' }] });
});

test('a pause that lasts is told with what was sent, but not where it was ended in BullMQ', async () => {
  const { service } = app;
  const span = { fromMs: Date.now() - 60_000, toMs: Date.now() + 60_000 };
  const lasting = [{ state: 'paused', reason: byAna.note, toMs: undefined }];
  await pause(service, byAna);
  expect(await readHistory(service, span)).toMatchObject({ halts: lasting });
  const away = { ...service, queue: () => Promise.reject(new Error('the queue is away')) };
  expect(await readHistory(away, span)).toMatchObject({ halts: lasting });
  await (await service.queue()).queue.resume();
  expect(await readHistory(service, span)).toMatchObject({ halts: [] });
});

test('a stopped line that was left for another host holds nothing up', async () => {
  const { database, lineKey, config } = app.service;
  await makeLine('old.example');
  const of = (host: string) => `${host} ${config.sdkAppId} ${lineKey.command}`;
  await stopLine(database, of('old.example'), cause);
  await makeLine();
  const lines = (await readStatus(app.service)).ledger?.lines ?? [];
  expect(lines.map(({ host, left }) => [host, left]).sort()).toEqual(
    [
      ['old.example', true],
      [lineKey.host, false],
    ].sort(),
  );
  const told = (await status()) as { lines: { host: string; left?: boolean }[] };
  expect(told).toMatchObject({ line: 'running', etaSeconds: 0 });
  const leftHosts = told.lines.flatMap(({ host, left: isLeft }) => (isLeft ? [host] : []));
  expect(leftHosts).toEqual(['old.example']);
});

test('resume lets the queue and each stopped line go on, and says what had stopped it', async () => {
  const { database, lineId, lineKey } = app.service;
  await makeLine();
  await stopLine(database, lineId, cause);
  expect(await pause(app.service, byAna)).toMatchObject({ isNew: true, mark: byAna });
  // The pause is ana's, whoever asks for it again.
  expect(await pause(app.service, { by: 'ben' })).toMatchObject({ isNew: false, mark: byAna });
  expect(await resume(app.service)).toMatchObject({
    ...{ wasPaused: true, mark: byAna },
    lines: [{ host: lineKey.host, halt: cause }],
  });
  const after = { line: 'running', queue: { paused: false, pause: undefined } };
  expect(await status()).toMatchObject(after);
  expect(await resume(app.service)).toEqual({ wasPaused: false, mark: undefined, lines: [] });
  await (await app.service.queue()).queue.pause();
  expect(await status()).toMatchObject({ queue: { paused: true, pause: undefined } });
});

test('the status of one batch is found by its id or its name, and a wrong one is no empty answer', async () => {
  const { id } = await makeBatch('evening');
  await makeBatch('morning');
  for (const named of [id, 'evening'])
    expect(await status(named)).toMatchObject({ batches: [{ id, name: 'evening', finished: 0 }] });
  const { code, remedy, message } = await refusal(readStatus(app.service, 'noon'));
  expect({ code, remedy, message }).toEqual({
    ...{ code: 'NOT_FOUND', remedy: 'list_batches' },
    message: 'batch must be the id or name of a batch, got "noon"',
  });
});

test('a name of several batches is ambiguous, with the candidates; what only reads means the newest', async () => {
  await makeBatch('night');
  const newest = await makeBatch('night');
  const error = await refusal(findBatch(app.service, 'night'));
  expect(error).toMatchObject({ code: 'AMBIGUOUS', remedy: 'give_the_id' });
  expect(error.candidates.map(({ id }) => id)).toContain(newest.id);
  expect(error.candidates).toHaveLength(2);
  const told: string[] = [];
  const found = await findBatch(app.service, 'night', ({ id }) => told.push(id));
  expect([found.id, ...told]).toEqual([newest.id, newest.id]);
  expect((await findBatch(app.service, newest.id)).id).toBe(newest.id);
});

test('a batch that has not ended is meant before those of its name that have', async () => {
  const ended = await makeBatch('night');
  const open = await makeBatch('night');
  await app.sql('update room_reaper.batches set finished_at = now() where id = $1', [ended.id]);
  expect((await findBatch(app.service, 'night')).id).toBe(open.id);
});

test('explain says of a waiting room what stands before it, also behind a pause', async () => {
  await makeLine();
  await app.add(['a', 'b', 'c']);
  expect(await explain(app.service, 'c')).toMatchObject({
    state: { kind: 'running' },
    pending: { place: { state: 'waiting', ahead: 2, exact: true }, lane: 'bulk' },
    history: { total: 0 },
  });
  await pause(app.service, byAna);
  const paused = await explain(app.service, 'c');
  expect(paused.state).toMatchObject({ kind: 'paused', otherwise: { kind: 'running' } });
  expect(summaryOf(paused)).toMatch(
    /^waiting: the queue is paused since \S+ UTC\S* by ana: maintenance of X; run/,
  );
  expect((await explain(app.service, 'never')).pending).toBeUndefined();
  expect(await refusal(explain(app.service, 'café'))).toMatchObject({ code: 'INVALID' });
});

describe('the batches', () => {
  const list = (wish: Partial<BatchesWish> = {}) =>
    listBatches(app.service, { limit: 20, ...wish });
  const namesOf = async (wish: Partial<BatchesWish> = {}) =>
    (await list(wish)).batches.map(({ name }) => name);
  const change = (columns: string, id: string) =>
    app.sql(`update room_reaper.batches set ${columns} where id = $1`, [id]);

  test('are listed newest first, and found by name, id, who, when and whether they have ended', async () => {
    expect(batchesJson(await list())).toEqual({ batches: [], next: null });
    const [old, evening, late] = [
      await makeBatch('Neujahr, früh', 300),
      await makeBatch('evening'),
      await makeBatch('late evening'),
    ];
    await change(`created_at = now() - interval '3 days', asked_by = 'grace'`, old.id);
    await change(
      `created_at = now() - interval '1 hour', enqueued_at = now(), destroyed = 3`,
      evening.id,
    );
    await change(
      `created_at = now() - interval '1 minute', enqueued_at = now(), destroyed = 1, failed = 1`,
      late.id,
    );
    expect(await namesOf()).toEqual(['late evening', 'evening', 'Neujahr, früh']);
    expect(await namesOf({ like: 'EVENING' })).toEqual(['late evening', 'evening']);
    expect(await namesOf({ like: '%' })).toEqual([]);
    expect(await namesOf({ like: old.id.slice(0, -1) })).toEqual(['Neujahr, früh']);
    expect(await namesOf({ by: 'grace' })).toEqual(['Neujahr, früh']);
    expect(await namesOf({ createdFromMs: Date.now() - 7_200_000 })).toEqual([
      'late evening',
      'evening',
    ]);
    // Nobody noted yet that all rooms of the evening have ended.
    expect(await namesOf({ unfinished: true })).toEqual(['late evening', 'Neujahr, früh']);
    expect(await namesOf({ unfinished: true, like: 'evening', by: 'ada' })).toEqual([
      'late evening',
    ]);
    const same = (await status()) as { batches: { id: string }[] };
    const listed = batchesJson(await list({ like: 'late' })) as { batches: unknown[] };
    expect(listed.batches).toMatchObject([
      { id: late.id, total: 3, finished: 2, by: 'ada', outcomes: { destroyed: 1, failed: 1 } },
    ]);
    expect(Object.keys(listed.batches[0] ?? {})).toEqual(Object.keys(same.batches[0] ?? {}));
    const [ended] = (await list({ like: evening.id })).batches;
    expect(ended?.finishedAtMs).toEqual(expect.any(Number));
  });

  test('come page by page, each once, also those of one instant and while new ones are made', async () => {
    const ids: string[] = [];
    for (const name of ['a', 'b', 'c', 'd', 'e']) ids.push((await makeBatch(name)).id);
    await app.sql(
      `update room_reaper.batches set created_at = '2026-11-23T02:30:00.123457Z' where id = any ($1)`,
      [ids],
    );
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await list({ limit: 2, cursor });
      seen.push(...page.batches.map(({ id }) => id));
      cursor = page.next;
      await makeBatch('new');
    } while (cursor !== undefined);
    expect(seen).toEqual([...ids].sort().reverse());
  });

  test.each([
    ...['', 'x', '!', 'bnVsbA', Buffer.from('[1]').toString('base64url')],
    ...[Buffer.from('["1","a"]').toString('base64url'), 'W10'],
  ])('a cursor that no page gave is refused: %j', async (cursor) => {
    expect(await refusal(list({ cursor }))).toMatchObject({
      ...{ code: 'INVALID', message: expect.stringMatching(/^cursor must be one that/) as string },
    });
  });

  test.each(['0', '501', '-1', '1.5', 'all', '', '1e2'])('%j is no limit', (text) => {
    expect(() => readLimit(text)).toThrow(/^limit must be a whole number from 1 to 500, got "/);
  });
});
