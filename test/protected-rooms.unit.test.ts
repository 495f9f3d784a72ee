import fc from 'fast-check';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { describeProtected, protectedRooms, readProtectedFile } from '../src/protected-rooms.js';

const folder = mkdtempSync(join(tmpdir(), 'room-reaper-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('patterns', () => {
  test.each([
    ['vip', 'vip', true],
    ['vip', 'VIP', false],
    ['vip', 'vip-1', false],
    ['vip-*', 'vip-', true],
    ['vip-*', 'vip-1', true],
    ['vip-*', 'a vip-1', false],
    ['*-vip', 'a-vip', true],
    ['a*b*c', 'a-b-b-c', true],
    ['a*b*c', 'a-c-b', false],
    ['ab*ba', 'aba', false],
    ['ab*ba', 'abba', true],
    ['*', 'anything at all', true],
    ['a.c', 'abc', false],
    ['a*b', 'a*b', true],
  ])('%j and the room %j: %j', (pattern, room, expected) => {
    const found = protectedRooms([pattern]).protects(room);
    expect(found).toBe(expected ? pattern : undefined);
  });

  test('they match what the same regular expression matches', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 12 });
    fc.assert(
      fc.property(text, text, (pattern, room) => {
        const source = pattern.split('*').join('.*');
        const expected = new RegExp(`^${source}$`).test(room);
        expect(protectedRooms([pattern]).protects(room) !== undefined).toBe(expected);
      }),
      { numRuns: 2_000 },
    );
  });

  test('a pattern of many stars takes no more steps than it has stars', () => {
    const rooms = protectedRooms([`${'a*'.repeat(60)}b`]);
    const lookingFor = vi.spyOn(String.prototype, 'indexOf');
    const found = rooms.protects(`${'a'.repeat(47)}b`);
    const steps = lookingFor.mock.calls.length;
    lookingFor.mockRestore();
    expect(found).toBeUndefined();
    expect(steps).toBeGreaterThan(0);
    expect(steps).toBeLessThanOrEqual(60);
  });
});

describe('a file', () => {
  const write = (name: string, text: string) => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };

  test('has a RoomId or a pattern in each line; blank lines and CRs are skipped, spaces count', () => {
    const path = write('rails.txt', '\ufeffvip\r\n\nalways on *\n*room*\n{6F9619FF-8B86}\n');
    const entries = ['vip', 'always on *', '*room*', '{6F9619FF-8B86}'];
    expect(readProtectedFile(path, '--protect')).toEqual(entries);
  });

  test.each([
    ['a comment behind', 'live-1 # VIP'],
    ['another comment', 'live-1 // VIP'],
    ['a line of comment', '# VIP rooms'],
    ['a space behind', 'live-1 '],
    ['a space before', ' live-1'],
    ['quotes', '"live-1"'],
    ['single quotes', "'live-1'"],
    ['a quoted pattern', '"live-*"'],
    ['a JSON array', '["live-1"]'],
    ['an empty JSON array', '[]'],
    ['a JSON object', '{"roomId":"live-1"}'],
    ['an object over several lines', '{'],
    ['a separator behind', 'live-1,'],
    ['rooms in one line', 'live-1,live-2'],
    ['a row of a table', 'live-1|VIP'],
    ['a tab', 'live-1\tVIP'],
    ['an item of a list', '- live-1'],
    ['a page of HTML', '<!doctype html>'],
    ['a key', 'room_id: live-1'],
    ['a number from a spreadsheet', '1.23E+11'],
    ['an error of a spreadsheet', '#N/A'],
    ['a wildcard of one character', 'live-?'],
    ['a class of characters', 'live-[0-9]'],
    ['a regular expression', '^live-'],
    ['another regular expression', 'live-.*'],
    ['a wildcard of SQL', 'live-%'],
    ['an exception', '!live-1'],
    ['more than a RoomId can hold', 'x'.repeat(49)],
    ['a pattern that no RoomId is long enough for', `*${'x'.repeat(49)}`],
    ['UTF-16', 'l\0i\0'],
  ])('with a line that cannot be meant is refused with the line: %s', (_, line) => {
    const path = write('foreign.txt', `vip\n${line}\nother\n`);
    expect(() => readProtectedFile(path, '--protect')).toThrow(/^--protect: line 2 of .*foreign/);
  });

  test.each([
    ['empty', ''],
    ['of blank lines', '\r\n\n'],
    ['of a byte order mark', '\ufeff'],
  ])('that is %s is refused: it would protect nothing', (_, text) => {
    const path = write('empty.txt', text);
    expect(() => readProtectedFile(path, 'PROTECTED_ROOMS_FILE')).toThrow(
      /^PROTECTED_ROOMS_FILE must have a RoomId or a pattern in it, got none/,
    );
  });

  test('of the longest RoomId is taken, and of a pattern with stars beside it', () => {
    const entries = ['x'.repeat(48), `*${'x'.repeat(48)}*`];
    expect(readProtectedFile(write('long.txt', entries.join('\n')), '--protect')).toEqual(entries);
  });

  test('with a line that is no RoomId protects nothing, and says where', () => {
    const path = write('bad.txt', 'vip\nzimmer-ü\n');
    expect(() => readProtectedFile(path, '--protect')).toThrow(
      /^--protect: line 2 of .*bad\.txt must be a RoomId or a pattern/,
    );
  });

  test('that is not there is refused under the name of what named it', () => {
    expect(() => readProtectedFile(join(folder, 'none'), 'PROTECTED_ROOMS_FILE')).toThrow(
      /^PROTECTED_ROOMS_FILE must be a readable file, got .* \(ENOENT\)/,
    );
  });
});

test('what is protected is counted', () => {
  expect(describeProtected(protectedRooms(['a', 'a', 'b', 'c*']))).toBe(
    '2 RoomIds and 1 pattern are protected',
  );
});
