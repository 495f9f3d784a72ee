import { createRequire } from 'node:module';
import { expect, test } from 'vitest';
import { afterThisTest } from '../support/clean-up.js';
import {
  type Command,
  type CountingServerOptions,
  startCountingServer,
} from '../support/counting-server.js';
import { assertQuotaKept } from '../support/quota-kept.js';

const { Api } = createRequire(import.meta.url)('tls-sig-api-v2') as {
  Api: new (app: number, key: string) => { genUserSig(identifier: string, expire: number): string };
};
const app = { sdkAppId: 1_400_000_001, secretKey: 'a key', adminIdentifier: 'administrator' };

interface Reply {
  ErrorCode: number;
  RequestId: string;
  Response?: {
    Statistic?: object;
    RoomInfo?: { CreateTime: number };
    Next?: string;
    RoomList?: { RoomId: string; ViewCount: number }[];
  };
}

async function open(options: Partial<CountingServerOptions> = {}) {
  const server = await startCountingServer({ ...app, ...options });
  afterThisTest(() => server.close());
  const usersig = new Api(app.sdkAppId, app.secretKey).genUserSig('administrator', 90_000);
  let random = 0;
  const send = (command: Command, body: object) => {
    const query = `sdkappid=${app.sdkAppId}&identifier=administrator&usersig=${usersig}&random=${random++}&contenttype=json`;
    return fetch(`${server.url}/v4/live_engine_http_srv/${command}?${query}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  };
  const ask = async (command: Command, room: string | object): Promise<Reply> => {
    const answer = await send(command, typeof room === 'string' ? { RoomId: room } : room);
    return (await answer.json()) as Reply;
  };
  return { server, send, ask };
}

test('a room is told of until it is destroyed, with the totals that its destroy tells; created again it is another', async () => {
  const { server, ask } = await open({
    permanent: [{ prefix: 'ghost', answer: { kind: 'unknown' } }],
  });
  const info = await ask('get_room_info', 'a');
  expect(info.Response?.RoomInfo).toMatchObject({ RoomId: 'a', CreateTime: 1_700_000_000 });
  const stats = (await ask('get_room_stats', 'a')).Response;
  const first = (await ask('destroy_room', 'a')).Response?.Statistic;
  expect(stats).toEqual({ ...first, TotalMsgCount: expect.any(Number) as number });
  for (const command of ['get_room_info', 'get_room_stats', 'destroy_room'] as const) {
    expect((await ask(command, 'a')).ErrorCode).toBe(100004);
    expect((await ask(command, 'ghost')).ErrorCode).toBe(100004);
  }

  await server.recreate('a', 1_800_000_000_900);
  expect((await ask('get_room_info', 'a')).Response?.RoomInfo?.CreateTime).toBe(1_800_000_000);
  const { rooms } = await server.report();
  expect(rooms['a']).toMatchObject({ requests: 2, destroyed: false });
  const second = (await ask('destroy_room', 'a')).Response?.Statistic;
  expect(second).not.toEqual(first);
  const asText = (totals: object = {}) =>
    Object.fromEntries(Object.entries(totals).map(([name, total]) => [name, String(total)]));
  expect((await server.report()).rooms['a']).toEqual({
    ...{ requests: 3, destroyed: true },
    ...{ totals: asText(second), earlierTotals: [asText(first)] },
  });

  await server.end('b');
  expect((await ask('destroy_room', 'b')).ErrorCode).toBe(100004);
  expect((await server.report()).rooms['b']).toMatchObject({ destroyed: false });
});

test('a list has at most twenty rooms a page, the most viewed first as it is by then', async () => {
  const names = Array.from({ length: 30 }, (_, index) => `room-${index}`);
  const { server, ask } = await open({
    rooms: {
      ...Object.fromEntries(names.map((name, viewCount) => [name, { viewCount }])),
      hidden: { viewCount: 99, isPublic: false },
    },
  });
  const first = (await ask('get_room_list', { Next: '', Count: 20 })).Response;
  expect(first?.RoomList?.map(({ RoomId }) => RoomId)).toEqual(names.slice(10).reverse());
  // Those behind a room that goes move up: what a reader skips in a list that moves.
  expect((await ask('destroy_room', 'room-29')).ErrorCode).toBe(0);
  const second = (await ask('get_room_list', { Next: first?.Next, Count: 20 })).Response;
  expect(second?.RoomList?.map(({ RoomId }) => RoomId)).toEqual(names.slice(0, 9).reverse());
  expect(second?.Next).toBe('');
  await server.recreate('new');
  const again = (await ask('get_room_list', { Next: 'from-20', Count: 20 })).Response?.RoomList;
  expect(again).toHaveLength(10);
  for (const wrong of [
    { Next: '', Count: 21 },
    { Next: 'page 2', Count: 20 },
  ]) {
    expect((await ask('get_room_list', wrong)).ErrorCode).toBe(100002);
  }
  expect((await server.report()).problems).toEqual(['Count is 21', 'Next is none that was told']);
});

test('each command has its own arrivals, quota and answers, and none counts for another', async () => {
  const { server, ask, send } = await open({
    quotaPerSecond: 1,
    commands: {
      get_room_info: { scripts: { a: [{ kind: 'code', code: 100001 }] } },
      get_room_stats: {
        quotaPerSecond: 2,
        permanent: [{ prefix: '', answer: { kind: 'status', status: 502 } }],
      },
      get_room_list: { scripts: { '': [{ kind: 'code', code: 60007 }] } },
    },
  });
  expect((await ask('get_room_info', 'a')).ErrorCode).toBe(100001);
  expect((await ask('get_room_info', 'a')).ErrorCode).toBe(0);
  expect((await send('get_room_stats', { RoomId: 'a' })).status).toBe(502);
  expect((await ask('get_room_list', { Next: '', Count: 1 })).ErrorCode).toBe(60007);
  expect((await ask('destroy_room', 'a')).ErrorCode).toBe(0);
  await server.setQuota(0, 'get_room_stats');
  await server.reached(2, 'get_room_info');
  expect((await ask('get_room_stats', 'a')).ErrorCode).toBe(60007);

  const report = await server.report();
  expect(report).toMatchObject({ worstWindow: 1, requests: [{ roomId: 'a', acted: true }] });
  const { get_room_info: infos, get_room_stats: stats, get_room_list: lists } = report.commands;
  expect(infos.requests).toMatchObject([{ errorCode: 100001 }, { errorCode: 0, toldTotals: true }]);
  expect(stats.requests).toMatchObject([{ httpStatus: 502 }, { errorCode: 60007 }]);
  expect(lists.requests).toHaveLength(1);
  assertQuotaKept(report, 1);
  assertQuotaKept({ ...report, ...infos }, 2);
  expect(() => {
    assertQuotaKept({ ...report, requests: [{ atMs: 1 }, { atMs: 2 }] as never, stalls: [] }, 1);
  }).toThrow(/windows of 1/);
});
