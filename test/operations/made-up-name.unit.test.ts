import { expect, test } from 'vitest';
import { madeUpName } from '../../src/operations/made-up-name.js';

test.each([0, 0.25, 0.5, 0.999_999])('%d gives two words and a number', (random) => {
  expect(madeUpName(() => random)).toMatch(/^[a-z]+-[a-z]+-[1-9]\d$/);
});

test('another draw gives another name', () => {
  expect(madeUpName(() => 0.1)).not.toBe(madeUpName(() => 0.9));
});
