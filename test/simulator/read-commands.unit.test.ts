import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { ReadCommand } from '../../src/simulator/check-request.js';
import { statisticsOf } from '../../src/simulator/truth.js';
import { destroy, send, sign, start, type Changes } from './client.js';

const service = '/v4/live_engine_http_srv/';
const commands = ['get_room_info', 'get_room_stats'] as const;

/** Nothing comes and goes by itself, and no second passes: how busy the machine is changes nothing. */
let nowMs = 0;
beforeEach(() => {
  nowMs = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => nowMs);
});
afterEach(() => vi.restoreAllMocks());

interface Reply {
  ErrorCode: number;
  ErrorInfo: string;
  ActionStatus: string;
  RequestId: string;
  Response?: Record<string, unknown> & {
    RoomInfo?: Listed;
    Next?: string;
    RoomList?: Listed[];
  };
}

interface Listed {
  RoomId: string;
  CreateTime: number;
  ViewCount: number;
}

type Target = { url: string };

async function ask(
  simulator: Target,
  command: ReadCommand,
  roomId: string,
  changes: Changes = {},
): Promise<Reply> {
  const path = service + command;
  return (await send(simulator, roomId, { path, ...changes }).then((r) => r.json())) as Reply;
}

const page = (simulator: Target, next: unknown = '', count: unknown = 20) =>
  ask(simulator, 'get_room_list', '', { body: JSON.stringify({ Next: next, Count: count }) });

test('a room that exists is described, and stays; its totals are those that its destroy tells', async () => {
  const simulator = await start({ rooms: 1 });
  expect(await ask(simulator, 'get_room_info', 'room-000001')).toMatchObject({
    ...{ ErrorCode: 0, ErrorInfo: '', ActionStatus: 'OK' },
    Response: { RoomInfo: { RoomId: 'room-000001', RoomType: 'Live' } },
  });
  const stats = await ask(simulator, 'get_room_stats', 'room-000001');
  expect(stats.Response).toEqual({
    ...statisticsOf('room-000001'),
    TotalMsgCount: expect.any(Number) as number,
  });
  expect(simulator.room('room-000001')).toEqual({ state: 'live', requests: 0 });
  expect((await destroy(simulator, 'room-000001')).Response?.Statistic).toEqual(
    statisticsOf('room-000001'),
  );
});

test('a room that never existed, and one that was destroyed or ended, are 100004', async () => {
  const simulator = await start({ rooms: 2 });
  await destroy(simulator, 'room-000001');
  simulator.endRooms(['room-000002']);
  for (const command of commands) {
    for (const roomId of ['room-000001', 'room-000002', 'never']) {
      expect(await ask(simulator, command, roomId)).toMatchObject({
        ...{ ErrorCode: 100004, ActionStatus: 'FAIL' },
      });
    }
  }
});

test('a room that is created again is another: its own CreateTime, in seconds, and totals', async () => {
  const simulator = await start({ rooms: 1 });
  const roomId = 'room-000001';
  const createTime = async () =>
    (await ask(simulator, 'get_room_info', roomId)).Response?.RoomInfo?.CreateTime ?? NaN;
  const startedAt = Math.floor(Date.now() / 1_000);
  expect(await createTime()).toBeLessThan(startedAt - 86_400);
  const first = (await destroy(simulator, roomId)).Response?.Statistic;
  simulator.addRooms([roomId]);
  expect(await createTime()).toBeGreaterThanOrEqual(startedAt);
  expect(await createTime()).toBeLessThanOrEqual(Date.now() / 1_000);
  const second = (await destroy(simulator, roomId)).Response?.Statistic;
  expect(second).toEqual(statisticsOf(roomId, 1));
  expect(second).not.toEqual(first);
});

test('with anyRoom a room that nobody named exists for the commands that read too', async () => {
  const simulator = await start({ anyRoom: true });
  expect((await ask(simulator, 'get_room_stats', 'any')).ErrorCode).toBe(0);
  expect((await page(simulator)).Response).toEqual({ Next: '', RoomList: [] });
});

test('the list is told by pages of at most twenty, the most viewed first, to its end', async () => {
  const simulator = await start({ rooms: 45 });
  const rooms: Listed[] = [];
  let next: string | undefined = '';
  let pages = 0;
  do {
    const { Response } = await page(simulator, next);
    rooms.push(...(Response?.RoomList ?? []));
    next = Response?.Next;
    pages++;
  } while (next !== '');
  expect(pages).toBe(3);
  expect(new Set(rooms.map(({ RoomId }) => RoomId)).size).toBe(45);
  const views = rooms.map(({ ViewCount }) => ViewCount);
  expect(views).toEqual([...views].sort((a, b) => b - a));
  expect(rooms[0]).toMatchObject({
    RoomName: expect.any(String) as string,
    Owner_Account: expect.any(String) as string,
    CreateTime: expect.any(Number) as number,
  });
});

