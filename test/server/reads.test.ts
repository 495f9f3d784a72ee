import { once } from 'node:events';
import { connect } from 'node:net';
import { Client } from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import { openBatch } from '../../src/ledger/batches.js';
import { newId } from '../../src/queue/destruction-id.js';
import { auditJson, audit } from '../../src/operations/audit.js';
import type { ServerContext } from '../../src/server/context.js';
import type { Route } from '../../src/server/route.js';
import { report } from '../../src/server/routes/report.js';
import { useServer } from './fixture.js';

const app = useServer('Postgres alone');

interface Batch {
  id: string;
}

async function makeBatch(name: string, total: number): Promise<Batch> {
  const { database, config } = app.service;
  return openBatch(database, {
    ...{ id: newId(), sdkAppId: config.sdkAppId, name, madeUpName: name },
    ...{ fingerprint: newId(), total, by: 'ada', note: undefined },
  });
}

/** Rooms that have ended. */
async function end(batch: Batch, outcome: string, code: number | null, rooms: readonly string[]) {
  await app.sql(
    `with d as (
       insert into room_reaper.destructions
         (id, room_id, batch_id, sdk_app_id, requested_at, not_after, outcome, error_code, error_info,
          finished_at, statistics_source, total_viewers, total_gifts_sent, total_gift_coins,
          total_unique_gift_senders, total_likes_received)
       select gen_random_uuid()::text, r, $1, $2, now(), now(), $3::text, $4, 'as told', now(),
              case when $3::text = 'destroyed' then 'response' end, n, n, n, n, n
         from unnest($5::text[]) r,
              (select case when $3::text = 'destroyed' then 9007199254740993 end) as t (n)
       returning id)
     insert into room_reaper.attempts (destruction_id, attempt, worker_id, slot_at, sent_at, ended_at)
     select id, 1, 'w', now(), now(), now() from d`,
    [batch.id, app.config.sdkAppId, outcome, code, rooms],
  );
  await app.sql(
    `update room_reaper.batches set ${outcome} = ${outcome} + $2, enqueued_at = now() where id = $1`,
    [batch.id, rooms.length],
  );
}

const odd = ['/a?b=c&d#e', '%2F..%2F', ' a b ', '"quoted"', '-1', '=cmd()'];
const plain = Array.from({ length: 12 }, (_, index) => `room-${String(index).padStart(2, '0')}`);
let batch: Batch;

beforeAll(async () => {
  batch = await makeBatch('evening', 20);
  await end(batch, 'destroyed', null, [...odd, ...plain.slice(0, 8)]);
  await end(batch, 'failed', 100_001, plain.slice(8, 10));
  await end(batch, 'rejected', 100_002, plain.slice(10));
});

test('a room is explained by its RoomId, whatever characters it has, with exact numbers', async () => {
  for (const room of odd) {
    const answer = await app.ask(`/v1/rooms?roomId=${encodeURIComponent(room)}`, { as: 'viewer' });
    expect(answer).toMatchObject({ status: 200, json: { roomId: room } });
    expect(answer.text).toContain('"totalGiftCoins":9007199254740993');
  }
  const wrong = await app.ask(`/v1/rooms?roomId=${encodeURIComponent('café')}`);
  expect(wrong).toMatchObject({ status: 422, json: { code: 'INVALID' } });
  for (const query of ['', '?roomId=', '?roomId=a&roomId=b'])
    expect((await app.ask(`/v1/rooms${query}`)).status).toBe(422);
});

test('batches are listed newest first, page by page, each once', async () => {
  const before = [await makeBatch('listed-1', 1), await makeBatch('listed-2', 1)];
  const list = async (query: string) =>
    (await app.ask(`/v1/batches?${query}`, { as: 'viewer' })).json as {
      batches: { id: string; state: string }[];
      next: string | null;
    };
  const first = await list('name=listed&limit=1&by=ada');
  expect(first.batches).toMatchObject([{ id: before[1]?.id, state: 'enqueuing' }]);
  const second = await list(`name=listed&limit=1&cursor=${first.next ?? ''}`);
  expect(second).toMatchObject({ batches: [{ id: before[0]?.id }], next: null });
  expect((await list('unfinished=true&from=2020-01-01T00:00:00Z')).batches.length).toBeGreaterThan(
    1,
  );
  expect(await list('by=nobody')).toEqual({ batches: [], next: null });
  expect((await app.ask('/v1/batches?cursor=x')).status).toBe(422);
});

