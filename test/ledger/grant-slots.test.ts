/** The limiter's arithmetic in SQL: room_reaper.grant_slots and interval_in_force. */
import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { slotInterval, slotsInWindow } from '../../src/limiter/pace.js';
import { assertSlidingWindow } from '../support/sliding-window.js';
import { useLedger } from './fixture.js';

const ledger = useLedger();
let client: pg.Client;

beforeAll(async () => {
  client = new pg.Client({ connectionString: ledger.url });
  await client.connect();
});
afterAll(() => client.end());

interface Grant {
  recent: number[];
  givenUp?: number[];
  nowMs: number;
  notBeforeMs?: number;
  wanted: number;
  intervalMs: number;
  windowSlots: number;
}

async function grant(asked: Grant): Promise<number[]> {
  const { rows } = await client.query<{ slots: number[] }>({
    name: 'grant',
    text: 'select room_reaper.grant_slots($1, $2, $3, $4, $5, $6, $7) as slots',
    values: [
      asked.recent,
      asked.givenUp ?? [],
      asked.nowMs,
      asked.notBeforeMs ?? 0,
      asked.wanted,
      asked.intervalMs,
      asked.windowSlots,
    ],
  });
  return rows[0]?.slots ?? [];
}

/** Slots at an even distance, the last at `last`. */
function evenly(count: number, intervalMs: number, last: number): number[] {
  return Array.from({ length: count }, (_, index) => last - (count - 1 - index) * intervalMs);
}

/** What the function adds to a window because processes read the clock with an error. */
const clockErrorMs = 2;

