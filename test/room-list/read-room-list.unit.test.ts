import fc from 'fast-check';
import { expect, test } from 'vitest';
import { foreignShape } from '../../src/foreign-shape.js';
import { readRoomList } from '../../src/room-list/read-room-list.js';
import type { RoomListFormat } from '../../src/room-list/room-list.js';
import { all, chunksOf, inShort, read } from './lists.js';

// fast-check prints the seed and the smallest failing case itself.

const pieces = [
  'a',
  'room-1',
  ' ',
  ',',
  '"',
  '""',
  '\n',
  '\n',
  '\r\n',
  '\r',
  '\0',
  'é',
  '😀',
  '\ufeff',
  '{"roomId":"a"}\n',
  'room_id',
  'RoomId,',
  '{',
  '[',
  '"x,y"',
  '"x\ny"',
  'x'.repeat(100),
  'y'.repeat(65_530),
  '\n'.repeat(65_540),
].map((text) => Buffer.from(text));

const listBytes = fc
  .array(
    fc.oneof(
      { weight: 12, arbitrary: fc.constantFrom(...pieces) },
      { weight: 1, arbitrary: fc.uint8Array({ maxLength: 5 }) },
    ),
    { maxLength: 40 },
  )
  .map((parts) => Buffer.concat(parts));
const header = fc.constantFrom('', '', 'room_id\n', 'x,room_id\n', '{"roomId":"a"}\n');
const format = fc.constantFrom<RoomListFormat | undefined>(undefined, 'lines', 'csv', 'ndjson');
const cuts = fc.array(fc.oneof(fc.nat({ max: 200 }), fc.nat({ max: 140_000 })), { maxLength: 12 });

function cut(bytes: Buffer, at: readonly number[]): Buffer[] {
  const places = [0, ...at.map((place) => Math.min(place, bytes.length)), bytes.length];
  places.sort((a, b) => a - b);
  return places.slice(1).map((place, index) => bytes.subarray(places[index], place));
}

async function outcome(
  chunks: Uint8Array[],
  wanted: RoomListFormat | undefined,
  batchSize?: number,
) {
  const layouts: unknown[] = [];
  const onLayout = (layout: unknown) => layouts.push(layout);
  const entries = await all(
    readRoomList(chunksOf(...chunks), { format: wanted, onLayout, batchSize }),
  ).catch((error: unknown) => {
    if (error instanceof Error && error.name === 'ReaperError') return error.message;
    throw error;
  });
  return { layouts, entries };
}

test('where the chunks are cut and how large batches are never changes the result', async () => {
  await fc.assert(
    fc.asyncProperty(
      header,
      listBytes,
      format,
      cuts,
      fc.integer({ min: 1, max: 9 }),
      async (first, rest, wanted, at, batchSize) => {
        const bytes = Buffer.concat([Buffer.from(first), rest]);
        const whole = await outcome([bytes], wanted);
        expect(await outcome(cut(bytes, at), wanted, batchSize)).toEqual(whole);
      },
    ),
    { numRuns: 250 },
  );
});

test('cuts between all bytes never change the result', async () => {
  const text = '\ufeffx,room_id\r\n"ä\r\n",a\r\n\r\n1,"b ""c"""\r\n"2"3,d\n4,é\n5,"e\r';
  const bytes = Buffer.from(text);
  const whole = await outcome([bytes], undefined);
  expect(
    await outcome(
      Array.from(bytes, (byte) => Uint8Array.of(byte)),
      undefined,
    ),
  ).toEqual(whole);
});

test('no message carries a control or non-ASCII character of the list', async () => {
  await fc.assert(
    fc.asyncProperty(header, listBytes, format, async (first, rest, wanted) => {
      const { entries } = await outcome([Buffer.from(first), rest], wanted);
      const texts = typeof entries === 'string' ? [entries] : entries.map(inShort);
      for (const text of texts) expect(text).toMatch(/^[ -~–…]*$/);
    }),
    { numRuns: 150 },
  );
});

const roomId = fc.string({
  unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)),
  minLength: 1,
  maxLength: 48,
});

test.each<[RoomListFormat, head: string, line: (room: string) => string]>([
  ['lines', '', (room) => room],
  [
    'csv',
    'x,room_id\n',
    (room) => `"é\n,",${/[",]/.test(room) ? `"${room.replaceAll('"', '""')}"` : room}`,
  ],
  ['ndjson', '', (room) => JSON.stringify({ roomId: room })],
])('every legal RoomId survives %s', async (wanted, head, line) => {
  // In a file, one with the shape of something else is meant where it is said to be a line.
  const meant = roomId.filter((room) => wanted === 'lines' || foreignShape(room) === undefined);
  await fc.assert(
    fc.asyncProperty(fc.array(meant), async (rooms) => {
      const text = head + rooms.map((room) => `${line(room)}\r\n`).join('');
      const found = await read(text, { format: wanted });
      expect(found.map((entry) => entry.replace(/^\d+ /, ''))).toEqual(rooms);
    }),
  );
});