describe('a batch', () => {
  test('is found by id and by name, and tells how it stands', async () => {
    for (const named of [batch.id, 'evening']) {
      const answer = await app.ask(`/v1/batches/${named}`, { as: 'viewer' });
      expect(answer).toMatchObject({
        status: 200,
        json: { id: batch.id, name: 'evening', state: 'running', total: 20, finished: 18 },
      });
    }
  });

  test.each(['nothing', '..%2F..', '%00', 'a%0d%0aSet-Cookie:%20a=b', 'x'.repeat(200)])(
    'that is none is 404: %s',
    async (name) => {
      const answer = await app.ask(`/v1/batches/${name}`);
      expect(answer).toMatchObject({ status: 404, json: { code: 'NOT_FOUND' } });
      expect(answer.json).toHaveProperty('remedy', 'GET /v1/batches lists them');
      expect(answer.headers['set-cookie']).toBeUndefined();
    },
  );

  test('of a name of several is 409, with the candidates', async () => {
    const two = [await makeBatch('night', 1), await makeBatch('night', 1)];
    const { status, text } = await app.ask('/v1/batches/night');
    expect(status).toBe(409);
    for (const { id } of two) expect(text).toContain(id);
  });

  test('tells what it is about to do by its state', async () => {
    const { id } = await makeBatch('states', 1);
    const state = async () =>
      ((await app.ask(`/v1/batches/${id}`)).json as { state: string }).state;
    const set = (columns: string) =>
      app.sql(`update room_reaper.batches set ${columns} where id = $1`, [id]);
    expect(await state()).toBe('enqueuing');
    await set('enqueued_at = now()');
    expect(await state()).toBe('waiting');
    await set('destroyed = 1');
    expect(await state()).toBe('finished');
    await set('cancelled_at = now()');
    expect(await state()).toBe('cancelled');
  });

  test('is waited for: until it is another, until it has ended, or so many seconds', async () => {
    const { id } = await makeBatch('awaited', 1);
    const { headers } = await app.ask(`/v1/batches/${id}`);
    const etag = headers['etag'] as string;
    const known = { Prefer: 'respond-async, wait=40', 'If-None-Match': etag };
    const changed = app.ask(`/v1/batches/${id}`, { headers: known });
    const ended = app.ask(`/v1/batches/${id}`, { headers: { Prefer: 'wait=40' } });
    await app.sql('update room_reaper.batches set enqueued_at = now() where id = $1', [id]);
    expect(await changed).toMatchObject({ status: 200, json: { state: 'waiting' } });
    await app.sql('update room_reaper.batches set destroyed = 1 where id = $1', [id]);
    expect(await ended).toMatchObject({ status: 200, json: { state: 'finished' } });
    const now = await app.ask(`/v1/batches/${id}`);
    const same = { Prefer: 'wait=1', 'If-None-Match': now.headers['etag'] as string };
    expect((await app.ask(`/v1/batches/${id}`, { headers: same })).status).toBe(304);
  });

  test('tells its rooms page by page, each once, with exact numbers', async () => {
    const seen: string[] = [];
    let cursor = '';
    for (let pages = 0; pages < 10; pages++) {
      const answer = await app.ask(`/v1/batches/${batch.id}/rooms?limit=5${cursor}`);
      const { rooms, next } = answer.json as { rooms: { roomId: string }[]; next: string | null };
      seen.push(...rooms.map(({ roomId }) => roomId));
      if (pages === 0) expect(answer.text).toContain('"totalGiftCoins":9007199254740993');
      if (next === null) break;
      cursor = `&cursor=${next}`;
    }
    expect(seen).toEqual([...odd, ...plain].sort());
  });

  test('tells those of one outcome or code', async () => {
    const rooms = async (query: string) =>
      (
        (await app.ask(`/v1/batches/evening/rooms?${query}`)).json as {
          rooms: { roomId: string }[];
        }
      ).rooms.map(({ roomId }) => roomId);
    expect(await rooms('outcome=failed')).toEqual(plain.slice(8, 10));
    expect(await rooms('code=100002')).toEqual(plain.slice(10));
    expect(await rooms('outcome=failed&code=100002')).toEqual([]);
  });

  test.each(['limit=0', 'limit=501', 'limit=a', 'outcome=lost', 'code=x', 'cursor=x', 'offset=1'])(
    'refuses %s of a page',
    async (query) => {
      const answer = await app.ask(`/v1/batches/evening/rooms?${query}`);
      expect(answer).toMatchObject({ status: 422, json: { code: 'INVALID' } });
      expect(answer.text).toContain(query.split('=')[0]);
    },
  );

  test('is reported whole, in each format, under a name that no batch can turn into a header', async () => {
    const json = await app.ask('/v1/batches/evening/report', { as: 'viewer' });
    expect(json.json).toMatchObject({ summary: { batchId: batch.id, total: 20, open: 2 } });
    expect(json.text).toContain('"totalGiftCoins":9007199254740993');
    expect((json.json as { rooms: unknown[] }).rooms).toHaveLength(18);
    const csv = await app.ask('/v1/batches/evening/report?format=csv');
    expect(csv.headers['content-type']).toBe('text/csv; charset=utf-8');
    expect(csv.text.split('\r\n')).toHaveLength(20);
    expect(csv.text).toContain("'=cmd()");
    const ndjson = await app.ask('/v1/batches/evening/report?format=ndjson');
    expect(ndjson.text.trim().split('\n')).toHaveLength(18);
    const { id } = await makeBatch('a"\r\nSet-Cookie: a=b;é/../x', 1);
    const { headers } = await app.ask(`/v1/batches/${id}/report?format=csv`);
    expect(headers['set-cookie']).toBeUndefined();
    expect(headers['content-disposition']).toMatch(
      /^attachment; filename\*=UTF-8''room-reaper-[\w.%-]+\.csv$/,
    );
    expect((await app.ask('/v1/batches/evening/report?format=xlsx')).status).toBe(422);
    expect((await app.ask('/v1/batches/nothing/report')).status).toBe(404);
    // Without a key nothing can be asked of the API.
    expect(await app.ask('/v1/live-rooms')).toMatchObject({
      status: 422,
      text: expect.stringContaining('TENCENT_SECRET_KEY must be set') as string,
    });
  });
});

