/** The global limiter as one process sees it, on a real Postgres. */
import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { probeNow, stopLine } from '../../src/ledger/line.js';
import type { Database } from '../../src/ledger/database.js';
import { recordEnds } from '../../src/ledger/record.js';
import type { Reservation } from '../../src/ledger/reserve.js';
import {
  createLimiter,
  type Limiter,
  type LimiterOptions,
  type SlotWish,
} from '../../src/limiter/limiter.js';
import { latenessToleranceMs, latestUseMs } from '../../src/limiter/pace.js';
import { lanes } from '../../src/queue/job.js';
import { startPostgresServer, withPostgres } from '../support/servers.js';
import { assertSlidingWindow } from '../support/sliding-window.js';
import { watchStalls } from '../support/stalls.js';
import { undisturbed } from '../pacing/undisturbed.js';
import {
  attemptEnd,
  destructionEnd,
  makeLine,
  openLedger,
  request,
  useLedger,
  type Line,
} from '../ledger/fixture.js';

const ledger = useLedger();
const limiters: Limiter[] = [];
const stalls = watchStalls();
afterEach(() => {
  for (const limiter of limiters.splice(0)) limiter.close();
});

async function limiterOf(line: Line, options: Partial<LimiterOptions> = {}): Promise<Limiter> {
  const limiter = await createLimiter({
    database: ledger.database,
    line: line.key,
    intervalMs: line.intervalMs,
    windowSlots: line.windowSlots,
    jitterMs: 20,
    workerId: 'worker-1',
    allowedJobs: () => 1,
    onJobsToHold: () => undefined,
    maximumJobs: 100,
    onDatabase: () => undefined,
    onSlowLedger: () => undefined,
    onOutage: () => undefined,
    answeredAtMs: () => undefined,
    ...options,
  });
  limiters.push(limiter);
  return limiter;
}

function wish(changes: Partial<SlotWish> = {}): SlotWish {
  return { ...request(), lane: lanes.bulk, ...changes };
}

const patient = new AbortController().signal;
setMaxListeners(0, patient);

interface Used {
  slotAtMs: number;
  /** Database time at which the slot was in hand, in milliseconds since the epoch. */
  atMs: number;
  attempt: number;
}

async function use(limiter: Limiter, wanted = wish(), signal = patient): Promise<Used> {
  const reservation = await limiter.takeSlot(wanted, signal);
  const atMs = limiter.now();
  if (reservation.kind !== 'granted') throw new Error(`expected a slot, got ${reservation.kind}`);
  return { slotAtMs: reservation.slotAtMs, attempt: reservation.attempt, atMs };
}

const useMany = (limiter: Limiter, count: number) =>
  Promise.all(Array.from({ length: count }, () => use(limiter)));

function inOrder(used: readonly Used[]): number[] {
  return used.map((each) => each.slotAtMs).sort((a, b) => a - b);
}

/** Nothing else in this process runs until the instant, as if it were paused. */
function blockUntil(limiter: Limiter, databaseMs: number): void {
  while (limiter.now() < databaseMs);
}

/** Between the limiter's check and the test's the machine may pause this process; for long, it is measured again. */
function expectInTime(used: readonly Used[]): void {
  undisturbed(stalls, 10, () => {
    for (const { slotAtMs, atMs } of used)
      expect(atMs - slotAtMs).toBeLessThan(latestUseMs(20, 200) + 10);
  });
}

/** A process that stalls once `jobs` slots are granted to it, until `lateMs` after the newest of them. */
async function stallingLimiter(
  line: Line,
  { jobs, lateMs }: { jobs: number; lateMs: number },
  options: Partial<LimiterOptions> = {},
) {
  const stall = { newestMs: 0, untilMs: 0 };
  let left = jobs;
  const database: Database = {
    ...ledger.database,
    async query(name, sql, parameters) {
      const rows = await ledger.database.query(name, sql, parameters);
      if (name === 'reserve' && left > 0) {
        const slots = (rows as { slot_at: number | null }[]).flatMap((row) => row.slot_at ?? []);
        left -= slots.length;
        stall.newestMs = Math.max(stall.newestMs, ...slots);
        // Once the limiter has them.
        if (left <= 0) setImmediate(begin);
      }
      return rows as never[];
    },
  };
  const limiter = await limiterOf(line, { database, ...options });
  function begin() {
    blockUntil(limiter, stall.newestMs + lateMs);
    stall.untilMs = limiter.now();
  }
  return { limiter, stall };
}

