import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import { createToken } from '../../src/operations/tokens.js';
import { places } from '../operations/service.js';
import { useServer, type Asking } from './fixture.js';

const folder = mkdtempSync(join(tmpdir(), 'room-reaper-test-'));
const vips = join(folder, 'protected');
writeFileSync(vips, 'vip-*\n');
afterAll(() => rmSync(folder, { recursive: true }));

describe.each(places)('on %s', (place) => {
  const app = useServer(place, { PROTECTED_ROOMS_FILE: vips });

  const room = (body: object, asking: Asking = {}) =>
    app.ask('/v1/rooms', { as: 'producer', body, ...asking });
  const list = (body: unknown, query = '', headers: Record<string, string> = {}) =>
    app.ask(`/v1/batches${query}`, {
      ...{ as: 'producer', method: 'POST', body },
      headers: { 'Content-Type': 'text/plain', ...headers },
    });
  const fresh = (count: number, name = randomUUID().slice(0, 8)) =>
    Array.from({ length: count }, (_, index) => `${name}-${index}`);
  const lines = (rooms: readonly string[]) => rooms.map((each) => `${each}\n`).join('');
  const state = async (id: string) =>
    ((await app.ask(`/v1/batches/${id}`)).json as { state: string }).state;
  const idOf = ({ json }: { json: unknown }) => (json as { batchId: string }).batchId;
  const waiting = async () => {
    const { queue } = await app.service.queue();
    const counts = await queue.getJobCounts();
    return Object.values(counts).reduce((sum, each) => sum + each, 0);
  };
  const left = () =>
    app.sql(
      'select parts_id from room_reaper.list_parts union select parts_id from room_reaper.lists',
    );

  test('a room is asked for once: again it is pending, and brought forward where it is more urgent', async () => {
    const [roomId = ''] = fresh(1);
    const first = await room({ roomId, delaySeconds: 3_600, note: 'after the event' });
    expect(first).toMatchObject({ status: 202, json: { state: 'added' } });
    const { destructionId } = first.json as { destructionId: string };
    expect((await room({ roomId, delaySeconds: 7_200 })).json).toEqual({
      ...{ destructionId, state: 'pending' },
    });
    expect((await room({ roomId })).json).toEqual({ destructionId, state: 'brought_forward' });
    expect((await room({ roomId })).json).toEqual({ destructionId, state: 'pending' });
    expect((await room({ roomId, urgent: true })).json).toMatchObject({ state: 'brought_forward' });
  });

  test('what is done before rooms are destroyed reaches their jobs, of one and of a list', async () => {
    const [roomId = ''] = fresh(1);
    const onlyCreatedBefore = new Date(Date.now() - 60_000).toISOString();
    const data = { g: Date.parse(onlyCreatedBefore), s: 1 };
    const dataOf = async (room: string) => {
      const { queue } = await app.service.queue();
      const id = await queue.getDeduplicationJobId(room);
      const job = id === null ? undefined : await queue.getJob(id);
      return job?.data;
    };
    await room({ roomId, onlyCreatedBefore, snapshot: true });
    expect(await dataOf(roomId)).toMatchObject({ o: roomId, ...data });

    const rooms = fresh(2);
    const query = `?onlyCreatedBefore=${onlyCreatedBefore}&snapshot=true`;
    expect((await list(lines(rooms), `${query}&dryRun=true`)).json).toMatchObject({
      ...{ dryRun: true, onlyCreatedBefore, snapshot: true },
    });
    const answer = await list(lines(rooms), query);
    await expect.poll(() => state(idOf(answer))).toBe('waiting');
    expect(await dataOf(rooms[1] ?? '')).toMatchObject(data);
    expect((await app.ask(`/v1/batches/${idOf(answer)}`)).json).toMatchObject({
      ...{ onlyCreatedBefore, snapshot: true },
    });
    expect(idOf(await list(lines(rooms)))).toBe(idOf(answer));
    const other = await list(lines(rooms), '?onlyCreatedBefore=2025-01-01T00:00:00Z');
    expect(other).toMatchObject({ status: 409, json: { code: 'CONFLICT' } });
    const toCome = await list(lines(rooms), '?onlyCreatedBefore=2099-01-01T00:00:00Z');
    expect(toCome).toMatchObject({ status: 422, json: { code: 'INVALID' } });
  });

  test.each([
    ['a guard that is to come', { roomId: 'a', onlyCreatedBefore: '2099-01-01T00:00:00Z' }],
    ['no RoomId', {}],
    ['one that is none', { roomId: 'café' }],
    ['one that is no text', { roomId: 42 }],
    ['a field that is not known', { roomId: 'a', urgnet: true }],
    ['two times', { roomId: 'a', delaySeconds: 1, at: '2030-01-01T00:00:00Z' }],
    ['a time without an offset', { roomId: 'a', at: '2030-01-01T00:00:00' }],
    ['a time that is over', { roomId: 'a', at: '2020-01-01T00:00:00Z' }],
    ['a time too far ahead', { roomId: 'a', delaySeconds: 1e10 }],
    ['a protected room', { roomId: 'vip-1' }],
    ['no object', ['a']],
  ])('%s is refused, and nothing is asked for', async (_, body) => {
    const before = await waiting();
    const answer = await room(body);
    expect([409, 422]).toContain(answer.status);
    expect(answer.json).toHaveProperty('code', answer.status === 409 ? 'REFUSED' : 'INVALID');
    expect(await waiting()).toBe(before);
  });

  test.each([
    ['no JSON', 'application/json', 'roomId=a', 400],
    ['half of it', 'application/json', '{"roomId":"a"', 400],
    ['no UTF-8', 'application/json', Buffer.from([0x22, 0xff, 0x22]), 400],
    ['a form', 'application/x-www-form-urlencoded', 'roomId=a', 415],
    ['no type', '', '{"roomId":"a"}', 415],
    ['JSON of another charset', 'application/json; charset=latin1', '{"roomId":"a"}', 415],
    ['what is too large', 'application/json', `{"roomId":"${'a'.repeat(2 ** 20)}"}`, 413],
    ['what is very deep', 'application/json', '['.repeat(100_000), 400],
  ])('a body that is %s is refused as such', async (_, type, body, status) => {
    const headers = { 'Content-Type': type };
    expect(await room({}, { body, headers })).toMatchObject({ status, json: { status } });
  });

  test('a list is safe when it is answered, and its rooms come onto the queue, each once', async () => {
    const rooms = fresh(600);
    const before = await waiting();
    const answer = await list(lines([...rooms, ...rooms.slice(0, 5)]), '?name=evening&note=why');
    expect(answer).toMatchObject({
      status: 202,
      json: { name: 'evening', state: 'enqueuing', requested: 605, unique: 600, duplicates: 5 },
      headers: { location: `/v1/batches/${idOf(answer)}` },
    });
    await expect.poll(() => state(idOf(answer))).toBe('waiting');
    expect(await waiting()).toBe(before + 600);
    expect(await app.ask(`/v1/batches/${idOf(answer)}`, { as: 'producer' })).toMatchObject({
      json: { total: 600, by: 'a-producer', note: 'why' },
    });
    await expect.poll(left).toEqual([]);
  });

  test('lists of every form are understood, packed too', async () => {
    const [a = '', b = ''] = fresh(2);
    const bodies = [
      [`room_id,why\n${a},x\n${b},y\n`, 'text/csv'],
      [`{"roomId":"${a}"}\n{"roomId":"${b}"}\n`, 'application/x-ndjson'],
      [{ rooms: [a, b] }, 'application/json'],
    ] as const;
    for (const [body, type] of bodies) {
      const answer = await list(body, '', { 'Content-Type': type });
      expect(answer).toMatchObject({ status: 202, json: { unique: 2 } });
    }
    const packed = await list(gzipSync(lines([a, b])), '', { 'Content-Encoding': 'gzip' });
    expect(packed).toMatchObject({ status: 202, json: { unique: 2 } });
    await expect.poll(left).toEqual([]);
  });

  test('what is wrong with a list is told by its lines, and nothing is half done', async () => {
    await expect.poll(left).toEqual([]);
    const rooms = fresh(200);
    rooms[150] = 'caf\u00e9';
    rooms[198] = 'x'.repeat(49);
    const before = await waiting();
    const answer = await list(lines(rooms));
    expect(answer).toMatchObject({
      status: 422,
      json: { code: 'INVALID', errors: [{ line: 151 }, { line: 199 }] },
    });
    expect((answer.json as { remedy: string }).remedy).toContain('skipInvalid=true');
    const guarded = await list(lines(['a', 'vip-7']));
    expect(guarded).toMatchObject({ status: 409, json: { code: 'REFUSED' } });
    expect(guarded.text).toContain('vip-7 is protected by vip-*');
    expect((await list('')).status).toBe(422);
    expect(await waiting()).toBe(before);
    expect(await left()).toEqual([]);
    const skipped = await list(lines([...rooms, 'vip-7']), '?skipInvalid=true&skipProtected=true');
    expect(skipped).toMatchObject({ status: 202, json: { unique: 198, invalid: 2, protected: 1 } });
    await expect.poll(left).toEqual([]);
  });

  test('a long list must come with its number, and one that was cut off is refused', async () => {
    const rooms = fresh(1_001);
    expect((await list(lines(rooms))).text).toContain('expect=1001');
    expect((await list(lines(rooms.slice(0, 900)), '?expect=1001')).status).toBe(422);
    // Who only looks need not have counted it; who says a number is told where it is wrong.
    const look = await list(lines(rooms), '?dryRun=true');
    expect(look).toMatchObject({ status: 200, json: { unique: 1_001 } });
    expect((await list(lines(rooms), '?dryRun=true&expect=900')).status).toBe(422);
    expect((await list(lines(rooms), '?expect=1001')).status).toBe(202);
    await expect.poll(left).toEqual([]);
  });

  test.each([
    ['of another type', { 'Content-Type': 'application/xml' }, '', 415],
    ['without a type', { 'Content-Type': '' }, '', 415],
    ['packed otherwise', { 'Content-Encoding': 'br' }, '', 415],
    ['in another charset', { 'Content-Type': 'text/plain; charset=utf-16' }, '', 415],
    ['that is no gzip', { 'Content-Encoding': 'gzip' }, '', 400],
    ['larger than may be', { 'Content-Length': String(2 ** 28) }, '', 413],
    ['with a parameter that is not known', {}, '?nmae=a', 422],
    ['with two times', {}, '?delaySeconds=1&at=2030-01-01T00:00:00Z', 422],
  ] as const)('a list %s is refused', async (_, headers, query, status) => {
    const answer = await list('a\n', query, headers);
    expect(answer).toMatchObject({ status, json: { status } });
  });

  test('a client that goes away in the middle leaves nothing', async () => {
    const before = await waiting();
    const { hostname, port } = new URL(app.server.url);
    const socket = connect(Number(port), hostname);
    socket.write(
      `POST /v1/batches HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${app.tokens.producer}\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\n${lines(fresh(9))}`,
    );
    socket.end();
    await text(socket).catch(() => undefined);
    expect(await left()).toEqual([]);
    expect(await waiting()).toBe(before);
  });

  test('a dry run tells what would be done, and does nothing', async () => {
    const before = await waiting();
    const answer = await list(lines(fresh(10)), '?dryRun=true');
    expect(answer).toMatchObject({ status: 200, json: { dryRun: true, unique: 10 } });
    expect(answer.json).toHaveProperty('seconds');
    expect(await waiting()).toBe(before);
    expect((await list('caf\u00e9\n', '?dryRun=true')).status).toBe(422);
  });

  test('a key gives the first answer again, also after what was asked for has ended', async () => {
    const [roomId = ''] = fresh(1);
    const headers = { 'Idempotency-Key': randomUUID() };
    const first = await room({ roomId }, { headers });
    const { destructionId } = first.json as { destructionId: string };
    const { queue } = await app.service.queue();
    await queue.remove(destructionId);
    const before = await waiting();
    const again = await room({ roomId }, { headers });
    expect(again).toMatchObject({ status: 202, text: first.text });
    expect(again.headers['idempotent-replayed']).toBe('true');
    expect(await waiting()).toBe(before);
    expect(await room({ roomId, urgent: true }, { headers })).toMatchObject({ status: 422 });
    // Of another token it is another key.
    const other = await room({ roomId }, { headers, as: 'operator' });
    expect(other.json).toMatchObject({ state: 'added' });
    expect(other.headers['idempotent-replayed']).toBeUndefined();
    for (const key of ['', 'a b', 'x'.repeat(256)])
      expect((await room({ roomId }, { headers: { 'Idempotency-Key': key } })).status).toBe(422);
  });

  test('a key of a list is that of its rooms: refused, it is free; broken off, it makes the same batch', async () => {
    const [a = '', b = ''] = fresh(2);
    const key = { 'Idempotency-Key': randomUUID() };
    expect((await list(lines(['caf\u00e9']), '', key)).status).toBe(422);
    const first = await list(lines([a, b]), '', key);
    expect(first.status).toBe(202);
    expect((await list(lines([a, b]), '', key)).headers).toMatchObject({
      ...{ 'idempotent-replayed': 'true', location: `/v1/batches/${idOf(first)}` },
    });
    expect((await list(lines([b, a]), '', key)).status).toBe(422);
    const open = `update room_reaper.answers set status = null, claimed_until = $2 where key = $1`;
    await app.sql(open, [key['Idempotency-Key'], new Date(Date.now() + 60_000)]);
    expect(await list(lines([a, b]), '', key)).toMatchObject({ status: 409 });
    await app.sql(open, [key['Idempotency-Key'], new Date(0)]);
    expect(idOf(await list(lines([a, b]), '', key))).toBe(idOf(first));
    await expect.poll(left).toEqual([]);
  });

  test('a producer looks at what it asked for, and at nothing else', async () => {
    const [own = '', others = ''] = fresh(2);
    const mine = await list(lines([own]));
    const theirs = await list(lines([others]), '', {
      Authorization: `Bearer ${app.tokens.operator}`,
    });
    const request = { name: `b-${place}`.replaceAll(' ', '-'), role: 'producer' } as const;
    const token = await createToken(app.service, { ...request, by: 'ada', expiresAtMs: undefined });
    const stranger = { as: 'nobody', headers: { Authorization: `Bearer ${token}` } } as const;
    for (const what of ['', '/rooms', '/report']) {
      const path = `/v1/batches/${idOf(mine)}${what}`;
      await expect.poll(async () => (await app.ask(path, { as: 'producer' })).status).toBe(200);
      await expect.poll(async () => (await app.ask(path, stranger)).status).toBe(403);
      const foreign = await app.ask(`/v1/batches/${idOf(theirs)}${what}`, { as: 'producer' });
      expect(foreign).toMatchObject({ status: 403, json: { code: 'FORBIDDEN' } });
    }
    await expect.poll(() => state(idOf(theirs))).toBe('waiting');
    const look = async (roomId: string) =>
      (await app.ask(`/v1/rooms?roomId=${roomId}`, { as: 'producer' })).status;
    await expect.poll(() => look(own)).toBe(200);
    expect(await look(others)).toBe(403);
    const [single = ''] = fresh(1);
    await room({ roomId: single });
    expect(await look(single)).toBe(200);
    const { batches } = (await app.ask('/v1/batches?limit=500', { as: 'producer' })).json as {
      batches: { id: string }[];
    };
    expect(batches.map(({ id }) => id)).toContain(idOf(mine));
    expect(batches.map(({ id }) => id)).not.toContain(idOf(theirs));
  });

  test('a batch that is cancelled while its list waits comes onto the queue no more', async () => {
    const answer = await list(lines(fresh(3)));
    await app.sql(
      `update room_reaper.batches set cancelled_at = now(), cancelled_by = 'ada' where id = $1`,
      [idOf(answer)],
    );
    await expect.poll(left).toEqual([]);
    expect(await state(idOf(answer))).toBe('cancelled');
  });
});
