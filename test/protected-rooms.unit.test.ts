import fc from 'fast-check';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { protectedRooms, readProtectedFile } from '../src/protected-rooms.js';

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
    const path = write('rails.txt', '\ufeffvip\r\n\nalways on *\n room \n');
    expect(readProtectedFile(path, '--protect')).toEqual(['vip', 'always on *', ' room ']);
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
