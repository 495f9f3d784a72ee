/** The global limiter as one process sees it, on a real Postgres. Its times are in limiter.unit.test.ts. */
import { setMaxListeners } from 'node:events';
import { afterEach, describe, expect, test } from 'vitest';
import { probeNow, stopLine } from '../../src/ledger/line.js';
import { recordEnds } from '../../src/ledger/record.js';
import type { Reservation } from '../../src/ledger/reserve.js';
import { type LedgerClock, openLedgerClock } from '../../src/limiter/clock.js';
import {
  createLimiter,
  type Limiter,
  type LimiterOptions,
  type SlotWish,
} from '../../src/limiter/limiter.js';
import { reserveSlots } from '../../src/ledger/reserve.js';
import { createSlotTimer } from '../../src/limiter/slot-timer.js';
import { lanes } from '../../src/queue/job.js';
import { startPostgresServer, withPostgres } from '../support/servers.js';
import { assertSlidingWindow } from '../support/sliding-window.js';
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
const clocks: LedgerClock[] = [];
afterEach(() => {
  for (const clock of clocks.splice(0)) clock.close();
});

async function openClock(database = ledger.database): Promise<LedgerClock> {
  const clock = await openLedgerClock(database);
  clocks.push(clock);
  return clock;
}

async function limiterOf(line: Line, options: Partial<LimiterOptions> = {}): Promise<Limiter> {
  const clock = options.clock ?? (await openClock(options.database));
  return createLimiter({
    database: ledger.database,
    reserve: reserveSlots,
    clock,
    timer: createSlotTimer(() => clock.monotonic()),
    line: line.key,
    intervalMs: line.intervalMs,
    windowSlots: line.windowSlots,
    jitterMs: 20,
    workerId: 'worker-1',
    onLead: () => undefined,
    onDatabase: () => undefined,
    onAnswer: () => undefined,
    onSlowLedger: () => undefined,
    onOutage: () => undefined,
    answeredAtMs: () => undefined,
    ...options,
  });
}

/** The ledger's clock, which the test can put on. */
async function clockPutOn() {
  const clock = await openClock();
  const put = { onByMs: 0 };
  return { put, clock: { ...clock, now: () => clock.now() + put.onByMs } };
}

function wish(changes: Partial<SlotWish> = {}): SlotWish {
  return { ...request(), lane: lanes.bulk, ...changes };
}

const patient = new AbortController().signal;
setMaxListeners(0, patient);

interface Used {
  slotAtMs: number;
  attempt: number;
}

async function use(limiter: Limiter, wanted = wish(), signal = patient): Promise<Used> {
  const reservation = await limiter.takeSlot(wanted, signal);
  if (reservation.kind !== 'granted') throw new Error(`expected a slot, got ${reservation.kind}`);
  return { slotAtMs: reservation.slotAtMs, attempt: reservation.attempt };
}

const useMany = (limiter: Limiter, count: number) =>
  Promise.all(Array.from({ length: count }, () => use(limiter)));

function inOrder(used: readonly Used[]): number[] {
  return used.map((each) => each.slotAtMs).sort((a, b) => a - b);
}

/** The slots that the line's row holds. */
async function remembered(line: Line): Promise<number[]> {
  const [row] = await ledger.sql<{ recent: number[] }>(
    'select recent from room_reaper.lines where id = $1',
    [line.id],
  );
  return row?.recent ?? [];
}

/** The ledger's time. */
async function now(): Promise<number> {
  const [row] = await ledger.sql<{ now: number }>(
    'select extract(epoch from clock_timestamp())::float8 * 1000 as now',
  );
  return row?.now ?? NaN;
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
  test('as many as are asked for come, and no window is fuller than the quota', async () => {
    const line = await makeLine(ledger);
    const limiter = await limiterOf(line);
    const used = await useMany(limiter, 250);
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
    const before = await now();
    const limiter = await limiterOf(line);
    expect((await use(limiter)).slotAtMs - before).toBeGreaterThan(999);
  });

  test('a line whose row was lost while it ran is made anew, a full window ahead', async () => {
    const line = await makeLine(ledger);
    const limiter = await limiterOf(line);
    await use(limiter);
    await ledger.sql('delete from room_reaper.lines where id = $1', [line.id]);
    const lostAt = await now();
    expect((await use(limiter)).slotAtMs - lostAt).toBeGreaterThan(999);
  });
});

describe('late slots', () => {
  test('a slot given up and reserved anew is one attempt all the same, not a second that may have acted', async () => {
    const line = await makeLine(ledger);
    const { put, clock } = await clockPutOn();
    const limiter = await limiterOf(line, { clock });
    const wishes = Array.from({ length: 30 }, () => wish());
    const using = Promise.all(wishes.map((each) => use(limiter, each)));
    await expect.poll(() => limiter.counts().granted).toBe(30);
    put.onByMs = 60_000;
    await expect.poll(() => limiter.counts().givenUp).toBeGreaterThan(0);
    put.onByMs = 0;

    const used = await using;

    expect(new Set(used.map((each) => each.attempt))).toEqual(new Set([1]));
    const attempts = await ledger.sql<{ count: number }>(
      'select count(*)::int as count from room_reaper.attempts where destruction_id = any ($1)',
      [wishes.map((each) => each.id)],
    );
    expect(attempts).toEqual([{ count: 30 }]);
  });

  test('a slot used a little late is remembered at the time of its use', async () => {
    const line = await makeLine(ledger);
    const { put, clock } = await clockPutOn();
    const limiter = await limiterOf(line, { clock });
    const { slotAtMs } = await use(limiter);
    put.onByMs = 10;
    limiter.written(slotAtMs);
    put.onByMs = 0;
    const next = await use(limiter);
    const told = await remembered(line);
    expect(told).not.toContain(slotAtMs);
    expect(told.at(-2)).toBeGreaterThan(slotAtMs + 5);
    expect(told.at(-1)).toBe(next.slotAtMs);
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
      await expect.poll(() => told.length).toBeGreaterThan(3);
      expect(new Set(told)).toEqual(new Set(['away']));
      expect(taken).toEqual([]);

      // Who gives up meanwhile need not wait for it.
      const stop = new AbortController();
      const stopped = use(limiter, wish(), stop.signal);
      setImmediate(() => stop.abort(new Error('shutting down')));
      await expect(stopped).rejects.toThrow('shutting down');

      await server.restart();
      await using;
      expect(told).toContain('back');
      assertSlidingWindow(inOrder(taken), { slots: 200, spanMs: 1_020 });
    } finally {
      await database.close();
      await server.stop();
    }
  });

  test('a statement that is wrong is an error, not a reason to wait', async () => {
    const limiter = await limiterOf(await makeLine(ledger));
    const wrong = use(limiter, wish({ requestedAtMs: Number.NaN }));
    await expect(wrong).rejects.toThrow();
  });
});
