/** docs/guarantees.md is held to the tests: what it names exists, and what the history check shows is named. */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { invariants } from './chaos/invariants.js';

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');

const guarantees = read('docs/guarantees.md');
const named = [...guarantees.matchAll(/^- `(test\/[^`]+)` – (.+)$/gm)].map(
  ([, file = '', name = '']) => ({ file, name }),
);

test.each(named)('$file has a test named "$name"', ({ file, name }) => {
  expect(existsSync(new URL(`../${file}`, import.meta.url))).toBe(true);
  expect(read(file)).toContain(`'${name}'`);
});

test('every invariant of the history check is named, and checked', () => {
  const file = 'test/chaos/history.test.ts';
  const shown = named.filter((each) => each.file === file).map(({ name }) => name);
  expect(shown.sort()).toEqual(Object.keys(invariants).sort());
  for (const name of shown) expect(read(file)).toContain(`holds('${name}')`);
});

describe('each guarantee', () => {
  const sections = guarantees
    .split('\n## ')
    .slice(1)
    .map((text) => ({ title: text.split('\n')[0] ?? '', text }))
    .filter(({ title }) => !['What is not promised', 'The history check'].includes(title));

  test.each(sections)('$title: has a test', ({ text }) => {
    expect(text).toMatch(/^- `test\//m);
  });
});
