import { expect, test } from 'vitest';
import { burst, destroy, send, sign, start, type Changes } from './client.js';

const path = '/v4/live_engine_http_srv/get_room_info';

interface Reply {
  ErrorCode: number;
  ErrorInfo: string;
  ActionStatus: string;
  RequestId: string;
  Response?: { RoomInfo: Record<string, unknown> };
}

async function info(
  simulator: { url: string },
  roomId: string,
  changes: Changes = {},
): Promise<Reply> {
  return (await send(simulator, roomId, { path, ...changes }).then((r) => r.json())) as Reply;
}

test('a room that exists is described, and stays', async () => {
  const simulator = await start({ rooms: 1 });
  expect(await info(simulator, 'room-000001')).toMatchObject({
    ...{ ErrorCode: 0, ErrorInfo: '', ActionStatus: 'OK' },
    Response: { RoomInfo: { RoomId: 'room-000001', RoomType: 'Live' } },
  });
  expect(simulator.room('room-000001')).toEqual({ state: 'live', requests: 0 });
  expect((await destroy(simulator, 'room-000001')).ErrorCode).toBe(0);
});

test('a room that never existed, and one that was destroyed, are 100004', async () => {
  const simulator = await start({ rooms: 1 });
  await destroy(simulator, 'room-000001');
  for (const roomId of ['room-000001', 'never']) {
    expect(await info(simulator, roomId)).toMatchObject({
      ...{ ErrorCode: 100004, ActionStatus: 'FAIL' },
    });
  }
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
])('get_room_info keeps the same rules: %s', async (_rule, code, changes) => {
  const simulator = await start({ rooms: 1 });
  expect((await info(simulator, 'room-000001', changes)).ErrorCode).toBe(code);
});

test('get_room_info is no arrival of destroy_room: counts, codes, randoms and faults know nothing of it', async () => {
  const simulator = await start({ rooms: 1, faults: ['502*1'] });
  for (let sent = 0; sent < 3; sent++) {
    expect((await info(simulator, 'never', { parameters: { random: '7' } })).ErrorCode).toBe(
      100004,
    );
  }
  expect(simulator.arrivals()).toHaveLength(0);
  expect(simulator.report()).toMatchObject({
    ...{ requests: 0, worstWindow: 0, codes: {}, repeatedRandoms: 0, roomInfoRequests: 3 },
  });
  expect((await send(simulator, 'room-000001')).status).toBe(502);
});

test('get_room_info has a quota of its own', async () => {
  const simulator = await start({ rooms: 3, quotaPerSecond: 2 });
  expect(await burst(simulator, ['room-000001', 'room-000002', 'room-000003'])).toEqual([
    0, 0, 60007,
  ]);
  const codes = await Promise.all([1, 2, 3].map(() => info(simulator, 'never')));
  expect(codes.map(({ ErrorCode }) => ErrorCode).sort()).toEqual([100004, 100004, 60007].sort());
  expect(simulator.report()).toMatchObject({ requests: 3, overQuota: 1 });
});
