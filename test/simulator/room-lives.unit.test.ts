import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createLives, type LivesOptions } from '../../src/simulator/room-lives.js';
import { numberedRooms } from '../../src/simulator/rooms-file.js';
import { createRooms, type Room } from '../../src/simulator/simulated-rooms.js';

beforeEach(() => {
  vi.useFakeTimers({ now: 1_800_000_000_000 });
});
afterEach(() => {
  vi.useRealTimers();
});

/**
 * Rooms that come and go; `gone` tells the order.
 *
 * @param begins - which of the rooms that are created have a time to live.
 */
function open(
  options: Partial<LivesOptions>,
  listed = 0,
  begins: (room: Room) => boolean = () => true,
) {
  const lives = createLives({ createPerSecond: 0, endAfterSeconds: 0, seed: 1, ...options });
  const gone: string[] = [];
  const rooms = createRooms({
    anyRoom: false,
    onCreated: (room) => {
      if (begins(room)) lives.begin(room);
    },
    onGone: ({ roomId, state }: Room) => gone.push(`${roomId} ${state}`),
  });
  rooms.add([...numberedRooms(listed)].map((roomId) => ({ roomId, faults: [] })));
  lives.start(rooms);
  return { rooms, gone, stop: () => lives.stop() };
}

test('rooms are created while it runs, so many a second, with the time of their creation', () => {
  const { rooms, stop } = open({ createPerSecond: 3 });
  vi.advanceTimersByTime(10_000);
  expect(rooms.counts()).toEqual({ destroyed: 0, ended: 0, left: 30 });
  expect(rooms.live('created-000030')).toMatchObject({ createdAt: 1_800_000_010 });
  expect(rooms.live('created-000001')).toMatchObject({ createdAt: 1_800_000_000 });
  stop();
  vi.advanceTimersByTime(10_000);
  expect(rooms.counts().left).toBe(30);
});

test('the system ends every room within the time, not all at once, and the same seed in the same order', () => {
  const first = open({ endAfterSeconds: 60 }, 300);
  vi.advanceTimersByTime(30_000);
  expect(first.rooms.counts().ended).toBeGreaterThan(100);
  expect(first.rooms.counts().left).toBeGreaterThan(100);
  vi.advanceTimersByTime(30_200);
  expect(first.rooms.counts()).toEqual({ destroyed: 0, ended: 300, left: 0 });
  const same = open({ endAfterSeconds: 60 }, 300);
  const other = open({ endAfterSeconds: 60, seed: 2 }, 300);
  vi.advanceTimersByTime(60_200);
  expect(same.gone).toEqual(first.gone);
  expect(other.gone).not.toEqual(first.gone);
});

test('a room that was destroyed is not ended, and one created again lives from then', () => {
  const { rooms, gone } = open({ endAfterSeconds: 60 }, 1);
  rooms.destroy(rooms.get('room-000001'));
  vi.advanceTimersByTime(59_000);
  rooms.add([{ roomId: 'room-000001', faults: [] }], 1_800_000_059);
  vi.advanceTimersByTime(60_200);
  expect(gone).toEqual(['room-000001 destroyed', 'room-000001 ended']);
  expect(rooms.counts()).toEqual({ destroyed: 1, ended: 1, left: 0 });
});

test('what a room had left when it was destroyed is nothing to the next one by its id', () => {
  const again = (begins?: (room: Room) => boolean) => {
    const { rooms, gone } = open({ endAfterSeconds: 60 }, 30, begins);
    const entries = [...numberedRooms(30)].map((roomId) => ({ roomId, faults: [] }));
    for (const { roomId } of entries) rooms.destroy(rooms.get(roomId));
    rooms.add(entries, 1_800_000_000);
    vi.advanceTimersByTime(60_200);
    return gone;
  };
  expect(again()).toEqual(again(({ life }) => life === 1));
});

test('without a time to live, and without rooms to create, nothing is ever due', () => {
  open({}, 3);
  expect(vi.getTimerCount()).toBe(0);
});