describe('grant_slots', () => {
  // The interval is 10 ms and the window holds 4 slots: 4 slots in 40 ms.
  const line = { intervalMs: 10, windowSlots: 4 };

  test.each<[rule: string, asked: Omit<Grant, 'intervalMs' | 'windowSlots'>, granted: number[]]>([
    ['a free line grants now', { recent: [100, 110, 120, 130], nowMs: 1_000, wanted: 1 }, [1_000]],
    [
      'a free line lets four come at nine tenths of the interval, then holds the window',
      { recent: [100, 110, 120, 130], nowMs: 1_000, wanted: 6 },
      [1_000, 1_009, 1_018, 1_027, 1_042, 1_051],
    ],
    [
      'a busy line grants a window, and a little for the clocks, after the slot four before',
      { recent: [1_000, 1_010, 1_020, 1_030], nowMs: 1_005, wanted: 3 },
      [1_042, 1_052, 1_062],
    ],
    [
      'the place of a slot given up is taken by another, as soon as nine tenths of an interval allow',
      { recent: [1_000, 1_010, 1_020, 1_030], givenUp: [1_010], nowMs: 1_005, wanted: 3 },
      [1_042, 1_051, 1_062],
    ],
    [
      'the last slot given up is granted again where it is still to come',
      { recent: [990, 1_000, 1_010, 1_020, 1_030], givenUp: [1_030], nowMs: 1_005, wanted: 1 },
      [1_032],
    ],
    [
      'a slot given up twice, or never granted, changes nothing',
      { recent: [1_000, 1_010, 1_020, 1_030], givenUp: [7, 7], nowMs: 1_005, wanted: 1 },
      [1_042],
    ],
    [
      'nothing comes before the brake lets it',
      { recent: [100, 110, 120, 130], nowMs: 1_000, notBeforeMs: 2_000, wanted: 2 },
      [2_000, 2_009],
    ],
    [
      'a line that remembers less than a window takes the oldest for the one before: late is safe',
      { recent: [1_000], nowMs: 1_005, wanted: 2 },
      [1_042, 1_051],
    ],
    ['a line that remembers nothing grants now', { recent: [], nowMs: 1_000, wanted: 1 }, [1_000]],
  ])('%s', async (_rule, asked, granted) => {
    const after = await grant({ ...asked, ...line });
    expect(after.slice(-granted.length)).toEqual(granted);
    const held = asked.recent.filter((slot) => !(asked.givenUp ?? []).includes(slot));
    expect(after.slice(0, -granted.length)).toEqual(held);
  });

  test('slots given up are made up for at twice the pace, until the window holds', async () => {
    const recent = evenly(50, 10, 1_500);
    const givenUp = [1_300, 1_310, 1_320, 1_330, 1_340];
    const made = { recent, givenUp, nowMs: 1_350, wanted: 12, intervalMs: 10, windowSlots: 40 };
    const halves = evenly(9, 5, 1_545);
    expect((await grant(made)).slice(-12)).toEqual([...halves, 1_552, 1_562, 1_572]);
  });

  test('what an idle line did not use is not: its slots would come in bunches ever after', async () => {
    const recent = evenly(50, 10, 1_500);
    const idle = { recent, nowMs: 1_650, wanted: 3, intervalMs: 10, windowSlots: 40 };
    expect((await grant(idle)).slice(-3)).toEqual([1_650, 1_659, 1_668]);
  });

  test('a window and twenty slots are remembered, the newest', async () => {
    const recent = evenly(24, 10, 1_000);
    const after = await grant({ ...line, recent, nowMs: 1_000, wanted: 3 });
    expect(after).toEqual([...recent.slice(3), 1_012, 1_022, 1_032]);
  });

  test('any sequence of reservations, slots given up, pauses and brakes keeps every window', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 12 }),
        fc.double({ min: 1, max: 100, noNaN: true }),
        fc.array(step, { minLength: 5, maxLength: 40 }),
        async (windowSlots, fullIntervalMs, steps) => {
          const granted = await run(windowSlots, fullIntervalMs, steps);
          const held = granted.filter((slot) => !slot.givenUp);
          const braked = (last: number) => windowSlots * (held[last]?.intervalMs ?? NaN);
          const at = held.map((slot) => slot.at);
          assertSlidingWindow(at, { slots: windowSlots, spanMs: braked });
          // A brake only ever adds: without looking at it the promise of the full rate holds.
          assertSlidingWindow(at, { slots: windowSlots, spanMs: windowSlots * fullIntervalMs });
        },
      ),
      { numRuns: 120 },
    );
  });

  // Beyond 500 slots the row remembers less than a second of them.
  test.each([200, 501, 640, 750, 999, 1_000, 1_499, 2_300])(
    'after a pause no second holds more than a quota of %i',
    async (rate) => {
      const intervalMs = slotInterval(rate, 20);
      const windowSlots = slotsInWindow(rate);
      const nowMs = 1_000_000;
      let recent = evenly(windowSlots, intervalMs, nowMs - 60_000);
      const granted: number[] = [];
      while (granted.length < 3 * rate) {
        recent = await grant({ recent, nowMs, wanted: 100, intervalMs, windowSlots });
        granted.push(...recent.slice(-100));
      }
      assertSlidingWindow(granted, { slots: rate, spanMs: 1_020 });
    },
  );

  // Until a slot is given up it counts, so those that lie ahead cannot be made up for yet:
  // the further ahead a worker reserves, the more of them. Not made up for at all: 0.92.
  test.each([
    { leadMs: 50, share: 0.99 },
    { leadMs: 350, share: 0.965 },
  ])(
    'lost slots are made up for: 8 % given up, reserved $leadMs ms ahead, leave $share of the full rate',
    async ({ leadMs, share }) => {
      const intervalMs = 5.1;
      const windowSlots = 200;
      const used: number[] = [];
      let recent = evenly(windowSlots, intervalMs, 1_000_000);
      let waiting: number[] = [];
      let due = 0;
      for (let nowMs = 1_000_000; nowMs < 1_020_000; nowMs += 25) {
        const givenUp: number[] = [];
        for (const slot of waiting.filter((each) => each <= nowMs)) {
          due += 1;
          (due % 25 < 2 ? givenUp : used).push(slot);
        }
        waiting = waiting.filter((each) => each > nowMs);
        const ahead = (recent.at(-1) ?? 0) - nowMs;
        const wanted = Math.max(0, Math.ceil((leadMs - ahead) / intervalMs)) + givenUp.length;
        if (wanted === 0) continue;
        recent = await grant({ recent, givenUp, nowMs, wanted, intervalMs, windowSlots });
        waiting.push(...recent.slice(-wanted));
      }
      assertSlidingWindow(used, { slots: windowSlots, spanMs: windowSlots * intervalMs });
      expect((due - used.length) / due).toBeCloseTo(0.08, 2);
      // The first two seconds are the start.
      const settled = used.filter((slot) => slot >= 1_002_000);
      const span = (settled.at(-1) ?? 0) - (settled[0] ?? 0);
      expect((settled.length - 1) / (span / intervalMs)).toBeGreaterThan(share);
    },
  );

  test('once no slot is given up any more the rate is the full one again', async () => {
    const line = { intervalMs: 5.1, windowSlots: 200, nowMs: 1_000_000 };
    const recent = evenly(200, line.intervalMs, line.nowMs);
    const givenUp = recent.filter((_, index) => index % 12 === 0);
    const made = await grant({ ...line, recent, givenUp, wanted: 200 });
    const next = await grant({ ...line, recent: made, wanted: 200 });
    const span = (next.at(-1) ?? 0) - (next.at(-201) ?? 0);
    expect(span).toBeCloseTo(200 * line.intervalMs + clockErrorMs, 3);
  });
});

