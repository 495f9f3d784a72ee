import fc from 'fast-check';
import { expect, test } from 'vitest';
import { columnsOf, cut, fitted, table } from '../src/layout.js';

test.each<[text: string, columns: number]>([
  ['new-year', 8],
  ['新年', 4],
  ['ラーメン', 8],
  ['신년', 4],
  ['e\u0301te\u0301', 3],
  ['🎉', 2],
  ['ｗｉｄｅ', 8],
  ['2,000 · …', 9],
])('%s takes %d columns', (text, columns) => {
  expect(columnsOf(text)).toBe(columns);
});

test('a table has labels to the left and numbers to the right', () => {
  const text = table([
    ['destroyed', '2,900'],
    ['gone', '80'],
  ]);
  expect(text).toBe('  destroyed  2,900\n  gone          80');
});

test('the columns of a table stand below each other where a label has wide characters', () => {
  expect(table(Object.entries({ 新年: '1', room: '20' }))).toBe('  新年   1\n  room  20');
});

const parts = ['a', 'word', ' ', '    ', '\n', 'x'.repeat(30), '新', '新年活动'.repeat(8), '🎉'];

test('a text for a terminal has no line that is too long, however narrow it is, and loses nothing but spaces', () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(...parts)),
      fc.integer({ min: 1, max: 100 }),
      (some, width) => {
        const text = some.join('');
        // A wide character needs its two columns.
        const most = /[^ -~\n]/.test(text) ? Math.max(3, width) : width;
        const shown = fitted(text, most);
        expect(Math.max(...shown.split('\n').map(columnsOf))).toBeLessThanOrEqual(most);
        expect(shown.replace(/\s/g, '')).toBe(text.replace(/\s/g, ''));
      },
    ),
  );
});

test('a character that is wider than the terminal is shown all the same', () => {
  expect(fitted('新年', 1)).toBe('新\n年');
});

test('a text for a file or a pipe stays as it is', () => {
  expect(fitted('x'.repeat(200), undefined)).toBe('x'.repeat(200));
});

test.each<[text: string, width: number, shown: string]>([
  ['new-year', 8, 'new-year'],
  ['new-year', 7, 'new-yea…'],
  ['新年活动', 8, '新年活动'],
  ['新年活动', 7, '新年活…'],
  ['🎉🎉', 3, '🎉…'],
])('%s is cut to %d columns: %s', (text, width, shown) => {
  expect(cut(text, width)).toBe(shown);
});
