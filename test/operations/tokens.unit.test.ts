/** How long it takes to look for a token tells nothing of the tokens there are. */
import * as crypto from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import type { Service } from '../../src/operations/service.js';

vi.mock('node:crypto', async (original) => {
  const real = await original<typeof crypto>();
  return { ...real, timingSafeEqual: vi.fn(real.timingSafeEqual) };
});

// Another file of this process may have loaded it before, with the real comparison.
vi.resetModules();
const { openTokenBook } = await import('../../src/operations/tokens.js');

const folder = mkdtempSync(join(tmpdir(), 'room-reaper-test-'));
afterAll(() => rmSync(folder, { recursive: true }));

const tokens = ['a', 'b', 'c'].map((letter) => letter.repeat(40));

test.each([
  ['the first', tokens[0]],
  ['the last', tokens[2]],
  ['none', 'd'.repeat(40)],
  ['all but one character of one', `${'a'.repeat(39)}b`],
  ['the beginning of one', 'a'],
  ['nothing', ''],
])('%s is compared with each of them, whole and in constant time', async (_, asked = '') => {
  const path = join(folder, 'tokens');
  writeFileSync(path, tokens.map((token, at) => `t${at} viewer ${token}\n`).join(''));
  const compare = vi.mocked(crypto.timingSafeEqual);
  compare.mockClear();
  const found = await openTokenBook({} as Service, path).find(asked);
  expect(found?.name).toBe(tokens.includes(asked) ? `t${tokens.indexOf(asked)}` : undefined);
  expect(compare).toHaveBeenCalledTimes(3);
  for (const [kept, given] of compare.mock.calls)
    expect([kept.byteLength, given.byteLength]).toEqual([32, 32]);
});
