import { expect, test } from 'vitest';
import { roomIdProblem } from '../src/room-id.js';

const RULE = 'RoomId must be 1–48 bytes of printable ASCII, got';

test.each([
  ['one byte', 'a'],
  ['48 bytes', 'x'.repeat(48)],
  ['a space', ' '],
  ['spaces and colons', ' a: b '],
  ['the first and the last printable character', ' ~'],
  ['quotes, commas and backslashes', '"a",\\b'],
])('a RoomId is legal: %s', (_, roomId) => {
  expect(roomIdProblem(roomId)).toBeUndefined();
  expect(roomIdProblem(Buffer.from(roomId))).toBeUndefined();
});

test.each([
  ['empty', '', '""'],
  ['49 bytes', 'x'.repeat(49), `49 bytes: "${'x'.repeat(49)}"`],
  ['long, which is cut', 'x'.repeat(1000), `1000 bytes: "${'x'.repeat(64)}…"`],
  ['a non-ASCII letter', 'café', '"caf\\u00e9"'],
  ['a character beyond the first plane', 'a😀', '"a\\ud83d\\ude00"'],
  ['a Chinese name', '房间', '"\\u623f\\u95f4"'],
  ['a tab', 'a\tb', '"a\\tb"'],
  ['line breaks', 'a\r\nb', '"a\\r\\nb"'],
  ['NUL', 'a\0', '"a\\u0000"'],
  ['DEL', 'a\x7f', '"a\\u007f"'],
  ['an escape sequence', '\x1b[31m"', '"\\u001b[31m\\""'],
])('what is no RoomId is refused, and shown safely: %s', (_, roomId, got) => {
  expect(roomIdProblem(roomId)).toBe(`${RULE} ${got}`);
  expect(roomIdProblem(Buffer.from(roomId))).toBe(`${RULE} ${got}`);
});

test('the length of a RoomId counts in bytes, not in characters', () => {
  expect(roomIdProblem('é'.repeat(40))).toContain('got 80 bytes: ');
});

test('bytes that are no UTF-8 are shown as bytes', () => {
  expect(roomIdProblem(Buffer.from([0x61, 0xe9, 0x0a]))).toBe(`${RULE} "a\\xe9\\n"`);
  expect(roomIdProblem(Buffer.from([0x61, 0xc3]))).toBe(`${RULE} "a\\xc3"`);
});

test('a long RoomId that is cut within a character is still shown as UTF-8', () => {
  const shown = `"a${'\\ud83d\\ude00'.repeat(31)}\\ud83d…"`;
  expect(roomIdProblem(Buffer.from(`a${'😀'.repeat(100)}`))).toBe(`${RULE} 401 bytes: ${shown}`);
});
