import { expect, test } from 'vitest';
import { read } from './lists.js';

const RULE = 'RoomId must be 1–48 bytes of printable ASCII, got';

test.each<[rule: string, text: string, entries: string[]]>([
  ['an empty file has no rooms', '', []],
  [
    'roomId of each object is the RoomId, other keys are left alone',
    '{"roomId":"a","x":[1]}\n{"x":{"roomId":"c"},"roomId":"b"}',
    ['1 a', '2 b'],
  ],
  ['blank lines are skipped, CRs too', '\n{"roomId":"a"}\r\n\r\n{"roomId":"b"}', ['2 a', '4 b']],
  ['escapes are read', '{"roomId":"\\u0061 \\"b\\""}', ['1 a "b"']],
  ['spaces around a line are JSON, spaces in the RoomId count', '  {"roomId":"a b"} ', ['1 a b']],
  [
    'a space at an edge of the RoomId is refused',
    '{"roomId":"a "}',
    [
      'line 1: RoomId must stand alone, got "a ", which has a space at an edge; correct it, or where it is meant, give a list of one RoomId a line with --format lines',
    ],
  ],
  ['a byte order mark is skipped', '\ufeff{"roomId":"a"}', ['1 a']],
  ['a number is no RoomId', '{"roomId":5}', ['line 1: roomId must be a JSON string, got "5"']],
  ['null is no RoomId', '{"roomId":null}', ['line 1: roomId must be a JSON string, got "null"']],
  [
    'an object without roomId is a bad line',
    '{"room_id":"a"}',
    ['line 1: JSON object must have a roomId, got "{\\"room_id\\":\\"a\\"}"'],
  ],
  [
    'what every object inherits is no roomId',
    '{"__proto__":{"roomId":"a"}}',
    ['line 1: JSON object must have a roomId, got "{\\"__proto__\\":{\\"roomId\\":\\"a\\"}}"'],
  ],
  [
    'an array is a bad line',
    '["a"]',
    ['line 1: line must be a JSON object with a roomId, got "[\\"a\\"]"'],
  ],
  ['null is a bad line', 'null', ['line 1: line must be a JSON object with a roomId, got "null"']],
  [
    'a plain RoomId is a bad line',
    'room-1',
    ['line 1: line must be a JSON object with a roomId, got "room-1"'],
  ],
  [
    'a line of only spaces is a bad line',
    ' ',
    ['line 1: line must be a JSON object with a roomId, got " "'],
  ],
  [
    'a truncated last object is a bad line',
    '{"roomId":"a"}\n{"roomId":"b',
    ['1 a', 'line 2: line must be a JSON object with a roomId, got "{\\"roomId\\":\\"b"'],
  ],
  [
    'an illegal RoomId is a bad line',
    '{"roomId":"a\\u0000"}\n{"roomId":"é"}\n{"roomId":""}',
    [`line 1: ${RULE} "a\\u0000"`, `line 2: ${RULE} "\\u00e9"`, `line 3: ${RULE} ""`],
  ],
  [
    'control characters of a bad line are escaped',
    '\u001b[2J',
    ['line 1: line must be a JSON object with a roomId, got "\\u001b[2J"'],
  ],
])('NDJSON: %s', async (_, text, entries) => {
  expect(await read(text, { format: 'ndjson' })).toEqual(entries);
});

test('NDJSON: a line of more than 64 KiB is a bad line, and reading goes on after it', async () => {
  const [problem, room] = await read(`{"x":"${'y'.repeat(70_000)}","roomId":"a"}\n{"roomId":"b"}`);
  expect(problem).toMatch(/^line 1: line must be at most 65536 bytes, got 70021 bytes that begin /);
  expect(room).toBe('2 b');
});
