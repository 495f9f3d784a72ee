import { get } from 'node:http';
import { beforeAll, expect, test } from 'vitest';
import { startCountingServer, type CountingServer } from '../support/counting-server.js';
import { afterThisFile } from '../support/clean-up.js';
import { freshSdkAppId } from '../support/servers.js';
import { useServer } from './fixture.js';

const env: Record<string, string> = {};
let api: CountingServer;
beforeAll(async () => {
  const facts = { sdkAppId: freshSdkAppId(), secretKey: 'a'.repeat(64) };
  api = await startCountingServer({
    ...{ ...facts, adminIdentifier: 'administrator' },
    rooms: Object.fromEntries(
      Array.from({ length: 22 }, (_, n) => [
        `live-${String(n).padStart(2, '0')}`,
        {
          owner: n === 21 ? 'eve' : 'ada',
          name: `name ${n}`,
          createTime: 1_750_000_000 + n,
          viewCount: 100 - n,
        },
      ]),
    ),
  });
  afterThisFile(() => api.close());
  Object.assign(env, {
    TENCENT_SDK_APP_ID: String(facts.sdkAppId),
    ...{ TENCENT_SECRET_KEY: facts.secretKey, TENCENT_ENDPOINT: api.url },
  });
});
const app = useServer('Postgres alone', env);

test('live rooms are told in each format, filtered, and with progress where that is asked for', async () => {
  const all = await app.ask('/v1/live-rooms?format=lines', { as: 'viewer' });
  expect(all.status).toBe(200);
  expect(all.headers['content-type']).toBe('text/plain; charset=utf-8');
  expect(all.text.trim().split('\n')).toHaveLength(22);
  const csv = await app.ask(
    '/v1/live-rooms?format=csv&match=live-*&createdAfter=2025-06-15T15:07:00Z',
  );
  expect(csv.text).toBe(
    'room_id,name,owner,created_at,views\r\nlive-21,name 21,eve,2025-06-15T15:07:01.000Z,79\r\n',
  );
  const told = await app.ask('/v1/live-rooms?owner=eve&minViews=1&progress=true');
  expect(told.headers['content-type']).toBe('application/x-ndjson');
  expect(
    told.text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as object),
  ).toEqual([
    { progress: { pass: 1, pages: 1, seen: 20 } },
    expect.objectContaining({
      roomId: 'live-21',
      views: 79,
      createdAt: '2025-06-15T15:07:01.000Z',
    }),
    { progress: { pass: 1, pages: 2, seen: 22 } },
    { progress: { pass: 2, pages: 3, seen: 22 } },
    { progress: { pass: 2, pages: 4, seen: 22 } },
    { end: { pass: 2, pages: 4, seen: 22, unreadable: 0, movedOn: false, found: 1 } },
  ]);
});

test('what cannot be answered is a problem, and asks the API nothing', async () => {
  const before = (await api.report()).commands.get_room_list.requests.length;
  const ask = async (query: string, as: 'viewer' | 'producer' = 'viewer') => {
    const { status, text } = await app.ask(`/v1/live-rooms?${query}`, { as });
    return [status, text] as const;
  };
  const text = (part: string) => expect.stringContaining(part) as string;
  expect(await ask('', 'producer')).toEqual([403, text('FORBIDDEN')]);
  expect(await ask('survivors=no-such')).toEqual([404, text('NOT_FOUND')]);
  expect(await ask('match=%5Ba-z%5D')).toEqual([422, text('match must be a RoomId or a pattern')]);
  expect(await ask('createdBefore=tomorrow')).toEqual([422, text('createdBefore')]);
  expect(await ask('minViews=many')).toEqual([422, text('minViews')]);
  expect(await ask('format=csv&progress=true')).toEqual([422, text('another format than ndjson')]);
  expect((await app.ask('/v1/live-rooms', { method: 'HEAD' })).status).toBe(200);
  expect((await api.report()).commands.get_room_list.requests).toHaveLength(before);
});

test('two are read at once and no more, and one that is left makes room', async () => {
  const hang = { seed: 1, shares: [{ answer: { kind: 'hang' as const }, share: 1 }] };
  await api.setFaults(hang, 'get_room_list');
  const before = (await api.report()).commands.get_room_list.requests.length;
  const headers = { Authorization: `Bearer ${app.tokens.viewer}` };
  const both = [1, 2].map(() => {
    const asked = get(`${app.server.url}/v1/live-rooms`, { headers, agent: false });
    asked.on('error', () => undefined);
    return asked;
  });
  await api.reached(before + 2, 'get_room_list');
  const third = await app.ask('/v1/live-rooms');
  expect(third).toMatchObject({ status: 429, headers: { 'retry-after': '5' } });
  expect(third.text).toContain('there must be at most 2 lists of live rooms at once');
  await api.setFaults(undefined, 'get_room_list');
  for (const asked of both) asked.destroy();
  await expect.poll(async () => (await app.ask('/v1/live-rooms')).status).toBe(200);
});
