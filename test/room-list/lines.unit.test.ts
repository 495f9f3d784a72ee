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
  ['a line of only spaces is a RoomId of spaces', '   \na', ['1    ', '2 a']],
  ['spaces around a RoomId count', ' a \n', ['1  a ']],
  ['a byte order mark is skipped', '\ufeffa\nb', ['1 a', '2 b']],
  ['a file of nothing but a byte order mark has no rooms', '\ufeff', []],
  ['a second byte order mark is a bad line', 'a\n\ufeffb', ['1 a', `line 2: ${RULE} "\\ufeffb"`]],
  ['commas, quotes and braces are legal', 'a,b\n"c"\n{d}', ['1 a,b', '2 "c"', '3 {d}']],
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
