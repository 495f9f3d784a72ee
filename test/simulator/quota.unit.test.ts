import fc from 'fast-check';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createArrivals } from '../../src/simulator/arrivals.js';
import { numberedRooms } from '../../src/simulator/rooms-file.js';
import { burst, destroy, send, start } from './client.js';

/** What the simulator reads: how busy the machine is changes nothing. */
let nowMs = 0;
beforeEach(() => {
  nowMs = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => nowMs);
});
afterEach(() => vi.restoreAllMocks());

/** The definition, by brute force: most times in any window [t, t + 1000). */
function worstWindow(times: readonly number[]): number {
  const sizes = times.map((from) => times.filter((t) => t >= from && t - from < 1_000).length);
  return Math.max(0, ...sizes);
}

test('the worst window is what the definition says, for any arrivals', () => {
  const gaps = fc.array(fc.integer({ min: 0, max: 700 }), { maxLength: 300 });
  fc.assert(
    fc.property(gaps, (steps) => {
      const arrivals = createArrivals();
      let now = 50;
      const times = steps.map((step) => (now += step));
      for (const time of times) arrivals.record(time);
      expect(arrivals.worstWindow()).toBe(worstWindow(times));
      expect(arrivals.count()).toBe(times.length);
    }),
  );
});

test('arrivals exactly 1,000 ms apart are not in one window, 999.9 ms apart they are', () => {
  const arrivals = createArrivals();
  expect([0, 1_000, 1_999.9, 2_000].map((time) => arrivals.record(time))).toEqual([1, 1, 2, 2]);
});

test('what a fixed window would let through twice, the sliding one sees', () => {
  const arrivals = createArrivals();
  for (let sent = 0; sent < 200; sent++) arrivals.record(999);
  for (let sent = 0; sent < 200; sent++) arrivals.record(1_001);
  expect(arrivals.worstWindow()).toBe(400);
});

test('memory is bounded: old arrivals are dropped, counts and the worst window are not', () => {
  const arrivals = createArrivals(1_000, 1_024);
  for (let sent = 0; sent < 300; sent++) arrivals.record(0);
  for (let sent = 1; sent <= 10_000; sent++) arrivals.record(2_000 + sent * 10);
  expect(arrivals.worstWindow()).toBe(300);
  expect(arrivals.count()).toBe(10_300);
  expect(arrivals.times().length).toBeLessThanOrEqual(1_024);
  expect(arrivals.times().at(-1)).toBe(102_000);
  expect(arrivals.spanMs()).toBe(102_000);
});

test('a window that holds more than is kept is still counted whole', () => {
  const arrivals = createArrivals(1_000, 1_024);
  for (let sent = 0; sent < 5_000; sent++) arrivals.record(9_000 + sent / 10);
  expect(arrivals.worstWindow()).toBe(5_000);
});

test('what is over the quota is answered 60007 and destroys nothing', async () => {
  const simulator = await start({ rooms: 9, quotaPerSecond: 5 });
  const codes = await burst(simulator, [...numberedRooms(9)]);
  expect(codes).toEqual([0, 0, 0, 0, 0, 60007, 60007, 60007, 60007]);
  expect(simulator.report()).toMatchObject({
    requests: 9,
    worstWindow: 9,
    overQuota: 4,
    codes: { '0': 5, '60007': 4 },
    rooms: { destroyed: 5, left: 4 },
  });
});

test('refused requests count as arrivals, whatever they were refused for', async () => {
  const simulator = await start({ rooms: 1, quotaPerSecond: 3 });
  await send(simulator, 'x', { path: '/nowhere' });
  await send(simulator, 'x', { query: '' });
  await send(simulator, 'x', { body: '' });
  expect((await destroy(simulator, 'room-000001')).ErrorCode).toBe(60007);
  // The quota is asked for first: a wrong request over it is told of the quota.
  expect((await destroy(simulator, 'room-000001', { query: '' })).ErrorCode).toBe(60007);
});

test('a second later there is quota again', async () => {
  const simulator = await start({ rooms: 2, quotaPerSecond: 1 });
  expect((await destroy(simulator, 'room-000001')).ErrorCode).toBe(0);
  expect((await destroy(simulator, 'room-000002')).ErrorCode).toBe(60007);
  nowMs = 999;
  expect((await destroy(simulator, 'room-000002')).ErrorCode).toBe(60007);
  nowMs = 1_999;
  expect((await destroy(simulator, 'room-000002')).ErrorCode).toBe(0);
});

test('a quota of Infinity lifts it', async () => {
  const simulator = await start({ rooms: 400, quotaPerSecond: Number.POSITIVE_INFINITY });
  const codes = await burst(simulator, [...numberedRooms(400)]);
  expect(codes).toEqual(Array<number>(400).fill(0));
  expect(simulator.report().worstWindow).toBe(400);
});

test('the quota is 200 unless told otherwise', async () => {
  const simulator = await start({ rooms: 220 });
  const codes = await burst(simulator, [...numberedRooms(220)]);
  expect(codes.indexOf(60007)).toBe(200);
  expect(simulator.report()).toMatchObject({ worstWindow: 220, overQuota: 20 });
});
