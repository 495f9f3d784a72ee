import { expect, test } from 'vitest';
import { ReaperError } from '../../src/errors.js';
import { read } from './lists.js';

const RULE = 'RoomId must be 1–48 bytes of printable ASCII, got';
const QUOTES = 'CSV quotes must enclose a whole field and be doubled inside it, got';
const EDGE = (room: string) =>
  `RoomId must stand alone, got "${room}", which has a space at an edge; correct it, or where it is meant, give a list of one RoomId a line with --format lines`;
const FIELDS = 'CSV row must have as many fields as the header, 2, got';

test.each<[rule: string, text: string, entries: string[]]>([
  ['an empty file has no rooms', '', []],
  ['a header alone has no rooms', 'room_id\n', []],
  [
    'the room_id column holds the RoomIds, other columns are left alone',
    'name,room_id\nä,a\nö,b',
    ['2 a', '3 b'],
  ],
  ['the column may be RoomId', 'RoomId,x\na,1\n', ['2 a']],
  ['the header may be quoted and padded', '"id", room_id \n1,a', ['2 a']],
  ['a byte order mark before the header is skipped', '\ufeffroom_id\na', ['2 a']],
  ['a byte order mark before a quoted header is skipped', '\ufeff"room_id"\na', ['2 a']],
  [
    'CRs are stripped, blank lines skipped and counted',
    '\r\nroom_id\r\na\r\n\r\n"b"\r\n',
    ['3 a', '5 b'],
  ],
  ['a last row without a newline counts', 'room_id\n"a"\r', ['2 a']],
  [
    'a space at an edge of a RoomId is refused, in quotes too; spaces inside count',
    'room_id\n a\n"b "\nc d',
    [`line 2: ${EDGE(' a')}`, `line 3: ${EDGE('b ')}`, '4 c d'],
  ],
  ['other columns may be padded', 'room_id, title \na, x ', ['2 a']],
  ['quotes enclose commas and doubled quotes', 'id,room_id\n1,"a,""b"""', ['2 a,"b"']],
  [
    'a quoted line break in another column is left alone, and its lines are counted',
    'note,room_id\n"x\ny\r\n\nz",a\nw,b',
    ['2 a', '6 b'],
  ],
  [
    'a quoted line break in the RoomId is a problem of its first line',
    'room_id\n"a\nb"\nc',
    [`line 2: ${RULE} "a\\nb"`, '4 c'],
  ],
  [
    'an empty RoomId is a problem',
    'id,room_id\n1,\n2,""',
    [`line 2: ${RULE} ""`, `line 3: ${RULE} ""`],
  ],
  ['an illegal RoomId is a problem', 'room_id\ncafé', [`line 2: ${RULE} "caf\\u00e9"`]],
  [
    'a row with too few fields is a problem',
    'room_id,x\na\nb,1',
    [`line 2: ${FIELDS} 1: "a"`, '3 b'],
  ],
  [
    'a row with too many fields is a problem, not another room',
    'x,room_id\n1,a,b\n2,c',
    [`line 2: ${FIELDS} 3: "1,a,b"`, '3 c'],
  ],
  [
    'a stray quote spoils its own row only',
    'x,room_id\n5" pipe,a\n6,b',
    [`line 2: ${QUOTES} "5\\" pipe,a"`, '3 b'],
  ],
  [
    'text after a closing quote spoils its own row only',
    'x,room_id\n"5"0,a\n6,b',
    [`line 2: ${QUOTES} "\\"5\\"0,a"`, '3 b'],
  ],
  [
    'a spoiled row of several lines says which',
    'x,room_id\n"5\n"0,a\n6,b',
    [`line 2: ${QUOTES} "\\"5\\n\\"0,a" (lines 2–3 are one row)`, '4 b'],
  ],
  [
    'a quote that is never closed is a problem of the line that opens it',
    'x,room_id\n1,a\n"2,b\n3,c\n',
    [
      '2 a',
      'line 3: CSV quote must be closed, got an open one in "\\"2,b\\n3,c\\n" (all from line 3 to the end of the list is one row)',
    ],
  ],
])('CSV: %s', async (_, text, entries) => {
  expect(await read(text, { format: 'csv' })).toEqual(entries);
});

test('CSV: problems stand in the order of the lines, whatever finds them', async () => {
  const text = 'room_id\na\né\nb"\nc,d\n"e"f\ng\n';
  const lines = (await read(text)).map((entry) => /^(?:line )?(\d+)/.exec(entry)?.[1]);
  expect(lines).toEqual(['2', '3', '4', '5', '6', '7']);
});

test('CSV: a row of more than 64 KiB is a problem, also by quoted line breaks, and reading goes on after it', async () => {
  const entries = await read(`room_id\n"${'x\n'.repeat(40_000)}"\nb\n${'y'.repeat(70_000)}\nc`);
  expect(entries).toEqual([
    expect.stringMatching(
      /^line 2: CSV row must be at most 65536 bytes, got 80002 bytes .*\(lines 2–40002 are one row\)$/,
    ),
    '40003 b',
    expect.stringMatching(/^line 40004: CSV row must be at most 65536 bytes, got 70000 bytes /),
    '40005 c',
  ]);
});

test.each([
  [
    'no such column',
    'id,name\n1,a',
    'must have one room_id or RoomId column, got none in the header "id,name" on line 1',
  ],
  ['the names are exact', 'room-id\na', 'got none in the header "room-id"'],
  [
    'another separator',
    'id;room_id\n1;a',
    'got none in the header "id;room_id" on line 1; name the column',
  ],
  ['two of them', 'room_id,RoomId\na,b', 'got 2 in the header "room_id,RoomId"'],
  ['control characters', '\n\u001bx\n', 'got none in the header "\\u001bx" on line 2'],
  [
    'a bad quote in the header',
    'room_id"\na',
    `must begin with a header, but on line 1: ${QUOTES} "room_id\\""`,
  ],
  [
    'an open quote in the header',
    '"room_id\na',
    'must begin with a header, but on line 1: CSV quote must be closed',
  ],
])('a CSV list without one RoomId column is refused as a whole: %s', async (_, text, message) => {
  const error = await read(text, { name: 'rooms.csv' }).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(ReaperError);
  expect(error).toMatchObject({
    code: 'INVALID',
    message: expect.stringContaining(message) as unknown,
  });
});
