import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { run } from '../e2e/room-reaper.js';
import { useServer } from './fixture.js';

const app = useServer();

const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  app.ask(path, { method: 'POST', body, headers });
const status = async () => (await app.ask('/v1/status')).json as { line: string };

async function ask(rooms: readonly string[]): Promise<string> {
  const answer = await post('/v1/batches', { rooms });
  const { batchId } = answer.json as { batchId: string };
  const batch = () => app.ask(`/v1/batches/${batchId}`);
  await expect.poll(async () => (await batch()).json).toMatchObject({ state: 'waiting' });
  return batchId;
}

/** What the action log says, newest first. */
async function logged(): Promise<Record<string, unknown>[]> {
  const { json } = await app.ask('/v1/actions');
  return (json as { actions: Record<string, unknown>[] }).actions;
}

test('a pause and its end want a reason, and are written down with who asked', async () => {
  for (const body of [{}, { reason: '' }, { reason: 'a', more: 1 }])
    expect((await post('/v1/pause', body)).status).toBe(422);
  const reason = 'the key is changed';
  const paused = await post('/v1/pause', { reason });
  expect(paused).toMatchObject({
    status: 200,
    json: { isNew: true, by: 'a-operator', note: reason },
  });
  expect((await post('/v1/pause', { reason: 'again' })).json).toMatchObject({ note: reason });
  await expect.poll(status).toMatchObject({ line: 'paused' });
  const resumed = await post('/v1/resume', { reason: 'it is' });
  expect(resumed.json).toMatchObject({ wasPaused: true, pause: { note: reason }, lines: [] });
  await expect.poll(status).toMatchObject({ line: 'running' });
  const actor = { who: 'a-operator', role: 'operator', way: 'api', outcome: 'done' };
  expect((await logged()).slice(0, 3)).toMatchObject([
    { ...actor, what: 'queue.resume', reason: 'it is' },
    { ...actor, what: 'queue.pause' },
    { ...actor, what: 'queue.pause', reason },
  ]);
});

test('rooms and batches are taken back, as the command line does', async () => {
  const [a, b, c] = [randomUUID(), randomUUID(), randomUUID()];
  const batchId = await ask([a, b, c]);
  expect((await post('/v1/rooms/cancel', { roomIds: [a, 'never'] })).json).toMatchObject({
    ...{ cancelled: 1, nothingWaits: ['never'] },
  });
  const preview = await post(`/v1/batches/${batchId}/cancel`, { dryRun: true });
  expect(preview.json).toMatchObject({ dryRun: true, batches: [{ id: batchId, open: 2 }] });
  const cancelled = await post(`/v1/batches/${batchId}/cancel`, { reason: 'a mistake' });
  expect(cancelled).toMatchObject({ status: 200, json: { cancelled: 2 } });
  expect((await app.ask(`/v1/batches/${batchId}`)).json).toMatchObject({
    ...{ state: 'cancelled', cancelledBy: 'a-operator', outcomes: { cancelled: 3 } },
  });
  expect((await logged())[0]).toMatchObject({
    ...{ what: 'batch.cancel', target: batchId, reason: 'a mistake', counts: { cancelled: 2 } },
  });
  expect((await post('/v1/batches/nothing/cancel', {})).status).toBe(404);
  expect((await logged())[0]).toMatchObject({ what: 'batch.cancel', outcome: 'NOT_FOUND' });
  for (const roomIds of [[], ['caf\u00e9'], Array.from({ length: 1_001 }, () => 'a')])
    expect((await post('/v1/rooms/cancel', { roomIds })).status).toBe(422);
});

test('the action log has what the command line did, page by page', async () => {
  const env = {
    TENCENT_SDK_APP_ID: String(app.config.sdkAppId),
    ...{ QUEUE_URL: app.config.queueUrl, DATABASE_URL: app.config.databaseUrl },
  };
  await run(['enqueue', '--room', randomUUID(), '--by', 'ada', '--note', 'by hand'], { env });
  await run(['pause', '--by', 'ada'], { env });
  await run(['resume'], { env });
  const [resume, pause, enqueue] = await logged();
  expect(resume).toMatchObject({ what: 'queue.resume', way: 'cli', outcome: 'done' });
  expect(pause).toMatchObject({ what: 'queue.pause', way: 'cli', who: 'ada' });
  expect(enqueue).toMatchObject({
    ...{ what: 'batch.destroy', who: 'ada', reason: 'by hand', counts: { rooms: 1, added: 1 } },
  });
  const first = (await app.ask('/v1/actions?limit=1')).json as { next: string };
  const second = (await app.ask(`/v1/actions?limit=1&cursor=${first.next}`)).json;
  expect(second).toMatchObject({ actions: [{ id: pause?.['id'] }] });
  expect((await app.ask('/v1/actions?cursor=x')).status).toBe(422);

  // What deletes of the log stands in it.
  const pruning = ['prune', '--older-than', '0s', '--force', '--yes'];
  await app.sql(
    `insert into room_reaper.destructions
       (id, room_id, sdk_app_id, requested_at, not_after, outcome, finished_at)
     values ($1, 'old', $2, now(), now(), 'failed', now())`,
    [randomUUID(), app.config.sdkAppId],
  );
  await run([...pruning, '--dry-run'], { env });
  expect((await logged())[0]).toMatchObject({ id: resume?.['id'] });
  expect((await run(pruning, { env })).code).toBe(0);
  expect((await logged())[0]).toMatchObject({
    ...{ what: 'ledger.prune', way: 'cli', counts: { destructions: expect.any(Number) as number } },
  });
});

