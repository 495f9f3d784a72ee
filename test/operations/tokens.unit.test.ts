/** How long it takes to look for a token tells nothing of the tokens there are. */
import crypto from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import type { Service } from '../../src/operations/service.js';
import { openTokenBook } from '../../src/operations/tokens.js';

const compare = vi.spyOn(crypto, 'timingSafeEqual');
syncBuiltinESMExports();
afterAll(() => {
  compare.mockRestore();
  syncBuiltinESMExports();
});

const folder = mkdtempSync(join(tmpdir(), 'room-reaper-test-'));
afterAll(() => rmSync(folder, { recursive: true }));

const tokens = ['a', 'b', 'c'].map((letter) => letter.repeat(40));

// What is none of them is looked for twice: it may have been made a moment ago.
test.each([
  ['the first', tokens[0], 3],
  ['the last', tokens[2], 3],
  ['none', 'd'.repeat(40), 6],
  ['all but one character of one', `${'a'.repeat(39)}b`, 6],
  ['the beginning of one', 'a', 6],
  ['nothing', '', 6],
])('%s is compared with each of them, whole and in constant time', async (_, asked = '', times) => {
  const path = join(folder, 'tokens');
  writeFileSync(path, tokens.map((token, at) => `t${at} viewer ${token}\n`).join(''));
  compare.mockClear();
  const found = await openTokenBook({} as Service, path).find(asked);
  expect(found?.name).toBe(tokens.includes(asked) ? `t${tokens.indexOf(asked)}` : undefined);
  expect(compare).toHaveBeenCalledTimes(times);
  for (const [kept, given] of compare.mock.calls)
    expect([kept.byteLength, given.byteLength]).toEqual([32, 32]);
});
