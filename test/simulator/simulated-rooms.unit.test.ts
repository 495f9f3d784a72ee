import { expect, test } from 'vitest';
import { numberedRooms } from '../../src/simulator/rooms-file.js';
import { statisticsOf } from '../../src/simulator/truth.js';
import { codesOf, destroy, start } from './client.js';

test('success is exactly the documented reply, with the statistics of the room', async () => {
  const simulator = await start({ rooms: ['live-room'] });
  const reply = await destroy(simulator, 'live-room');
  expect(reply).toEqual({
    ErrorCode: 0,
    ErrorInfo: '',
    ActionStatus: 'OK',
    RequestId: expect.stringMatching(/^Id-/) as string,
    Response: { Statistic: statisticsOf('live-room') },
  });
});

test('statistics come once: a room that was destroyed is 100004 ever after', async () => {
  const simulator = await start({ rooms: ['live-room'] });
  expect(await codesOf(simulator, 'live-room', 3)).toEqual([0, 100004, 100004]);
  expect(simulator.report()).toMatchObject({
    rooms: { destroyed: 1, left: 0 },
    requestsForDestroyedRooms: 2,
  });
});

test('of two requests at once for one room only one destroys it', async () => {
  const simulator = await start({ rooms: ['live-room'], latencyMs: 20 });
  const replies = await Promise.all([
    destroy(simulator, 'live-room'),
    destroy(simulator, 'live-room'),
  ]);
  expect(replies.map((reply) => reply.ErrorCode).sort((a, b) => a - b)).toEqual([0, 100004]);
});

test('a room that never was is 100004 and does not count as destroyed', async () => {
  const simulator = await start({ rooms: ['live-room'] });
  expect((await destroy(simulator, 'other-room')).ErrorCode).toBe(100004);
  expect(simulator.room('other-room')).toEqual({ state: 'absent', requests: 1 });
  expect(simulator.report()).toMatchObject({
    rooms: { destroyed: 0, left: 1 },
    requestsForDestroyedRooms: 0,
  });
});

test('a RoomId is case-sensitive', async () => {
  const simulator = await start({ rooms: ['Room'] });
  expect((await destroy(simulator, 'room')).ErrorCode).toBe(100004);
});

test('a room can be created again after it was destroyed', async () => {
  const simulator = await start({ rooms: ['live-room'] });
  await destroy(simulator, 'live-room');
  simulator.addRooms(['live-room', 'second-room']);
  expect(await codesOf(simulator, 'live-room', 2)).toEqual([0, 100004]);
  expect((await destroy(simulator, 'second-room')).ErrorCode).toBe(0);
  expect(simulator.report().rooms).toEqual({ destroyed: 3, ended: 0, left: 0 });
});

test('with anyRoom every room exists until it is destroyed', async () => {
  const simulator = await start({ anyRoom: true, rooms: ['listed\tgone'] });
  expect(simulator.room('whatever')).toEqual({ state: 'live', requests: 0 });
  expect(await codesOf(simulator, 'whatever', 2)).toEqual([0, 100004]);
  expect((await destroy(simulator, 'listed')).ErrorCode).toBe(100004);
});

test('every reply has a RequestId of its own', async () => {
  const first = await start({ rooms: 1 });
  const second = await start({ rooms: 1 });
  const ids = new Set<string>();
  for (const simulator of [first, second]) {
    for (let sent = 0; sent < 3; sent++) {
      ids.add((await destroy(simulator, 'room-000001')).RequestId);
    }
  }
  expect(ids.size).toBe(6);
});

test('the statistics of a room are the same in every run and every version', () => {
  expect(statisticsOf('room-000001')).toEqual({
    TotalViewers: 69_865,
    TotalGiftsSent: 6_670,
    TotalGiftCoins: 5_275_970,
    TotalUniqueGiftSenders: 3_066,
    TotalLikesReceived: 3_644_093_702,
  });
});

test('the statistics of a room differ from room to room, fit together and go beyond 32 bits', () => {
  const all = [...numberedRooms(2_000)].map(statisticsOf);
  for (const one of all) {
    expect(Object.values(one).every((value) => Number.isSafeInteger(value) && value >= 0)).toBe(
      true,
    );
    expect(one.TotalUniqueGiftSenders).toBeLessThanOrEqual(one.TotalGiftsSent);
    expect(one.TotalUniqueGiftSenders).toBeLessThanOrEqual(one.TotalViewers);
  }
  expect(new Set(all.map((one) => JSON.stringify(one))).size).toBe(2_000);
  expect(all.some((one) => one.TotalLikesReceived > 2 ** 31)).toBe(true);
  expect(all.some((one) => one.TotalGiftCoins > 2 ** 32)).toBe(true);
});

test('the statistics of a room are summed up in the report over the rooms destroyed, told or not', async () => {
  const simulator = await start({ rooms: ['told', 'untold\tcut', 'kept'] });
  await destroy(simulator, 'told');
  await expect(destroy(simulator, 'untold')).rejects.toThrow();
  const likes = statisticsOf('told').TotalLikesReceived + statisticsOf('untold').TotalLikesReceived;
  expect(simulator.report().statistics.TotalLikesReceived).toBe(likes);
});

test('a number of rooms makes room-000001 and so on', () => {
  expect([...numberedRooms(3)]).toEqual(['room-000001', 'room-000002', 'room-000003']);
});
