import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readDuration, readTime } from '../../src/cli/when.js';

describe('a duration', () => {
  test.each<[text: string, ms: number]>([
    ['90s', 90_000],
    ['30m', 1_800_000],
    ['2h', 7_200_000],
    ['1d', 86_400_000],
    ['1.5h', 5_400_000],
    ['0s', 0],
    ['10 m', 600_000],
  ])('%s', (text, ms) => {
    expect(readDuration('--delay', text)).toBe(ms);
  });

  test.each([
    '',
    '30',
    'm',
    '-5m',
    '+5m',
    '1w',
    '30min',
    '5 minutes',
    '1e3s',
    '.5h',
    '1h30m',
    'Infinitys',
    '30m\n',
    '３0m',
  ])('%j is none: refused with the flag, the rule and what it got', (text) => {
    expect(() => readDuration('--delay', text)).toThrow(
      expect.objectContaining({
        name: 'ReaperError',
        code: 'INVALID',
        message: `--delay must be a duration such as 90s, 30m, 2h or 1d, got ${JSON.stringify(text)}`,
      }),
    );
  });

  test('any number of any unit', () => {
    const units = { s: 1, m: 60, h: 3_600, d: 86_400 };
    const unit = fc.constantFrom(...(Object.keys(units) as (keyof typeof units)[]));
    fc.assert(
      fc.property(fc.nat(10_000), unit, (number, name) => {
        expect(readDuration('--delay', `${number}${name}`)).toBe(number * units[name] * 1000);
      }),
    );
  });
});

describe('a time', () => {
  /** Local time, as the clock on the wall says it. */
  const local = (day: number, hour: number, minute: number) =>
    new Date(2026, 10, day, hour, minute).getTime();
  const now = local(23, 12, 0);

  test.each<[text: string, at: number]>([
    ['12:01', local(23, 12, 1)],
    ['23:59', local(23, 23, 59)],
    ['02:30', local(24, 2, 30)],
    ['2:30', local(24, 2, 30)],
    ['00:00', local(24, 0, 0)],
    ['12:00', local(24, 12, 0)],
    ['2026-11-24T02:30:00Z', Date.UTC(2026, 10, 24, 2, 30)],
    ['2026-11-24T02:30:00+08:00', Date.UTC(2026, 10, 23, 18, 30)],
    ['2026-11-24T02:30', local(24, 2, 30)],
    ['2026-11-24 02:30', local(24, 2, 30)],
    ['2028-02-29T00:00:00Z', Date.UTC(2028, 1, 29)],
  ])('%s', (text, at) => {
    // 2026-11-23T18:30Z may be before this noon, far in the east.
    const from = Math.min(now, at - 1);
    expect(readTime('--at', text, /^\d+:/.test(text) ? now : from)).toBe(at);
  });

  test('of the clock is always within the next day, whatever now is', () => {
    const clocks = fc.tuple(fc.nat(23), fc.nat(59));
    fc.assert(
      fc.property(clocks, fc.nat(86_400_000), ([hour, minute], after) => {
        const from = local(10, 0, 0) + after;
        const at = readTime('--at', `${hour}:${String(minute).padStart(2, '0')}`, from);
        expect(at).toBeGreaterThan(from);
        expect(at - from).toBeLessThanOrEqual(86_400_000);
        expect([new Date(at).getHours(), new Date(at).getMinutes()]).toEqual([hour, minute]);
      }),
    );
  });

  test.each([
    '',
    'soon',
    '24:00',
    '25:30',
    '02:60',
    '2:3',
    '1700000000',
    '-1:30',
    '2026-13-01T00:00:00Z',
    '2026-11-24T25:00:00Z',
    '2026-11-24Tsoon',
    '24.11.2026',
    '11/24/2026',
    // Two days that are not in the calendar; JavaScript would take them for 2 and 1 March.
    '2027-02-30T00:00:00Z',
    '2027-02-29',
    // Midnight, but where?
    '2027-02-28',
  ])('%j is none: refused with the flag, the rule and what it got', (text) => {
    expect(() => readTime('--at', text, now)).toThrow(
      expect.objectContaining({
        name: 'ReaperError',
        code: 'INVALID',
        message: `--at must be a time such as 02:30 or 2026-11-23T02:30:00Z, got ${JSON.stringify(text)}`,
      }),
    );
  });

  test.each(['2026-11-20T12:00:00Z', '1999-01-01 12:00'])('%s is over: refused', (text) => {
    expect(() => readTime('--at', text, now)).toThrow(`--at must be in the future, got "${text}"`);
  });

  test('now is over', () => {
    const at = Date.UTC(2026, 10, 24, 2, 30);
    expect(() => readTime('--at', '2026-11-24T02:30:00Z', at)).toThrow('must be in the future');
    expect(readTime('--at', '2026-11-24T02:30:00Z', at - 1)).toBe(at);
  });
});
