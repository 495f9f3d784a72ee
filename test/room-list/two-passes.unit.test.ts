import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { joinRoomLists, listOf } from '../../src/room-list/room-list.js';
import { scanRoomList, uniqueRooms } from '../../src/room-list/two-passes.js';
import { all, chunksOf, listIn } from './lists.js';
import { readRoomList } from '../../src/room-list/read-room-list.js';

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

test('the scan counts valid, unique, duplicate and bad lines, and shows the format', async () => {
  expect(await scanRoomList(listIn('x,room_id\n1,a\n2,b\n3,a\n4,é\n5,a\n'))).toEqual({
    format: 'csv',
    column: 'room_id',
    detectedBy: 'content',
    valid: 4,
    unique: 2,
    duplicates: 2,
    invalid: 1,
    problems: [
      {
        position: 5,
        at: 'line 5',
        problem: 'RoomId must be 1–48 bytes of printable ASCII, got "\\u00e9"',
      },
    ],
    doubtful: 0,
    doubts: [],
    fingerprint: sha256('a\nb\na\na'),
  });
});

test('the scan finds nothing in an empty list', async () => {
  expect(await scanRoomList(listIn(''))).toEqual({
    valid: 0,
    unique: 0,
    duplicates: 0,
    invalid: 0,
    problems: [],
    doubtful: 0,
    doubts: [],
    fingerprint: sha256(''),
  });
});

test('the scan tells of RoomIds that are hardly meant, and takes them', async () => {
  const list = joinRoomLists([listIn('a\nlive-3 # keep\n'), listOf(['"b"', 'c'])]);
  expect(await scanRoomList(list)).toMatchObject({
    ...{ valid: 4, invalid: 0, doubtful: 2 },
    doubts: [
      { at: 'line 2', problem: '"live-3 # keep" has the form of a comment' },
      { at: '--room', problem: '"\\"b\\"" has a quote at an edge' },
    ],
  });
});

test('the scan counts every problem and keeps the first 20', async () => {
  const summary = await scanRoomList(listIn('é\n'.repeat(50)));
  expect(summary.invalid).toBe(50);
  expect(summary.problems.map(({ position }) => position)).toEqual(
    Array.from({ length: 20 }, (_, index) => index + 1),
  );
});

const fingerprintOf = async (text: string) => (await scanRoomList(listIn(text))).fingerprint;

test.each([
  ['format', 'room_id\na\nb'],
  ['column order', 'id,room_id\n1,a\n2,b'],
  ['NDJSON', '{"roomId":"a"}\n{"roomId":"b"}'],
  ['line ends and blank lines', '\r\na\r\n\r\nb\r\n'],
  ['bad lines', 'a\né\nb'],
])('the fingerprint does not depend on %s', async (_, text) => {
  expect(await fingerprintOf(text)).toBe(await fingerprintOf('a\nb\n'));
});

test.each([
  ['another room', 'a\nc'],
  ['another order', 'b\na'],
  ['one more time', 'a\nb\nb'],
])('the fingerprint differs by %s', async (_, text) => {
  expect(await fingerprintOf(text)).not.toBe(await fingerprintOf('a\nb\n'));
});

test('the fingerprint does not depend on where batches end', async () => {
  const text = Array.from({ length: 2_500 }, (_, index) => `room-${index}`).join('\n');
  const scans = [1, 7, 1_000].map((batchSize) => scanRoomList(listIn(text, { batchSize })));
  for (const { fingerprint } of await Promise.all(scans)) expect(fingerprint).toBe(sha256(text));
});

test('the second pass gives each valid room once, where it is first seen, and the same fingerprint', async () => {
  const list = listIn('b\na\né\nb\n\nc\na\n', { batchSize: 2 });
  const summary = await scanRoomList(list);
  const rooms = uniqueRooms(list, { summary });
  expect(rooms.fingerprint).toBeUndefined();
  expect(await all(rooms)).toEqual(['b', 'a', 'c']);
  expect(rooms.fingerprint).toBe(summary.fingerprint);
  expect(summary.unique).toBe(3);
});

test('the second pass gives all rooms of a list that the scan found to have no duplicates', async () => {
  const list = listIn('b\na\né\nc\n');
  const rooms = uniqueRooms(list, { summary: await scanRoomList(list) });
  expect(await all(rooms)).toEqual(['b', 'a', 'c']);
});

test('the second pass shows by its fingerprint that the list was changed between the passes', async () => {
  const versions = ['a\nb\n', 'a\nb\nc\n'];
  const list = {
    ...listIn(''),
    entries: () => readRoomList(chunksOf(versions.shift() ?? '')),
  };
  const summary = await scanRoomList(list);
  const rooms = uniqueRooms(list);
  await all(rooms);
  expect(rooms.fingerprint).not.toBe(summary.fingerprint);
});

test('the values of --room are a list whose problems name the flag', async () => {
  expect(await scanRoomList(listOf(['a', 'b\nc', 'a']))).toMatchObject({
    valid: 2,
    unique: 1,
    duplicates: 1,
    invalid: 1,
    problems: [
      {
        position: 2,
        at: '--room',
        problem: 'RoomId must be 1–48 bytes of printable ASCII, got "b\\nc"',
      },
    ],
    fingerprint: sha256('a\na'),
  });
});

test('the values of --room may be none', async () => {
  expect(await all(uniqueRooms(listOf([])))).toEqual([]);
});

test('the values of --room join a file to one list', async () => {
  const list = joinRoomLists([listIn('a\nb\n', { name: 'x.txt' }), listOf(['b', 'c'])]);
  expect(list.name).toBe('a list and --room');
  expect(await scanRoomList(list)).toMatchObject({
    format: 'lines',
    unique: 3,
    duplicates: 1,
    fingerprint: sha256('a\nb\nb\nc'),
  });
  expect(await all(uniqueRooms(list))).toEqual(['a', 'b', 'c']);
});
