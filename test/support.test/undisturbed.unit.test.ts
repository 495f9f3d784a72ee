import { expect, test } from 'vitest';
import { undisturbed } from '../pacing/undisturbed.js';

test('a time that is missed is measured again only where the machine stood still for long', () => {
  const fails = () => expect(1_200).toBeLessThan(1_000);
  const stalls = [{ fromMs: 0, untilMs: 300 }];
  undisturbed([], 250, () => undefined);
  undisturbed(stalls, 250, () => undefined);
  expect(() => undisturbed([], 250, fails)).toThrow(/expected 1200/);
  expect(() => undisturbed(stalls, 300, fails)).toThrow(/expected 1200/);
  expect(() => undisturbed(stalls, 250, fails)).toThrow(/the machine stood still for 300 ms/);
});