/** The newest slot that the line's row holds. */
async function remembered(line: Line): Promise<number[]> {
  const [row] = await ledger.sql<{ recent: number[] }>(
    'select recent from room_reaper.lines where id = $1',
    [line.id],
  );
  return row?.recent ?? [];
}

/** Runs `during` while every reservation has to wait for the line's row. */
async function whileRowIsLocked<T>(line: Line, during: () => Promise<T>): Promise<T> {
  return withPostgres(ledger.url, async (client) => {
    await client.query('begin');
    await client.query('select from room_reaper.lines where id = $1 for update', [line.id]);
    const result = await during();
    await client.query('commit');
    return result;
  });
}

async function untilOneWaits(): Promise<void> {
  await expect
    .poll(() =>
      ledger.sql(
        `select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
      ),
    )
    .toHaveLength(1);
}

describe('slots', () => {
  test('each is in hand at its time: never early, never later than it may be used', async () => {
    const line = await makeLine(ledger);
    const limiter = await limiterOf(line);
    const used = await useMany(limiter, 250);
    for (const { slotAtMs, atMs } of used) expect(atMs - slotAtMs).toBeGreaterThan(-1);
    expectInTime(used);
    const { slots, spanMs } = { slots: line.windowSlots, spanMs: 1_020 };
    assertSlidingWindow(inOrder(used), { slots, spanMs });
    expect(limiter.counts().granted - limiter.counts().givenUp).toBe(250);
  });

  test('several processes share one line, and together keep its windows', async () => {
    const line = await makeLine(ledger, { intervalMs: 10.2, windowSlots: 100 });
    const one = await limiterOf(line);
    const two = await limiterOf(line, {
      workerId: 'worker-2',
      database: await ledger.another(),
    });
    const used = await Promise.all([useMany(one, 75), useMany(two, 75)]);
    assertSlidingWindow(inOrder(used.flat()), { slots: 100, spanMs: 1_020 });
  });

  test('a new line holds its first slot back for a full window', async () => {
    const line = await makeLine(ledger);
    await ledger.sql('delete from room_reaper.lines where id = $1', [line.id]);
    const before = Date.now();
    const limiter = await limiterOf(line);
    await use(limiter);
    expect(Date.now() - before).toBeGreaterThan(990);
  });

  test('a line whose row was lost while it ran is made anew, a full window ahead', async () => {
    const line = await makeLine(ledger);
    const limiter = await limiterOf(line);
    await use(limiter);
    await ledger.sql('delete from room_reaper.lines where id = $1', [line.id]);
    const lostAt = Date.now();
    await use(limiter);
    expect(Date.now() - lostAt).toBeGreaterThan(990);
  });

  test('after each reservation it says how many jobs are right, within the maximum', async () => {
    const line = await makeLine(ledger);
    const told: number[] = [];
    const limiter = await limiterOf(line, {
      maximumJobs: 7,
      onJobsToHold: (jobs) => told.push(jobs),
    });
    for (let job = 0; job < 5; job++) limiter.countInHand(1);
    await useMany(limiter, 5);
    expect(told.length).toBeGreaterThan(0);
    for (const jobs of told) {
      expect(jobs).toBeGreaterThanOrEqual(1);
      expect(jobs).toBeLessThanOrEqual(7);
    }
  });
});

describe('a ledger that answers slowly', () => {
  async function slowLimiter(answerMs: number, options: Partial<LimiterOptions> = {}) {
    const database: Database = {
      ...ledger.database,
      async query(name, sql, parameters) {
        const rows = await ledger.database.query(name, sql, parameters);
        if (name === 'reserve') await sleep(answerMs);
        return rows as never[];
      },
    };
    return limiterOf(await makeLine(ledger), { database, ...options });
  }

  test.each([60, 150])('by %i ms: a single room has its slot all the same', async (answerMs) => {
    const limiter = await slowLimiter(answerMs);
    await use(limiter);
    // The first slots of a process lie further ahead anyway.
    await sleep(600);
    for (let room = 0; room < 3; room++) await use(limiter);
    undisturbed(stalls, 10, () => {
      expect(limiter.counts().givenUp).toBeLessThanOrEqual(2);
    });
  });

  test('by more than slots may lie ahead: that is said', async () => {
    const told: number[] = [];
    const limiter = await slowLimiter(600, { onSlowLedger: (ms) => told.push(ms) });
    const stop = new AbortController();
    const waiting = use(limiter, wish(), stop.signal);
    await expect.poll(() => told.length).toBeGreaterThan(0);
    expect(told[0]).toBeGreaterThan(590);
    stop.abort(new Error('over'));
    await waiting.catch(() => undefined);
  });
});

describe('a slot that comes too late', () => {
  test('is given up and reserved anew: after a stall nothing is used late', async () => {
    const line = await makeLine(ledger);
    const { limiter, stall } = await stallingLimiter(line, { jobs: 60, lateMs: -100 });
    const wishes = Array.from({ length: 60 }, () => wish());

    const used = await Promise.all(wishes.map((each) => use(limiter, each)));

    const { granted, givenUp } = limiter.counts();
    expect(givenUp).toBeGreaterThanOrEqual(35);
    expect(granted - givenUp).toBe(60);
    expectInTime(used);
    for (const { slotAtMs } of used)
      expect(slotAtMs).toBeGreaterThan(stall.untilMs - latestUseMs(20, 200) - 1);
    assertSlidingWindow(inOrder(used), { slots: 200, spanMs: 1_020 });
    // It is one attempt all the same, not a second that may have acted.
    expect(new Set(used.map((each) => each.attempt))).toEqual(new Set([1]));
    const attempts = await ledger.sql<{ count: number }>(
      'select count(*)::int as count from room_reaper.attempts where destruction_id = any ($1)',
      [wishes.map((each) => each.id)],
    );
    expect(attempts).toEqual([{ count: 60 }]);
  });

  test.each([
    { stall: 'a short delay', lateMs: 100, staysLost: false },
    { stall: 'a stall beyond the jitter', lateMs: 300, staysLost: true },
  ])('after $stall its place is lost: $staysLost', async ({ lateMs, staysLost }) => {
    const line = await makeLine(ledger);
    const { limiter, stall } = await stallingLimiter(line, { jobs: 1, lateMs }, { jitterMs: 150 });
    const { slotAtMs } = await use(limiter);
    expect(slotAtMs).toBeGreaterThan(stall.newestMs);
    expect((await remembered(line)).includes(stall.newestMs)).toBe(staysLost);
  });

  test('on a machine that slept nothing is used before the database’s clock is read anew', async () => {
    const limiter = await limiterOf(await makeLine(ledger));
    const using = use(limiter);
    await expect.poll(() => limiter.counts().granted).toBe(1);
    const wallClock = Date.now.bind(Date);
    const slept = vi.spyOn(Date, 'now').mockImplementation(() => wallClock() + 3_600_000);
    try {
      await using;
    } finally {
      slept.mockRestore();
    }
    expect(limiter.counts().givenUp).toBeGreaterThan(0);
  });

  test('it is over once it may not be used any more', async () => {
    const limiter = await limiterOf(await makeLine(ledger));
    const now = limiter.now();
    expect(limiter.isLate(now + 100, undefined)).toBe(false);
    expect(limiter.isLate(now, undefined)).toBe(false);
    expect(limiter.isLate(now - latestUseMs(20, 200) + 1, undefined)).toBe(false);
    expect(limiter.isLate(now - latestUseMs(20, 200) - 1, undefined)).toBe(true);
  });

  test('used a little late, it is remembered at the time of its use; used on time, where it is', async () => {
    const line = await makeLine(ledger);
    const limiter = await limiterOf(line);
    const take = async () => {
      const reservation = await limiter.takeSlot(wish(), patient);
      if (reservation.kind !== 'granted') throw new Error('expected a slot');
      return reservation.slotAtMs;
    };
    let onTime: number;
    // Where the machine paused this process, it was not on time.
    do onTime = await take();
    while (limiter.use(onTime) - onTime > latenessToleranceMs);
    const late = await take();
    blockUntil(limiter, late + latenessToleranceMs + 1);
    const usedAtMs = limiter.use(late);
    expect(usedAtMs).toBeGreaterThan(late + latenessToleranceMs);

    const next = await take();

    const told = await remembered(line);
    expect(told).toEqual(expect.arrayContaining([onTime, usedAtMs]));
    expect(told).not.toContain(late);
    expect(told.at(-1)).toBe(next);
  });

  test.each([
    { used: 'on time', useLateMs: 0 },
    { used: 'late', useLateMs: latenessToleranceMs + 1 },
  ])(
    'used $used and written too late, it is remembered at the time it was written',
    async (given) => {
      const line = await makeLine(ledger);
      const limiter = await limiterOf(line);
      const { slotAtMs } = await use(limiter);
      blockUntil(limiter, slotAtMs + given.useLateMs);
      limiter.use(slotAtMs);
      blockUntil(limiter, slotAtMs + 50);
      const from = limiter.now();
      limiter.written(slotAtMs);
      const until = limiter.now();

      await use(limiter);

      const told = await remembered(line);
      expect(told).not.toContain(slotAtMs);
      expect(told.filter((at) => at >= from && at <= until)).toHaveLength(1);
      expect(told.filter((at) => at > slotAtMs && at < from)).toEqual([]);
    },
  );

  test('used late while a reservation is under way, it is told by the next one', async () => {
    const line = await makeLine(ledger);
    const limiter = await limiterOf(line);
    const late = await use(limiter);
    const underWay = await whileRowIsLocked(line, async () => {
      const next = use(limiter);
      await untilOneWaits();
      blockUntil(limiter, late.slotAtMs + latenessToleranceMs + 1);
      return { next, usedAtMs: limiter.use(late.slotAtMs) };
    });
    await underWay.next;
    await use(limiter);

    const told = await remembered(line);
    expect(told).toContain(underWay.usedAtMs);
    expect(told).not.toContain(late.slotAtMs);
  });
});

describe('lanes', () => {
  test('an urgent room goes before all others that wait in the same process', async () => {
    const line = await makeLine(ledger, { intervalMs: 102, windowSlots: 10 });
    const limiter = await limiterOf(line);
    const stop = new AbortController();
    const take = (roomId: string, lane: number) => {
      limiter.takeSlot(wish({ roomId, lane }), stop.signal).catch(() => undefined);
    };
    await whileRowIsLocked(line, async () => {
      take('under way', lanes.bulk);
      await untilOneWaits();
      for (let bulk = 0; bulk < 3; bulk++) take('bulk', lanes.bulk);
      take('normal', lanes.normal);
      take('retry', lanes.retry);
      take('urgent', lanes.urgent);
    });
    await expect.poll(() => limiter.counts().granted).toBe(7);
    const order = await ledger.sql<{ room_id: string }>(
      `select room_id from room_reaper.attempts a join room_reaper.destructions d on d.id = a.destruction_id
        where d.sdk_app_id = $1 order by slot_at`,
      [line.sdkAppId],
    );
    stop.abort(new Error('over'));
    expect(order.map((row) => row.room_id)).toEqual([
      ...['under way', 'urgent', 'retry', 'normal', 'bulk', 'bulk', 'bulk'],
    ]);
  });
});

describe('what needs no slot', () => {
  test('a destruction that has ended, one that has expired and a stopped line are told at once', async () => {
    const line = await makeLine(ledger);
    const limiter = await limiterOf(line);
    const done = wish();
    await line.grant(done);
    await recordEnds(ledger.database, 1_400_000_001, [
      {
        destructionId: done.id,
        attempt: attemptEnd(),
        end: destructionEnd('rejected'),
      },
    ]);
    const told = (wanted: SlotWish): Promise<Reservation> => limiter.takeSlot(wanted, patient);
    expect(await told(done)).toEqual({ kind: 'finished', outcome: 'rejected' });
    expect(await told(wish({ notAfterMs: Date.now() - 1 }))).toEqual({ kind: 'expired' });
    const cause = { code: 70003, reason: 'UserSig is wrong', remedy: 'set the right key' };
    await stopLine(ledger.database, line.id, cause);
    expect(await told(wish())).toMatchObject({ kind: 'stopped', line: cause });
    expect(limiter.counts().granted).toBe(0);
  });
});

describe('abort', () => {
  test('whoever waits for a slot is told the reason at once, and nobody else', async () => {
    const line = await makeLine(ledger);
    const limiter = await limiterOf(line);
    const stop = new AbortController();
    const stopped = use(limiter, wish(), stop.signal);
    const other = use(limiter);
    await expect.poll(() => limiter.counts().granted).toBe(2);
    stop.abort(new Error('shutting down'));
    await expect(stopped).rejects.toThrow('shutting down');
    expect((await other).attempt).toBe(1);
  });

  test('an attempt that was recorded by then is still there, un-ended', async () => {
    const limiter = await limiterOf(await makeLine(ledger));
    const stop = new AbortController();
    const wanted = wish();
    const stopped = use(limiter, wanted, stop.signal);
    await expect.poll(() => limiter.counts().granted).toBe(1);
    stop.abort(new Error('shutting down'));
    await expect(stopped).rejects.toThrow('shutting down');
    const rows = await ledger.sql(
      'select attempt, ended_at from room_reaper.attempts where destruction_id = $1',
      [wanted.id],
    );
    expect(rows).toEqual([{ attempt: 1, ended_at: null }]);
  });

  test('whoever comes after the abort is granted nothing', async () => {
    const limiter = await limiterOf(await makeLine(ledger));
    const wanted = use(limiter, wish(), AbortSignal.abort(new Error('shutting down')));
    await expect(wanted).rejects.toThrow('shutting down');
    expect(limiter.counts().granted).toBe(0);
  });

  test('where a reservation is under way it is told when that has returned', async () => {
    const line = await makeLine(ledger);
    const limiter = await limiterOf(line);
    const stop = new AbortController();
    let stopping: Promise<string> | undefined;
    await whileRowIsLocked(line, async () => {
      stopping = use(limiter, wish(), stop.signal).then(
        () => 'granted',
        (error: unknown) => (error as Error).message,
      );
      await untilOneWaits();
      stop.abort(new Error('shutting down'));
    });
    expect(await stopping).toBe('shutting down');
  });
});

describe('the probe of a stopped line', () => {
  async function stoppedLine(): Promise<Line> {
    const line = await makeLine(ledger);
    await stopLine(ledger.database, line.id, { code: 70003, reason: 'wrong', remedy: undefined });
    await probeNow(ledger.database, line.id);
    return line;
  }

  test('is for the next, where whoever was granted it stops before it sends', async () => {
    const line = await stoppedLine();
    const limiter = await limiterOf(line);
    const stop = new AbortController();
    let stopped: Promise<unknown> | undefined;
    await whileRowIsLocked(line, async () => {
      stopped = expect(use(limiter, wish(), stop.signal)).rejects.toThrow('halted');
      await untilOneWaits();
      stop.abort(new Error('halted'));
    });
    await stopped;
    await expect
      .poll(() => limiter.takeSlot(wish(), patient))
      .toMatchObject({ kind: 'granted', probe: 'stop' });
  });

  test('is had again by whoever was too late for it', async () => {
    const { limiter } = await stallingLimiter(await stoppedLine(), { jobs: 1, lateMs: 600 });
    expect(await limiter.takeSlot(wish(), patient)).toMatchObject({
      kind: 'granted',
      probe: 'stop',
    });
    expect(limiter.counts()).toEqual({ granted: 2, givenUp: 1 });
  });
});

describe('a database that goes away', () => {
  test('grants nothing, says so, and goes on by itself when it is back', async () => {
    const server = await startPostgresServer();
    const database = await openLedger(server.url);
    const told: ('away' | 'back')[] = [];
    const line = await makeLine(ledger);
    const limiter = await limiterOf(line, {
      database,
      onDatabase: (error) => told.push(error === undefined ? 'back' : 'away'),
    });
    try {
      await use(limiter);
      await server.kill();
      const taken: Used[] = [];
      const using = Promise.all(
        Array.from({ length: 5 }, async () => taken.push(await use(limiter))),
      );
      await expect.poll(() => told.length, { timeout: 5_000 }).toBeGreaterThan(5);
      expect(new Set(told)).toEqual(new Set(['away']));
      expect(taken).toEqual([]);

      // Who gives up meanwhile need not wait for it.
      const stop = new AbortController();
      const stopped = use(limiter, wish(), stop.signal);
      setTimeout(() => stop.abort(new Error('shutting down')), 100);
      await expect(stopped).rejects.toThrow('shutting down');

      await server.restart();
      await using;
      expect(told).toContain('back');
      assertSlidingWindow(inOrder(taken), { slots: 200, spanMs: 1_020 });
      expectInTime(taken);
    } finally {
      limiter.close();
      await database.close();
      await server.stop();
    }
  });

  test('a statement that is wrong is an error, not a reason to wait', async () => {
    const limiter = await limiterOf(await makeLine(ledger));
    const wrong = use(limiter, wish({ roomId: '\0' }));
    await expect(wrong).rejects.toThrow();
  });
});