type Step =
  | { kind: 'reserve'; wanted: number }
  /** Slots by their place before the newest. */
  | { kind: 'give up'; places: number[] }
  | { kind: 'pause'; intervals: number }
  | { kind: 'brake'; factor: number; keepEmptyIntervals: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('reserve' as const),
      wanted: fc.integer({ min: 1, max: 20 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('give up' as const),
      places: fc.array(fc.nat({ max: 40 }), { minLength: 1, maxLength: 10 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('pause' as const),
      intervals: fc.oneof(
        fc.double({ min: 0, max: 3, noNaN: true }),
        fc.double({ min: 0, max: 50, noNaN: true }),
      ),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('brake' as const),
      factor: fc.constantFrom(1, 1, 1.5, 2, 8),
      keepEmptyIntervals: fc.constantFrom(0, 0, 5, 30),
    }),
  },
);

interface GrantedSlot {
  at: number;
  /** In force when it was granted. */
  intervalMs: number;
  givenUp: boolean;
}

/** All slots ever granted, in order; checks by the way that each comes when it may. */
async function run(
  windowSlots: number,
  fullIntervalMs: number,
  steps: readonly Step[],
): Promise<GrantedSlot[]> {
  let nowMs = 1_000_000;
  let notBeforeMs = 0;
  let intervalMs = fullIntervalMs;
  let recent = evenly(windowSlots, fullIntervalMs, nowMs);
  let givenUp: number[] = [];
  const granted = recent.map((at) => ({ at, intervalMs, givenUp: false }));

  for (const each of steps) {
    switch (each.kind) {
      case 'pause':
        nowMs += each.intervals * fullIntervalMs;
        break;
      case 'brake':
        intervalMs = fullIntervalMs * each.factor;
        notBeforeMs = Math.max(notBeforeMs, nowMs + each.keepEmptyIntervals * fullIntervalMs);
        break;
      case 'give up':
        for (const place of each.places) {
          const slot = granted.at(-1 - place);
          if (slot === undefined || slot.givenUp) continue;
          slot.givenUp = true;
          givenUp.push(slot.at);
        }
        break;
      case 'reserve': {
        const { wanted } = each;
        recent = await grant({
          ...{ recent, givenUp, nowMs, notBeforeMs, wanted, intervalMs, windowSlots },
        });
        givenUp = [];
        const slots = recent.slice(-wanted);
        expect(slots).toHaveLength(wanted);
        for (const at of slots) {
          expect(at).toBeGreaterThanOrEqual(Math.max(nowMs, notBeforeMs));
          granted.push({ at, intervalMs, givenUp: false });
        }
        break;
      }
    }
  }
  return granted;
}

describe('interval_in_force', () => {
  const fullIntervalMs = 5;

  test.each<
    [
      rule: string,
      braked: number | null,
      overQuota: number | null,
      seconds: number | null,
      rate: number,
    ]
  >([
    ['a line that is not braked has the full rate', null, null, null, 200],
    ['a brake is in force at once', 100, 200, 0, 100],
    ['a brake to a probe rate', 1, 2, 0, 1],
    ['it climbs fast to nine tenths of what the API allowed', 60, 120, 1, 84],
    ['and is there in two seconds', 60, 120, 2, 108],
    ['then slowly, for the quota lies near', 60, 120, 12, 120],
    ['and is past it in twenty seconds', 60, 120, 22, 132],
    ['from there fast again, to the full rate', 60, 120, 24, 152],
    ['it never climbs above the full rate', 60, 120, 3_600, 200],
    ['a single answer costs little: nine tenths of the full rate in two seconds', 100, 200, 2, 180],
    ['and all of it in twelve', 100, 200, 12, 200],
    ['a brake at the slowest rate climbs too', 1, 1, 5, 1.05],
  ])('%s', async (_rule, braked, overQuota, seconds, rate) => {
    const { rows } = await client.query<{ interval: number }>(
      'select room_reaper.interval_in_force($1, $2, $3, $4) as interval',
      [fullIntervalMs, braked, overQuota, seconds],
    );
    expect(1000 / (rows[0]?.interval ?? NaN)).toBeCloseTo(rate, 9);
  });
});
