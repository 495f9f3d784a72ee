import { describe, expect, test } from 'vitest';
import {
  createCostMeter,
  forecast,
  forecastToJson,
  fullPace,
  secondsLeft,
  type ForecastOptions,
  type Outlook,
  createRateMeter,
} from '../../src/operations/forecast.js';

/** Between slots at the defaults, in milliseconds. */
const intervalMs = 5.1;
const ratePerSecond = 1000 / intervalMs;

interface Line {
  rooms: number;
  /** Requests that a room costs, on average. */
  requestsPerRoom: number;
  /** Of the slots, how many nobody can use. */
  lost?: number;
  /** Nothing ends for so long: workers start. */
  silentMs?: number;
  /** The rate in force at an instant. */
  rateAt?: (ms: number) => number;
}

/** Runs a line on a fake clock; looks twice a second. Each look is compared with the true end. */
function follow({ rooms, requestsPerRoom, lost = 0, silentMs = 2_000, rateAt }: Line) {
  const rate = rateAt ?? (() => ratePerSecond);
  const meter = createCostMeter();
  const looks: { atMs: number; etaMs: number | undefined }[] = [];
  let done = 0;
  let atMs = 0;
  for (; done < rooms; atMs += 10) {
    if (atMs >= silentMs) done += ((rate(atMs) * 0.01) / requestsPerRoom) * (1 - lost);
    if (atMs % 500 !== 0) continue;
    // What is committed is seen in lumps: a look misses up to a tenth of a second.
    const lumpRooms = (((atMs / 500) % 3) * 0.05 * rate(atMs)) / requestsPerRoom;
    const seen = Math.max(0, Math.floor(done - lumpRooms));
    const look = { nowMs: atMs, roomsAhead: rooms - seen, ratePerSecond: rate(atMs) };
    const left = secondsLeft({ ...look, requestsPerRoom: meter(look) });
    looks.push({ atMs, etaMs: left === undefined ? undefined : atMs + left * 1000 });
  }
  return { endMs: atMs, looks };
}

/** Worst error of the finish time against the time that was left, after the first 30 s. */
function worstError({ endMs, looks }: ReturnType<typeof follow>): number {
  const judged = looks.filter(({ atMs }) => atMs >= 32_000 && endMs - atMs > 10_000);
  expect(judged.length).toBeGreaterThan(100);
  return Math.max(
    ...judged.map(
      ({ atMs, etaMs = Number.POSITIVE_INFINITY }) => Math.abs(etaMs - endMs) / (endMs - atMs),
    ),
  );
}

describe('after the first 30 s of a steady run the finish time is right within 2 % of what is left', () => {
  test.each<[name: string, line: Line]>([
    ['each room at the first attempt', { rooms: 100_000, requestsPerRoom: 1 }],
    ['a fifth of the answers fail', { rooms: 50_000, requestsPerRoom: 1.25 }],
    ['every room needs three requests', { rooms: 20_000, requestsPerRoom: 3 }],
    ['a part of the slots is lost', { rooms: 60_000, requestsPerRoom: 1, lost: 0.03 }],
    ['workers that take long to start', { rooms: 60_000, requestsPerRoom: 1.1, silentMs: 20_000 }],
    ['a line braked to a third', { rooms: 20_000, requestsPerRoom: 1.1, rateAt: () => 65 }],
  ])('%s', (_name, line) => {
    const run = follow(line);
    expect(worstError(run)).toBeLessThan(0.02);
  });
});

test('a brake counts at once: the rate in force is what the rest is divided by', () => {
  const { looks } = follow({
    rooms: 40_000,
    requestsPerRoom: 1,
    rateAt: (ms) => (ms < 60_000 ? ratePerSecond : ratePerSecond / 2),
  });
  const at = (ms: number) => looks.find(({ atMs }) => atMs === ms)?.etaMs ?? Number.NaN;
  const before = at(59_500) - 59_500;
  const after = at(60_000) - 60_000;
  expect(after / before).toBeGreaterThan(1.95);
  expect(after / before).toBeLessThan(2.05);
});

