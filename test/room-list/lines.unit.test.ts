import { expect, test } from 'vitest';
import { read } from './lists.js';

const RULE = 'RoomId must be 1–48 bytes of printable ASCII, got';
const bytes = (...parts: (string | number[])[]) =>
  Buffer.concat(
    parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Uint8Array.from(part))),
  );

test.each<[rule: string, text: string | Uint8Array, entries: string[]]>([
  ['an empty file has no rooms', '', []],
  ['a file of blank lines has no rooms', '\n\r\n\n', []],
  ['each line is a RoomId', 'a\nb\n', ['1 a', '2 b']],
  ['a last line without a newline counts', 'a\nb', ['1 a', '2 b']],
  ['a last line that ends in a CR counts without it', 'a\r\nb\r', ['1 a', '2 b']],
  ['a trailing CR is not part of the RoomId', 'a\r\nb\r\n', ['1 a', '2 b']],
  ['only one CR is', 'a\r\r\n', [`line 1: ${RULE} "a\\r"`]],
  ['blank lines are skipped and counted', '\n\na\n\r\nb\n', ['3 a', '5 b']],
  ['spaces inside a RoomId count', 'a b\n', ['1 a b']],
  ['a byte order mark is skipped', '\ufeffa\nb', ['1 a', '2 b']],
  ['a file of nothing but a byte order mark has no rooms', '\ufeff', []],
  ['a second byte order mark is a bad line', 'a\n\ufeffb', ['1 a', `line 2: ${RULE} "\\ufeffb"`]],
  ['commas, quotes and braces are legal', 'a,b\nc "d"\n{d}', ['1 a,b', '2 c "d"', '3 {d}']],
  [
    'bad lines are reported between good ones',
    'a\ncafé\nb',
    ['1 a', `line 2: ${RULE} "caf\\u00e9"`, '3 b'],
  ],
  ['NUL is a bad line', 'a\0b\nc', [`line 1: ${RULE} "a\\u0000b"`, '2 c']],
  [
    'bytes that are no UTF-8 are a bad line',
    bytes('a', [0xff], '\nc'),
    [`line 1: ${RULE} "a\\xff"`, '2 c'],
  ],
  ['old Mac line ends are one bad line', 'a\rb\rc', [`line 1: ${RULE} "a\\rb\\rc"`]],
  [
    'a line of 65,536 bytes is a bad RoomId',
    'x'.repeat(65_536),
    [`line 1: ${RULE} 65536 bytes: "${'x'.repeat(64)}…"`],
  ],
  [
    'a line of more than 64 KiB is a bad line, and reading goes on after it',
    `a\n${'x'.repeat(200_000)}\nb`,
    [
      '1 a',
      `line 2: line must be at most 65536 bytes, got 200000 bytes that begin with "${'x'.repeat(64)}…"`,
      '3 b',
    ],
  ],
])('one RoomId a line: %s', async (_, text, entries) => {
  expect(await read(text)).toEqual(entries);
});

test('every legal RoomId is meant where somebody says that it is a list of lines', async () => {
  const rooms = [' a ', '   ', '"c"', '[]', '#N/A', 'room_id', '<p>', 'd,', '1.23E+11'];
  const found = await read(rooms.join('\n'), { format: 'lines' });
  expect(found).toEqual(rooms.map((room, index) => `${index + 1} ${room}`));
});

test.each([
  ['psql', ' live-1\n live-2\n(2 rows)', [1, 2, 3]],
  ['psql without its header', '---------\nlive-1\n(1 row)', [1, 3]],
  ['psql -x', '-[ RECORD 1 ]---\nroom_id | live-1', [1, 2]],
  ['mysql', '+--------+\n| live-1 |\n+--------+\n2 rows in set (0.00 sec)', [1, 2, 3, 4]],
  ['mysql -E', '*** 1. row ***\nroom_id: live-1', [1, 2]],
  ['redis-cli', '1) "live-1"\n2) "live-2"', [1, 2]],
  ['jq without -r', '"live-1"\n"live-2"', [1, 2]],
  ['a list of a program', "'live-1'\nlive-2,\nlive-3", [1, 2]],
  ['a page of HTML', '<!DOCTYPE html>\n<h1>Bad Gateway</h1>\n  nginx\n</html>', [1, 2, 3, 4]],
  ['spaces at the edges', 'live-1 \n live-2\nlive-3', [1, 2]],
  ['a spreadsheet', 'live-1\n1.23E+11\n#N/A\n#REF!\n#####\nlive-2', [2, 3, 4, 5]],
  ['two lists of CSV in one', 'live-1\nroom_id\nlive-2', [2]],
  ['JSON over several lines', 'live-1\n{\n}\n[],\n["a"]', [2, 3, 4, 5]],
])('a list in another notation is refused with its lines: %s', async (_, text, bad) => {
  const found = await read(text);
  const refused = found.flatMap((entry) => /^line (\d+): RoomId must stand/.exec(entry)?.[1] ?? []);
  expect(refused.map(Number), found.join('\n')).toEqual(bad);
});

test.each([
  ['rows of CSV without a header', 'live-1,VIP\nlive-2,\nlive-3,x'],
  ['rooms in one line', 'live-1,live-2,live-3'],
  ['semicolons', 'live-1;VIP\nlive-2;x'],
  ['what psql -A prints', 'live-1|VIP\nlive-2|x'],
])('a list with a separator in every line is refused: %s', async (_, text) => {
  await expect(read(text)).rejects.toMatchObject({
    code: 'INVALID',
    message: expect.stringMatching(/in every line; .* or choose --format lines/) as unknown,
  });
  expect(await read(text, { format: 'lines' })).toHaveLength(text.split('\n').length);
});
