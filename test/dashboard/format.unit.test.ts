import { describe, expect, test } from 'vitest';
import { roundUp, timeTicks, placeIn } from '../../src/dashboard/charts';
import { createKeys } from '../../src/dashboard/api';
import { count, duration, fromLocalInput, percent, rooms } from '../../src/dashboard/format';
import { linkTo, placeOf } from '../../src/dashboard/routing';
import { choiceOf } from '../../src/dashboard/screens/replay';
import { ownSpan } from '../../src/dashboard/screens/span';
import { asHere } from '../../src/dashboard/words';

describe('numbers', () => {
  test('of any size keep all their digits', () => {
    expect(count(9_007_199_254_740_993n)).toBe('9,007,199,254,740,993');
    expect(rooms(1)).toBe('1 room');
    expect(rooms(1_000)).toBe('1,000 rooms');
  });

  test.each([
    [0, '0 %'],
    [1 / 100_000, '0.1 %'],
    [0.5, '50 %'],
    [99_999 / 100_000, '99.9 %'],
    [1, '100 %'],
  ])('%f is %s: what is not whole is not 100, what has begun is not 0', (part, text) => {
    expect(percent(part)).toBe(text);
  });

  test.each([
    [0.2, '0 s'],
    [59.6, '1 min'],
    [3_661, '1 h 1 min'],
    [90_000, '1 d 1 h'],
    [86_400, '1 d'],
  ])('%f seconds are %s', (seconds, text) => {
    expect(duration(seconds)).toBe(text);
  });
});

describe('places', () => {
  test.each(['a b', 'a/b?c=%d&e#f', '<b>', '+1', '💡'])(
    'the room %s comes back as it went',
    (id) => {
      const place = placeOf(linkTo('room', undefined, { id }));
      expect(place.screen).toBe('room');
      expect(place.query.get('id')).toBe(id);
      expect(placeOf(linkTo('batches', id)).id).toBe(id);
    },
  );

  test('without a fragment one is at the line', () => {
    for (const fragment of ['', '#', '#/', '#/line']) expect(placeOf(fragment).screen).toBe('line');
  });

  test('a link that was cut off is a place all the same', () => {
    expect(placeOf('#/batches/gala%2')).toMatchObject({ screen: 'batches', id: 'gala%2' });
  });

  test.each([
    ['from=2026-11-30T10:00:00Z&to=2026-11-30T11:00:00%2B08:00', true],
    ['from=2026-11-&to=2026-11-30T11:00:00Z', false],
    ['from=2026-11-30T10:00:00Z', false],
    ['last=6', false],
  ])('a link with %s has a time of its own: %s', (text, has) => {
    const own = ownSpan({ query: new URLSearchParams(text) });
    expect(own !== undefined).toBe(has);
    if (own) expect(own.to).toBe('2026-11-30T03:00:00.000Z');
  });
});

describe('a replay', () => {
  const failure = { ...({ errorInfo: null, meaning: null, remedy: null } as const), rooms: 2 };
  test.each([100_001, null])('of a line of what went wrong takes those with code %s', (code) => {
    const line = { ...failure, outcome: 'failed', errorCode: code, example: 'a' } as const;
    expect(choiceOf({ ...line, pending: false, wouldFailAgain: false })).toEqual({
      ...{ outcomes: ['failed'], codes: [code] },
    });
  });
});

describe('charts', () => {
  test('an axis ends at a round number that holds everything', () => {
    for (const value of [1, 5, 6, 99, 101, 208, 100_001]) {
      const top = roundUp(value);
      expect(top).toBeGreaterThanOrEqual(value);
      expect(top).toBeLessThanOrEqual(Math.max(5, value * 2));
    }
  });

  test('times lie where they are, and those outside at the edge', () => {
    const span = { fromMs: 1_000, toMs: 2_000 };
    expect([500, 1_000, 1_250, 3_000].map((at) => placeIn(span, at))).toEqual([0, 0, 0.25, 1]);
  });

  test.each([1, 30, 60, 600, 2_880])('a span of %i minutes has a few round times', (minutes) => {
    const toMs = Date.UTC(2026, 10, 30, 12, 34, 56);
    const ticks = timeTicks({ fromMs: toMs - minutes * 60_000, toMs });
    expect(ticks.length).toBeLessThanOrEqual(7);
    if (minutes > 1) expect(ticks.length).toBeGreaterThanOrEqual(3);
    const round = minutes < 10 ? /\d\d:\d\d$/ : /\d\d:\d[05]$/;
    for (const { label } of ticks) expect(label).toMatch(round);
  });
});

test('what is sent again has the same key, and what was changed another', () => {
  const keyOf = createKeys();
  const first = keyOf('{"roomId":"a"}');
  expect(first).toMatch(/^[0-9a-f]{32}$/);
  expect(keyOf('{"roomId":"a"}')).toBe(first);
  expect(keyOf('{"roomId":"a","note":"b"}')).not.toBe(first);
  expect(createKeys()('{"roomId":"a"}')).not.toBe(first);
});

test('a time that is written is local, and is asked for in UTC', () => {
  expect(fromLocalInput('')).toBeUndefined();
  expect(fromLocalInput('2026-11-30T10:00')).toBe(new Date('2026-11-30T10:00').toISOString());
});

describe('texts of the server', () => {
  /** 11:00 of the 24th in Shanghai, where the browser is. */
  const now = new Date('2026-11-24T03:00:00Z');

  test.each([
    ['destroyed at 02:31:07 UTC by attempt 1', 'destroyed at 10:31:07 by attempt 1'],
    ['due in 5 s, at 11:00:05 UTC+8', 'due in 5 s, at 11:00:05'],
    ['since 23:30:00 UTC-3:30 by ada', 'since 11:00:00 by ada'],
    ['at 2026-11-22 18:00:00 UTC; again', 'at 23 Nov 2026, 02:00:00; again'],
    ['no time in it: UTC', 'no time in it: UTC'],
  ])('%s has its times as they are here', (there, here) => {
    expect(asHere(there, now)).toBe(here);
  });

  test('say what to do here, and not at a terminal', () => {
    expect(asHere('the queue is paused; run `room-reaper resume` to go on')).toBe(
      'the queue is paused; Resume on the page Line goes on',
    );
    expect(asHere('start one with `room-reaper worker`')).toContain('room-reaper worker');
  });
});