test('what kept rooms from being destroyed is told by code, with what to do', async () => {
  const { json } = await app.ask('/v1/errors?batch=evening', { as: 'viewer' });
  expect(json).toMatchObject({
    errors: [
      {
        outcome: 'failed',
        errorCode: 100_001,
        rooms: 2,
        example: 'room-08',
        wouldFailAgain: false,
      },
      { outcome: 'rejected', errorCode: 100_002, rooms: 2, wouldFailAgain: true, pending: false },
    ],
  });
  expect((await app.ask('/v1/errors?to=2020-01-01T00:00:00Z')).json).toEqual({ errors: [] });
  expect((await app.ask('/v1/errors?from=2020-01-01T00:00:00%2B08:00')).json).toEqual(json);
  for (const query of ['from=yesterday', 'from=2020-01-01T00:00:00', 'batch='])
    expect((await app.ask(`/v1/errors?${query}`)).status).toBe(422);
});

test('the audit is that of the command line, of a time or of a batch', async () => {
  const answer = await app.ask('/v1/audit?batch=evening', { as: 'viewer' });
  const own = auditJson(await audit(app.service, { batchId: batch.id }));
  expect(answer.json).toEqual(JSON.parse(JSON.stringify(own)));
  expect((await app.ask('/v1/audit')).json).toMatchObject({ requests: 18 });
  const before = await app.ask('/v1/audit?to=2020-01-01T00:00:00Z');
  expect(before.json).toMatchObject({ requests: 0, kept: true });
  expect((await app.ask('/v1/audit?batch=evening&to=2020-01-01T00:00:00Z')).status).toBe(422);
});

test('the doctor’s findings are told, and asked for once a minute', async () => {
  const first = await app.ask('/v1/doctor');
  expect(first.json).toMatchObject({
    findings: expect.arrayContaining([expect.objectContaining({ check: 'ledger' })]) as unknown,
  });
  expect((await app.ask('/v1/doctor')).text).toBe(first.text);
});

test('whoever asks for a report and goes away before it comes takes no place from others', async () => {
  const { hostname, port } = new URL(app.server.url);
  const holder = new Client({ connectionString: app.config.databaseUrl });
  await holder.connect();
  try {
    // Nobody reads a row until they have gone.
    await holder.query('begin; lock table room_reaper.destructions');
    const sockets = Array.from({ length: 4 }, () => {
      const socket = connect(Number(port), hostname);
      socket.write(
        `GET /v1/batches/evening/report HTTP/1.1\r\nHost: ${hostname}\r\nAuthorization: Bearer ${app.tokens.viewer}\r\n\r\n`,
      );
      return socket;
    });
    const waiting = `select count(*)::int as n from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`;
    await expect.poll(() => app.sql(waiting)).toEqual([{ n: 4 }]);
    for (const socket of sockets) socket.destroy();
    for (const socket of sockets) if (!socket.closed) await once(socket, 'close');
  } finally {
    await holder.end();
  }
  await expect.poll(async () => (await app.ask('/v1/batches/evening/report')).status).toBe(200);
  const four = Array.from({ length: 4 }, () => app.ask('/v1/batches/evening/report'));
  expect((await Promise.all(four)).map(({ status }) => status)).toEqual([200, 200, 200, 200]);
});

test('a report of which nothing is read takes no place either', async () => {
  const { service } = app;
  const context = { service, closing: new AbortController().signal } as ServerContext;
  const request = new Request('http://localhost/');
  for (let times = 0; times < 5; times++) {
    const asked = { context, request, path: { id: 'evening' }, query: { format: 'csv' } };
    const principal = { name: 'ada', role: 'viewer' } as const;
    const answer = await report.handle({ ...asked, principal } as Parameters<Route['handle']>[0]);
    if (!(answer instanceof Response)) throw new Error('a report is streamed');
    await answer.body?.cancel();
  }
});
