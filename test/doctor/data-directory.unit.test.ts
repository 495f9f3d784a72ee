import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { judgeDataDirectory, readDataDirectory } from '../../src/doctor/data-directory.js';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'room-reaper-test-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('a directory that is not there yet is looked at through its parent, and not made', () => {
  const facts = readDataDirectory(join(folder, 'a', 'b'));
  expect(facts).toMatchObject({ made: false, cannotWrite: undefined });
  expect(facts.freeBytes).toBeGreaterThan(0);
  expect(readdirSync(folder)).toEqual([]);
});

test('a directory with a database in it is made, and nothing is left in it', () => {
  mkdirSync(join(folder, 'postgres'));
  writeFileSync(join(folder, 'postgres', 'PG_VERSION'), '17\n');
  expect(readDataDirectory(folder)).toMatchObject({ made: true, cannotWrite: undefined });
  expect(readdirSync(folder)).toEqual(['postgres']);
});

test('a file in its place cannot be written into', () => {
  const file = join(folder, 'file');
  writeFileSync(file, '');
  expect(readDataDirectory(file).cannotWrite).toBe('ENOTDIR');
});

const gigabyte = 2 ** 30;

test.each<[freeBytes: number | undefined, cannotWrite: string | undefined, level: string]>([
  [50 * gigabyte, undefined, 'ok'],
  [undefined, undefined, 'ok'],
  [gigabyte, undefined, 'ok'],
  [gigabyte - 1, undefined, 'warning'],
  [100_000_000, undefined, 'problem'],
  [50 * gigabyte, 'EACCES', 'problem'],
])('with %s bytes free and the error %s: %s', (freeBytes, cannotWrite, level) => {
  const finding = judgeDataDirectory({ made: true, freeBytes, cannotWrite }, '.room-reaper');
  expect(finding).toMatchObject({ level });
});