test('retries that begin in the middle are expected for the rest within a minute', () => {
  const meter = createCostMeter();
  let roomsAhead = 100_000;
  let cost = 1;
  for (let second = 0; second <= 200; second++) {
    roomsAhead -= ratePerSecond / (second < 100 ? 1 : 2);
    cost = meter({ nowMs: second * 1000, roomsAhead, ratePerSecond });
    if (second === 100) expect(cost).toBeCloseTo(1, 1);
  }
  expect(cost).toBeCloseTo(2, 1);
});

test.each([50, 500, 5_000])('a braked line climbs back while it works off %s rooms', (rooms) => {
  const fullRatePerSecond = 200;
  const predicted =
    secondsLeft({ roomsAhead: rooms, ratePerSecond: 40, fullRatePerSecond, requestsPerRoom: 1 }) ??
    NaN;
  let seconds = 0;
  for (let left = rooms; left > 0; seconds += 0.001)
    left -= 0.001 * Math.min(fullRatePerSecond, 40 + 0.05 * fullRatePerSecond * seconds);
  expect(predicted / seconds).toBeCloseTo(1, 2);
});

test.each([20, 100, 1_000, 5_000])(
  'after "over quota" it climbs as the ledger lets it while it works off %s rooms',
  (rooms) => {
    const line = { ratePerSecond: 30, fullRatePerSecond: 196, overQuotaPerSecond: 120 };
    const predicted = secondsLeft({ ...line, roomsAhead: rooms, requestsPerRoom: 1 }) ?? NaN;
    // In steps of a millisecond, after the rule of migration 0002.
    let [seconds, rate] = [0, line.ratePerSecond];
    for (let left = rooms; left > 0; seconds += 0.001) {
      left -= 0.001 * rate;
      const perSecond = rate < 108 ? 24 : rate < 132 ? 1.2 : 9.8;
      rate = Math.min(line.fullRatePerSecond, rate + 0.001 * perSecond);
    }
    expect(predicted / seconds).toBeCloseTo(1, 2);
  },
);

test('where nothing moves nobody knows, and where nothing is left it is done', () => {
  expect(secondsLeft({ roomsAhead: 5, ratePerSecond: 0, requestsPerRoom: 1 })).toBeUndefined();
  expect(secondsLeft({ roomsAhead: 0, ratePerSecond: 0, requestsPerRoom: 1 })).toBe(0);
});

test('at the start, before anything is known, a room costs one request', () => {
  const meter = createCostMeter();
  expect(meter({ nowMs: 0, roomsAhead: 1_000, ratePerSecond })).toBe(1);
  expect(meter({ nowMs: 500, roomsAhead: 999, ratePerSecond })).toBe(1);
});

test('rooms that go in front meanwhile do not make the rest look endless', () => {
  const meter = createCostMeter();
  for (let second = 0; second <= 20; second++)
    meter({ nowMs: second * 1000, roomsAhead: 10_000 - second * 150, ratePerSecond });
  const cost = meter({ nowMs: 21_000, roomsAhead: 9_999, ratePerSecond });
  expect(cost).toBe(1);
  expect(meter({ nowMs: 22_000, roomsAhead: 9_890, ratePerSecond })).toBeLessThanOrEqual(20);
});

const nowMs = new Date(2026, 10, 23, 2, 0, 0).getTime();
const minute = 60_000;
/** 196 a second, and a queue that could not be read. */
const unseen: Outlook = { ...fullPace(5.1), waitingAhead: undefined };

function plan(
  rooms: number,
  outlook: Partial<Outlook> = {},
  times: Pick<ForecastOptions, 'notBeforeMs' | 'deadlineMs'> = {},
) {
  return forecast({ rooms, outlook: { ...unseen, ...outlook }, nowMs, ...times });
}