test('the list moves while rooms go and come: a reader skips one, and finds it when it reads again', async () => {
  const simulator = await start({ rooms: 25 });
  const first = (await page(simulator)).Response;
  const [gone] = first?.RoomList ?? [];
  await destroy(simulator, gone?.RoomId ?? '');
  const second = (await page(simulator, first?.Next)).Response;
  expect(second?.RoomList).toHaveLength(4);
  simulator.addRooms([gone?.RoomId ?? '', 'fresh']);
  const again = [
    ...((await page(simulator)).Response?.RoomList ?? []),
    ...((await page(simulator, '20')).Response?.RoomList ?? []),
  ];
  expect(again).toHaveLength(26);
  expect(new Set(again.map(({ RoomId }) => RoomId)).size).toBe(26);
  const views = again.map(({ ViewCount }) => ViewCount);
  expect(views).toEqual([...views].sort((a, b) => b - a));
});

test.each([
  ['', 21],
  ['', 0],
  ['', 1.5],
  ['', '20'],
  ['page two', 20],
  [undefined, 20],
  ['', undefined],
])('get_room_list refuses Next %j with Count %j as 100002', async (next, count) => {
  const simulator = await start({ rooms: 1 });
  const body = JSON.stringify({ Next: next, Count: count });
  expect((await ask(simulator, 'get_room_list', '', { body })).ErrorCode).toBe(100002);
});

test.each<[rule: string, code: number, changes: Changes]>([
  ['a wrong key is 70009', 70009, { parameters: { usersig: sign({ key: 'another key' }) } }],
  [
    'another account than the administrator is 60010',
    60010,
    {
      parameters: { identifier: 'guest', usersig: sign({ identifier: 'guest' }) },
    },
  ],
  ['a missing random is 60025', 60025, { parameters: { random: undefined } }],
  ['a body without RoomId is 100002', 100002, { body: '{}' }],
  ['a method other than POST is 60002', 60002, { method: 'GET' }],
])('every command that reads keeps the same rules: %s', async (_rule, code, changes) => {
  const simulator = await start({ rooms: 1 });
  for (const command of commands) {
    expect((await ask(simulator, command, 'room-000001', changes)).ErrorCode).toBe(code);
  }
  if (changes.body !== undefined) return;
  const body = JSON.stringify({ Next: '', Count: 20 });
  expect((await ask(simulator, 'get_room_list', '', { body, ...changes })).ErrorCode).toBe(code);
});

test('no command is an arrival of another: counts, codes, randoms and faults of destroy_room know nothing of it', async () => {
  const simulator = await start({ rooms: 1, faults: ['502*1'] });
  for (const command of commands) {
    for (let sent = 0; sent < 3; sent++) {
      const reply = await ask(simulator, command, 'never', { parameters: { random: '7' } });
      expect(reply.ErrorCode).toBe(100004);
    }
  }
  await page(simulator);
  expect(simulator.arrivals()).toHaveLength(0);
  const three = { requests: 3, worstWindow: 3, overQuota: 0, codes: { '100004': 3 } };
  expect(simulator.report()).toMatchObject({
    ...{ requests: 0, worstWindow: 0, codes: {}, repeatedRandoms: 0 },
    commands: {
      get_room_info: three,
      get_room_stats: three,
      get_room_list: { requests: 1, codes: { '0': 1 } },
    },
  });
  expect((await send(simulator, 'room-000001')).status).toBe(502);
});

test('each command has a quota of its own, refused with 60007 before all else', async () => {
  const simulator = await start({
    rooms: 1,
    quotaPerSecond: 1,
    quotas: { get_room_info: 2, get_room_list: 1 },
  });
  expect((await destroy(simulator, 'room-000001')).ErrorCode).toBe(0);
  const codes: number[] = [];
  for (let sent = 0; sent < 3; sent++) {
    codes.push((await ask(simulator, 'get_room_info', 'never', { query: '' })).ErrorCode);
  }
  expect(codes).toEqual([60012, 60012, 60007]);
  expect((await page(simulator)).ErrorCode).toBe(0);
  expect((await page(simulator)).ErrorCode).toBe(60007);
  expect((await ask(simulator, 'get_room_stats', 'never')).ErrorCode).toBe(100004);
  nowMs = 1_000;
  expect((await page(simulator)).ErrorCode).toBe(0);
  expect(simulator.report()).toMatchObject({
    overQuota: 0,
    commands: { get_room_info: { overQuota: 1 }, get_room_list: { requests: 3, overQuota: 1 } },
  });
});

test.each([
  ['get_room_info', 200],
  ['get_room_stats', 100],
  ['get_room_list', 10],
] as const)('the quota of %s is %i unless told otherwise', async (command, quota) => {
  const simulator = await start({ rooms: 1 });
  const body = command === 'get_room_list' ? '{"Next":"","Count":1}' : '{"RoomId":"room-000001"}';
  const usersig = sign();
  const parameters = { usersig };
  const codes = await Promise.all(
    Array.from({ length: quota + 3 }, () =>
      ask(simulator, command, '', { body, parameters }).then((reply) => reply.ErrorCode),
    ),
  );
  expect(codes.filter((code) => code === 0)).toHaveLength(quota);
  expect(codes.filter((code) => code === 60007)).toHaveLength(3);
});
