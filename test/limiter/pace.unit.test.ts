import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  jobsToHold,
  latestUseMs,
  onTimeMs,
  slotInterval,
  slotsInWindow,
  targetLeadMs,
} from '../../src/limiter/pace.js';

describe('the interval between slots', () => {
  test.each<[rate: number, jitterMs: number, intervalMs: number]>([
    [200, 20, 5.1],
    [200, 0, 5],
    [100, 20, 10.2],
    [1, 20, 1020],
    [1, 0, 1000],
    [0.5, 0, 2000],
    [1000, 1000, 2],
    // Two windows of 375.
    [750, 20, 1020 / 750],
    // Two windows of 499; the one that is left may come after half an interval.
    [999, 20, 1020 / 998.5],
  ])('%d per second, %d ms of jitter → %d ms', (rate, jitterMs, intervalMs) => {
    expect(slotInterval(rate, jitterMs)).toBeCloseTo(intervalMs, 10);
  });

  test('no sliding second holds more arrivals than the quota, while none is later than the jitter', () => {
    const rates = fc.integer({ min: 1, max: 300 });
    const jitters = fc.integer({ min: 0, max: 100 });
    const delays = fc.array(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), {
      minLength: 1,
      maxLength: 700,
    });
    fc.assert(
      fc.property(rates, jitters, delays, (rate, jitterMs, shares) => {
        const interval = slotInterval(rate, jitterMs);
        const arrivals = shares.map((share, slot) => slot * interval + share * jitterMs);
        arrivals.sort((a, b) => a - b);
        for (const [index, first] of arrivals.entries()) {
          const beyond = arrivals[index + rate];
          // A ten-millionth of a millisecond for the arithmetic of doubles.
          if (beyond !== undefined) expect(beyond - first).toBeGreaterThan(1000 - 1e-7);
        }
      }),
    );
  });

  test('at the defaults 98 % of the quota are used', () => {
    expect(1000 / slotInterval(200, 20) / 200).toBeGreaterThan(0.98);
  });

  test('what counts as on time is well within the jitter that the interval allows for', () => {
    expect(onTimeMs(20)).toBe(8);
    // Never less than a timer needs.
    expect(onTimeMs(0)).toBe(5);
  });

  test.each<[jitterMs: number, latestMs: number]>([
    [20, 12],
    [50, 30],
    // Never less than a timer needs.
    [5, 5],
  ])('with a jitter of %i ms a slot is usable for %i ms', (jitterMs, latestMs) => {
    expect(latestUseMs(jitterMs)).toBe(latestMs);
    // The allowance holds it, whether its line is told or not.
    expect(latestMs).toBeLessThanOrEqual(jitterMs);
  });
});

describe('the slots that make a window', () => {
  test.each<[rate: number, slots: number]>([
    [0.5, 1],
    [1, 1],
    [1.9, 1],
    [200, 200],
    [200.7, 200],
    [500, 500],
    [501, 250],
    [750, 375],
    [999, 499],
    [1_000, 500],
    [100_000, 500],
  ])('%d per second → %d', (rate, slots) => {
    expect(slotsInWindow(rate)).toBe(slots);
  });
});

describe('how many jobs to hold', () => {
  const maximum = 100;

  test.each<[rule: string, inHand: number, waiting: number, leadMs: number, jobs: number]>([
    ['with nothing in hand: begin with one', 0, 0, 0, 1],
    ['far too short: double', 10, 10, 0, 20],
    ['far too short, and many wait: twenty more at once', 50, 50, targetLeadMs / 2 - 1, 70],
    ['short: one more', 30, 30, targetLeadMs / 2, 31],
    ['just right: one more', 30, 30, targetLeadMs, 31],
    ['long: a tenth of those that wait less', 60, 60, targetLeadMs + 1, 54],
    ['long, and few wait: one less', 4, 4, targetLeadMs + 1, 3],
    ['long, and one waits: never none', 1, 1, 60_000, 1],
    ['those being sent or saved come on top', 40, 30, targetLeadMs + 1, 10 + 27],
    ['never more than the maximum', 100, 100, 0, maximum],
  ])('%s', (_rule, inHand, waiting, leadMs, jobs) => {
    expect(jobsToHold({ inHand, waiting, leadMs, allowed: inHand }, maximum)).toBe(jobs);
  });

  test.each<[when: string, leadMs: number, jobs: number]>([
    ['short, and it is still taking jobs up: as many as it may', 0, 20],
    ['long: fewer, whatever it may hold', targetLeadMs + 1, 1],
  ])('%s', (_when, leadMs, jobs) => {
    expect(jobsToHold({ inHand: 1, waiting: 1, leadMs, allowed: 20 }, maximum)).toBe(jobs);
  });

  test('whatever the load, it is a whole number from 1 to the maximum', () => {
    const jobs = fc.nat(20_000);
    const lead = fc.oneof(fc.double({ min: -1e6, max: 1e7, noNaN: true }), fc.nat(1000));
    const maxima = fc.integer({ min: 1, max: 10_000 });
    fc.assert(
      fc.property(jobs, jobs, lead, jobs, maxima, (inHand, waiting, leadMs, allowed, most) => {
        const held = jobsToHold({ inHand, waiting, leadMs, allowed }, most);
        expect(Number.isInteger(held)).toBe(true);
        expect(held).toBeGreaterThanOrEqual(1);
        expect(held).toBeLessThanOrEqual(most);
      }),
    );
  });

  /** Processes that see the same lead and follow it, all of them each round. */
  function follow(start: readonly number[], rounds: number, busy = 2) {
    let held = [...start];
    const history: { held: number[]; leadMs: number }[] = [];
    for (let round = 0; round < rounds; round++) {
      const waiting = held.map((jobs) => Math.max(0, jobs - busy));
      const leadMs = waiting.reduce((sum, jobs) => sum + jobs, 0) * slotInterval(200, 20);
      history.push({ held, leadMs });
      held = held.map((inHand, process) =>
        jobsToHold({ inHand, waiting: waiting[process] ?? 0, leadMs, allowed: inHand }, maximum),
      );
    }
    return history;
  }

  test.each([[[65, 1]], [[1, 65]], [[100, 0]], [[60, 10]], [[0, 0]], [[100, 100]]])(
    'two processes that hold %j come to even shares and stay there',
    (start) => {
      for (const { held } of follow(start, 400).slice(300)) {
        expect(Math.max(...held) / Math.min(...held)).toBeLessThan(1.25);
      }
    },
  );

  test.each([1, 2, 4, 8])('%d processes keep the newest slot about 220 ms ahead', (processes) => {
    const later = follow(Array<number>(processes).fill(1), 400).slice(100);
    const leads = later.map(({ leadMs }) => leadMs);
    expect(Math.min(...leads)).toBeGreaterThan(targetLeadMs / 2);
    expect(Math.max(...leads)).toBeLessThan(targetLeadMs * 1.5);
  });

  test('one process comes to its pace within ten rounds', () => {
    expect(follow([1], 10).at(-1)?.leadMs).toBeGreaterThan(targetLeadMs / 2);
  });
});