test('a replay does what its preview counted, or nothing', async () => {
  const rooms = Array.from({ length: 4 }, (_, index) => `replayed-${index}`);
  const batchId = await ask(rooms.slice(0, 3));
  const { queue } = await app.service.queue();
  async function fail(room: string, code: number | null = 100_001): Promise<void> {
    const id = await queue.getDeduplicationJobId(room);
    await queue.remove(id ?? '');
    await app.sql(
      `insert into room_reaper.destructions
         (id, room_id, batch_id, sdk_app_id, requested_at, not_after, outcome, error_code, finished_at)
       values ($1, $2, $3, $4, now(), now(), 'failed', $5, now())`,
      [id ?? randomUUID(), room, batchId, app.config.sdkAppId, code],
    );
  }
  for (const room of rooms.slice(0, 2)) await fail(room);
  await fail('never-answered', null);
  const wish = { batch: batchId, codes: [100_001] };
  const preview = await post('/v1/replays?dryRun=true', wish);
  expect(preview).toMatchObject({
    status: 200,
    json: { dryRun: true, rooms: 2, groups: [{ fate: 'replay', errorCode: 100_001, rooms: 2 }] },
  });
  // Those without a code are chosen by themselves.
  const unanswered = await post('/v1/replays?dryRun=true', { ...wish, codes: [null] });
  expect(unanswered.json).toMatchObject({ rooms: 1, groups: [{ errorCode: null, rooms: 1 }] });
  const { plan } = preview.json as { plan: string };
  await fail(rooms[2] ?? '');
  const changed = await post('/v1/replays', { ...wish, plan });
  expect(changed).toMatchObject({ status: 409, json: { code: 'CONFLICT', rooms: 3 } });
  const { plan: next } = changed.json as { plan: string };
  expect(next).not.toBe(plan);
  const key = { 'Idempotency-Key': randomUUID() };
  const done = await post('/v1/replays', { ...wish, plan: next }, key);
  expect(done).toMatchObject({ status: 202, json: { rooms: 3, parentId: batchId } });
  const { batchId: replayId } = done.json as { batchId: string };
  const replays = await app.ask(`/v1/batches?parent=${batchId}`);
  expect(replays.json).toMatchObject({ batches: [{ id: replayId, parentId: batchId }] });
  const replay = (done.json as { batchId: string }).batchId;
  const batch = () => app.ask(`/v1/batches/${replay}`);
  await expect.poll(async () => (await batch()).json).toMatchObject({ state: 'waiting', total: 3 });
  expect(await queue.getDeduplicationJobId(rooms[0] ?? '')).not.toBeNull();
  const again = await post('/v1/replays', { ...wish, plan: next }, key);
  expect(again.headers['idempotent-replayed']).toBe('true');
  // Without a key it is another batch, of the same destructions.
  const waiting = await queue.getPrioritizedCount();
  const other = (await post('/v1/replays', { ...wish, plan: next })).json as { batchId: string };
  expect(other.batchId).not.toBe(replay);
  const others = () => app.ask(`/v1/batches/${other.batchId}`);
  await expect.poll(async () => (await others()).json).toMatchObject({ state: 'waiting' });
  expect(await queue.getPrioritizedCount()).toBe(waiting);
  const nothing = { rooms: ['never'] };
  expect((await post('/v1/replays', nothing)).json).toMatchObject({ batchId: null, rooms: 0 });
});

test.each([{}, { force: true }, { codes: ['a'] }, { outcomes: ['destroyed'] }, { since: '2h' }])(
  'a replay of %j is refused',
  async (body) => {
    expect(await post('/v1/replays', body)).toMatchObject({ status: 422 });
  },
);