describe('a forecast', () => {
  test('is the rooms at the full rate where nothing else waits', () => {
    expect(plan(300_000)).toMatchObject({ seconds: 1_530, doneAtMs: nowMs + 1_530_000 });
  });

  test('goes no faster than snapshots are taken, whatever else waits', () => {
    const seconds = (waitingAhead: number) =>
      plan(980, { waitingAhead, mostPerSecond: 98 }).seconds;
    expect(seconds(0)).toBeCloseTo(10);
    expect(seconds(9_800)).toBeGreaterThan(50);
  });

  test('counts what waits ahead and goes first', () => {
    const behind = plan(100_000, { waitingAhead: 200_000 });
    expect(behind.seconds).toBeCloseTo(plan(300_000).seconds);
    expect(behind.aheadSeconds).toBeCloseTo(1_020);
  });

  test('is longer where the line is braked or rooms cost retries', () => {
    // It climbs back in ten seconds, in which it sends three quarters of what it could.
    const braked = { ratePerSecond: 500 / 5.1 };
    expect(plan(2_000, braked).seconds).toBeCloseTo(plan(2_000).seconds + 2.5);
    expect(plan(2_000, { requestsPerRoom: 1.5 }).seconds).toBeCloseTo(plan(3_000).seconds);
  });

  test('lets a brake climb back once, for what waits and what is new together', () => {
    const { seconds, aheadSeconds } = plan(1_000, { ratePerSecond: 98, waitingAhead: 1_000 });
    expect(seconds - aheadSeconds).toBeLessThan(aheadSeconds);
  });

  test('works off what waits before a delayed run begins', () => {
    const outlook = { waitingAhead: 100_000 };
    const soon = plan(100_000, outlook, { notBeforeMs: nowMs + minute });
    expect(soon.doneAtMs - nowMs).toBeCloseTo(1_020_000);
    const later = plan(100_000, outlook, { notBeforeMs: nowMs + 20 * minute });
    expect(later.doneAtMs - nowMs).toBeCloseTo(20 * minute + 510_000);
  });

  test('begins now where its time has come meanwhile', () => {
    expect(plan(1, {}, { notBeforeMs: nowMs - minute }).beginsAtMs).toBe(nowMs);
  });

  test('says by how much a deadline is missed, and nothing where it is kept', () => {
    const deadline = (minutes: number) =>
      plan(300_000, {}, { deadlineMs: nowMs + minutes * minute }).deadline?.missedBySeconds;
    expect(deadline(19.5)).toBeCloseTo(360);
    expect(deadline(30)).toBeUndefined();
  });

  test('is the same to a script', () => {
    expect(forecastToJson(plan(300_000, {}, { deadlineMs: nowMs + 19.5 * minute }))).toEqual({
      seconds: 1_530,
      doneAt: new Date(nowMs + 1_530_000).toISOString(),
      deadline: {
        at: new Date(nowMs + 19.5 * minute).toISOString(),
        missed: true,
        missedBySeconds: 360,
      },
    });
    expect(forecastToJson(plan(1, { waitingAhead: 7 }))).toMatchObject({ waitingAhead: 7 });
  });
});

describe('the rate', () => {
  test('is that of the last five seconds', () => {
    const rate = createRateMeter();
    for (let second = 0; second <= 10; second++) rate(second * 100, second * 1_000);
    for (let second = 11; second <= 15; second++) rate(1_000 + (second - 10) * 200, second * 1_000);
    expect(rate(2_200, 16_000)).toBe(200);
  });

  test('does not count the time before the first room', () => {
    const rate = createRateMeter();
    for (let second = 0; second < 20; second++) expect(rate(0, second * 1_000)).toBe(0);
    expect(rate(196, 20_000)).toBe(196);
  });

  test('falls to nothing where nothing ends any more', () => {
    const rate = createRateMeter();
    rate(0, 0);
    rate(100, 1_000);
    for (let second = 2; second <= 7; second++) rate(100, second * 1_000);
    expect(rate(100, 8_000)).toBe(0);
  });
});
