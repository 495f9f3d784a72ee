import { expect, test } from 'vitest';
import { ReaperError } from '../../src/errors.js';
import { type ReadRoomListOptions, readRoomList } from '../../src/room-list/read-room-list.js';
import type { RoomListLayout } from '../../src/room-list/room-list.js';
import { all, chunksOf } from './lists.js';

async function layoutsOf(text: string | Uint8Array, options: ReadRoomListOptions = {}) {
  const layouts: RoomListLayout[] = [];
  await all(
    readRoomList(chunksOf(text), { ...options, onLayout: (layout) => layouts.push(layout) }),
  );
  return layouts;
}

test.each<[rule: string, text: string, options: ReadRoomListOptions, layout: RoomListLayout]>([
  [
    '--format beats extension and content',
    'room_id\na',
    { format: 'lines', name: 'a.csv' },
    { format: 'lines', detectedBy: 'option' },
  ],
  ['.txt', 'a\nroom_id', { name: 'a.txt' }, { format: 'lines', detectedBy: 'extension' }],
  [
    'what looks like a header may be a RoomId, if somebody says so',
    'room_id\na',
    { name: 'a.txt', format: 'lines' },
    { format: 'lines', detectedBy: 'option' },
  ],
  [
    '.CSV',
    'x,RoomId\n1,a',
    { name: 'A.CSV' },
    { format: 'csv', column: 'RoomId', detectedBy: 'extension' },
  ],
  [
    '.ndjson',
    '{"roomId":"a"}',
    { name: 'a.ndjson' },
    { format: 'ndjson', detectedBy: 'extension' },
  ],
  ['.jsonl', 'x', { name: 'a.jsonl' }, { format: 'ndjson', detectedBy: 'extension' }],
  [
    'another extension says nothing',
    'room_id\na',
    { name: 'rooms.csv.bak' },
    { format: 'csv', column: 'room_id', detectedBy: 'content' },
  ],
  [
    'a header',
    '\r\n\n"room_id",x\r\na,1',
    {},
    { format: 'csv', column: 'room_id', detectedBy: 'content' },
  ],
  [
    'a header after a byte order mark',
    '\ufeffroom_id\na',
    {},
    { format: 'csv', column: 'room_id', detectedBy: 'content' },
  ],
  ['a JSON object', '\n {"x":1,"roomId":"a"}', {}, { format: 'ndjson', detectedBy: 'content' }],
  [
    'a JSON object without roomId, or broken',
    '{"room_id":',
    {},
    { format: 'ndjson', detectedBy: 'content' },
  ],
  ['a RoomId in braces', '{6F9619FF-8B86}', {}, { format: 'lines', detectedBy: 'content' }],
  ['a bad quote', '"room_id\n', {}, { format: 'lines', detectedBy: 'content' }],
  ['anything else', 'room-1\nroom_id', {}, { format: 'lines', detectedBy: 'content' }],
])(
  'the format is told by the caller, else the extension, else the first line: %s',
  async (_, text, options, layout) => {
    expect(await layoutsOf(text, options)).toEqual([layout]);
  },
);

test('an empty list has no format', async () => {
  expect(await layoutsOf('', { name: 'a.csv' })).toEqual([]);
});

test.each<[what: string, text: string, name: string, remedy: string]>([
  ['CSV in a .txt', 'room_id,title\na,b', 'a.txt', 'choose --format csv, or --format lines'],
  ['a column in a .txt, as mysql prints it', '\nroom_id\na', 'a.txt', 'choose --format csv'],
  ['NDJSON in a .txt', '{"roomId":"a"}', 'a.txt', 'choose --format ndjson'],
  ['a header with a wrong name', 'roomId,title\na,b', '', 'name the column RoomId or room_id'],
  ['of psql', ' room_id | title\n a | b', 'a.txt', 'name the column RoomId or room_id'],
  ['with semicolons', 'title;ROOM_ID\na;b', 'a.txt', 'name the column RoomId or room_id'],
])('what looks like another format is not read as RoomIds: %s', async (_, text, name, remedy) => {
  await expect(layoutsOf(text, { name })).rejects.toMatchObject({
    code: 'INVALID',
    message: expect.stringContaining(remedy) as unknown,
  });
});

test.each<[what: string, text: string | Uint8Array, message: string]>([
  ['a JSON array', '["a","b"]', 'got a JSON array; write one object with a roomId a line'],
  ['a CSV header without such a column', 'id,name\n1,a', 'got a "," in every line'],
  ['bzip2', 'BZh91AY', 'got bzip2 data; unpack it first'],
  ['an old spreadsheet', Uint8Array.from([0xd0, 0xcf, 0x11, 0xe0]), 'got a spreadsheet'],
  ['a PDF', '%PDF-1.7', 'got a PDF'],
  ['a JSON array over several lines', '[\n{"roomId":"a"}]', 'got a JSON array'],
  [
    'UTF-16',
    Buffer.from('\ufeffroom', 'utf16le'),
    'must be plain text, got UTF-16; save it as UTF-8',
  ],
  ['gzip', Uint8Array.from([0x1f, 0x8b, 8]), 'got gzip data; unpack it first'],
  ['a spreadsheet', 'PK\x03\x04', 'got a zip archive or spreadsheet'],
])('a file that is no text of records is refused as a whole: %s', async (_, text, message) => {
  const error = await layoutsOf(text).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(ReaperError);
  expect(error).toMatchObject({
    code: 'INVALID',
    message: expect.stringContaining(message) as unknown,
  });
});
