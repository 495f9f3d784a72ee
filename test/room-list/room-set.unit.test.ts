import { expect, test } from 'vitest';
import { createRoomSet } from '../../src/room-list/room-set.js';

test('a room is new once', () => {
  const rooms = createRoomSet();
  expect(['a', 'b', 'a', ' a', 'A', 'a'].map((room) => rooms.add(room))).toEqual([
    true,
    true,
    false,
    true,
    true,
    false,
  ]);
  expect(rooms.size).toBe(4);
});

test('every room is still known after the set has grown many times', () => {
  const rooms = createRoomSet();
  const ids = Array.from({ length: 50_000 }, (_, index) => `room-${index}`);
  expect(ids.every((id) => rooms.add(id))).toBe(true);
  expect(ids.some((id) => rooms.add(id))).toBe(false);
  expect(rooms.size).toBe(50_000);
});

// As a million in 64 MB: the tables double, so that a quarter fills them as far.
test('a quarter of a million rooms take less than 16 MB outside the heap', () => {
  const before = process.memoryUsage().arrayBuffers;
  const rooms = createRoomSet();
  for (let index = 0; index < 250_000; index += 1) rooms.add(`room-${index}`);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16e6);
  expect(rooms.size).toBe(250_000);
});
