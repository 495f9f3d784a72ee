import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readDuration, readTime, readTimeBefore } from '../src/when.js';

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
    ['2026-11-24 02:30:15.5+0530', Date.UTC(2026, 10, 23, 21, 0, 15, 500)],
    ['2026-11-24T02:30-08', Date.UTC(2026, 10, 24, 10, 30)],
    ['2028-02-29T00:00:00Z', Date.UTC(2028, 1, 29)],
  ])('%s', (text, at) => {
    // 2026-11-23T18:30Z may be before this noon, far in the east.
    const from = Math.min(now, at - 1);
    expect(readTime('--at', text, /^\d+:/.test(text) ? now : from)).toBe(at);
  });

  test.each<[text: string, at: number]>([
    ['12:00', local(23, 12, 0)],
    ['23:00', local(22, 23, 0)],
    ['2:30', local(23, 2, 30)],
    ['2026-11-20T02:30:00Z', Date.UTC(2026, 10, 20, 2, 30)],
  ])('%s that is over', (text, at) => {
    expect(readTimeBefore('--only-created-before', text, now)).toBe(at);
  });

  test.each<[text: string, why: RegExp]>([
    ['2027-01-01T00:00:00Z', /must be over when the rooms are due: none of them can be newer/],
    ['2019-12-31T00:00:00Z', /must be a time since 2020/],
    ['yesterday', /must be a time such as 02:30/],
  ])('%s cannot be over then', (text, why) => {
    expect(() => readTimeBefore('--only-created-before', text, now)).toThrow(why);
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
    // Names of zones mean different places, and Date.parse leaves out what is in brackets.
    '2026-11-24 02:30 CST',
    '2026-11-24T02:30:00 EST',
    '2026-11-24 02:30 (tomorrow)',
    '02:30 (tomorrow)',
    '2026-11-24 02:30 PM',
    '2026-11-24T02:30:00Z+08:00',
    '2026-11-24T02:30:60Z',
    '2026-11-24T24:00:00Z',
    '2026-11-24T2:30Z',
    ' 2026-11-24T02:30Z',
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

  test.each(['+15:00', '-23:00', '+08:60'])('no place is %s from Greenwich', (offset) => {
    expect(() => readTime('--at', `2026-11-24T02:30${offset}`, now)).toThrow(
      /^--at must have an offset such as Z or \+08:00, got /,
    );
  });

  describe('where clocks are changed', () => {
    const zone = process.env['TZ'];
    beforeAll(() => {
      process.env['TZ'] = 'America/New_York';
    });
    afterAll(() => {
      if (zone === undefined) delete process.env['TZ'];
      else process.env['TZ'] = zone;
    });
    const at = (text: string, from: string) =>
      new Date(readTime('--at', text, Date.parse(from))).toISOString();

    test('a time that they leave out is refused, on that day only', () => {
      const leftOut = /^--at must be a time that clocks here show, got .* an offset/;
      expect(() => at('2027-03-14 02:30', '2027-01-01T00:00Z')).toThrow(leftOut);
      expect(() => at('02:30', '2027-03-14T05:00Z')).toThrow(leftOut);
      // Late in the evening before, and on the day itself when it is past.
      expect(() => at('02:30', '2027-03-14T04:00Z')).toThrow(leftOut);
      expect(at('02:30', '2027-03-14T12:00Z')).toBe('2027-03-15T06:30:00.000Z');
      expect(at('03:30', '2027-03-14T05:00Z')).toBe('2027-03-14T07:30:00.000Z');
    });

    test('a time that they show twice is the next of the two, and with its date must be one of them', () => {
      expect(at('01:30', '2026-11-01T04:00Z')).toBe('2026-11-01T05:30:00.000Z');
      expect(at('01:30', '2026-11-01T06:10Z')).toBe('2026-11-01T06:30:00.000Z');
      expect(at('01:30', '2026-11-01T07:00Z')).toBe('2026-11-02T06:30:00.000Z');
      expect(() => at('2026-11-01 01:30', '2026-10-01T00:00Z')).toThrow(
        /show twice, .*; give 2026-11-01T05:30:00.000Z or 2026-11-01T06:30:00.000Z$/,
      );
    });

    test('one that is over and one after the change are a day of 23 or 25 hours apart', () => {
      expect(at('12:00', '2027-03-13T17:00Z')).toBe('2027-03-14T16:00:00.000Z');
      expect(at('12:00', '2026-10-31T16:00Z')).toBe('2026-11-01T17:00:00.000Z');
    });
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
