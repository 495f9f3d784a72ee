/**
 * The global limiter, as one process sees it.
 *
 * All workers of a line share one row in the ledger's database. Reserving n slots moves
 * the row's next free instant forward by n intervals in one atomic statement, which also
 * records the n attempts (src/ledger/reserve.ts). A process asks once for all its waiting
 * jobs: while one reservation is under way, new waiters gather for the next.
 *
 * A slot is used within a few milliseconds of its time or not at all. Without a database
 * there are no slots, and without a slot nothing is sent: the limiter fails closed.
 */
import type { Database } from '../ledger/database.js';
import { isPassing } from '../ledger/database.js';
import { gather } from '../ledger/gather.js';
import { ensureLine, lineId, type LineKey } from '../ledger/line.js';
import { reserveSlots, type Reservation, type SlotRequest } from '../ledger/reserve.js';
import { createDatabaseClock } from './clock.js';
import { jobsToHold, latenessToleranceMs, reconsiderEveryMs } from './pace.js';
import { createSlotTimer } from './slot-timer.js';

/** Most slots reserved in one statement. */
const maximumGroup = 200;

/** How far apart two reservations begin, in milliseconds. Slots are reserved long before they are due. */
const gatherEveryMs = 15;

/** The first slot lies at least this far ahead, or the way back of the reply would make it late. In milliseconds. */
const minimumLeadMs = 30;

/**
 * The very first slot of a process lies further ahead, in milliseconds: code that has not run
 * yet is slow, and slots granted meanwhile would be missed one after the other.
 */
const firstLeadMs = 500;

/** How often the database's clock is read, in milliseconds. */
const clockReadEveryMs = 1000;

export interface LimiterOptions {
  database: Database;
  line: LineKey;
  /** Interval between slots when nothing brakes, in milliseconds. */
  intervalMs: number;
  /** By how much the time from slot to arrival may vary, in milliseconds. */
  jitterMs: number;
  /** Slots in one window. */
  windowSlots: number;
  workerId: string;
  /** Told how many jobs to hold, after each reservation. */
  onJobsToHold: (jobs: number) => void;
  /** Most jobs to hold. */
  maximumJobs: number;
  /** Told when the database cannot be used (an error), and when it can again (undefined). */
  onDatabase: (error: Error | undefined) => void;
}

export interface SlotWish extends SlotRequest {
  /** Lower goes first within one process. */
  lane: number;
}

export interface Limiter {
  readonly lineId: string;
  /**
   * Records the next attempt and waits for its slot. A granted slot is due now: use it at
   * once or give it up. One that could not be had in time is given up and reserved anew.
   * While the database is away, waits for it. Rejects when `signal` aborts, or, where a
   * reservation is under way, when that has returned; an attempt that was recorded by
   * then is still there, un-ended.
   */
  takeSlot(wish: SlotWish, signal: AbortSignal): Promise<Reservation>;
  /** Whether a slot is over: it must be given up. */
  isLate(slotAtMs: number): boolean;
  /** Database time now, in milliseconds since the epoch. */
  now(): number;
  /** A job was taken in hand (+1), or left (-1). */
  countInHand(change: 1 | -1): void;
  /** Slots granted to this process, and those of them given up. */
  counts(): { granted: number; givenUp: number };
  close(): void;
}

/** @throws the driver's error where the database cannot be used at the start. */
export async function createLimiter(options: LimiterOptions): Promise<Limiter> {
  const { database, line, intervalMs, windowSlots, workerId } = options;
  const id = lineId(line);
  const monotonic = () => performance.now();
  const clock = createDatabaseClock(monotonic);
  const timer = createSlotTimer(monotonic);
  let inHand = 0;
  let waiting = 0;
  let granted = 0;
  let givenUp = 0;
  let reconsideredAt = 0;
  let firstSlotFrom: number | undefined;

  await ensureLine(database, line, intervalMs, windowSlots);
  for (let sample = 0; sample < 5; sample++) await readClock();
  const clockReader = setInterval(() => {
    // A failure here says nothing that the next reservation would not say.
    readClock().catch(() => undefined);
  }, clockReadEveryMs);
  clockReader.unref();

  function isLate(slotAtMs: number): boolean {
    return clock.now() - slotAtMs > latenessToleranceMs;
  }

  async function readClock(): Promise<void> {
    const askedAt = monotonic();
    const rows = await database.query<{ now: number }>(
      'clock',
      'select extract(epoch from clock_timestamp())::float8 * 1000 as now',
      [],
    );
    clock.observe({ askedAt, answeredAt: monotonic(), databaseMs: rows[0]?.now ?? Date.now() });
  }

  const reservations = gather<SlotWish, Reservation | undefined>(reserveAll, {
    maximum: maximumGroup,
    everyMs: gatherEveryMs,
    isPassing,
    order: (a, b) => a.lane - b.lane,
  });

  async function reserveAll(wishes: readonly SlotWish[]): Promise<(Reservation | undefined)[]> {
    firstSlotFrom ??= monotonic() + firstLeadMs;
    const leadMs = Math.max(minimumLeadMs, firstSlotFrom - monotonic());
    const result = await reserveSlots(
      database,
      {
        lineId: id,
        sdkAppId: line.sdkAppId,
        workerId,
        intervalMs,
        windowSlots,
        leadMs,
      },
      wishes,
    );
    if (!result.lineExists) await ensureLine(database, line, intervalMs, windowSlots);
    let newest = 0;
    for (const reservation of result.reservations) {
      if (reservation?.kind !== 'granted') continue;
      granted += 1;
      newest = Math.max(newest, reservation.slotAtMs);
    }
    if (newest > 0 && monotonic() - reconsideredAt >= reconsiderEveryMs) {
      reconsideredAt = monotonic();
      // What lies ahead because others were granted before, not because it must.
      const queuedMs = newest - Math.max(clock.now() + leadMs, result.notBeforeMs);
      options.onJobsToHold(jobsToHold({ inHand, waiting, leadMs: queuedMs }, options.maximumJobs));
    }
    return result.reservations;
  }

  async function reserve(wish: SlotWish, signal: AbortSignal): Promise<Reservation> {
    for (let failures = 0; ;) {
      signal.throwIfAborted();
      try {
        const reservation = await reservations.add(wish);
        if (failures > 0) options.onDatabase(undefined);
        if (reservation !== undefined) return reservation;
        failures = 0;
      } catch (error) {
        if (!isPassing(error)) throw error;
        failures += 1;
        options.onDatabase(error as Error);
      }
      await timer.until(monotonic() + Math.min(50 * 2 ** failures, 2000), signal);
    }
  }

  return {
    lineId: id,

    async takeSlot(wish, signal) {
      waiting += 1;
      try {
        for (let current = wish; ;) {
          const reservation = await reserve(current, signal);
          if (reservation.kind !== 'granted') return reservation;
          await timer.until(clock.toLocal(reservation.slotAtMs), signal);
          // A stopped line is empty but for its one probe: late is harmless there.
          if (reservation.probe || !isLate(reservation.slotAtMs)) return reservation;
          givenUp += 1;
          // A stall beyond what the interval allows for disturbs the arrivals around it too: its
          // slots stay lost, and the gap they leave is a margin.
          const stalled = clock.now() - reservation.slotAtMs > options.jitterMs;
          current = stalled ? wish : { ...wish, givenUpSlotMs: reservation.slotAtMs };
        }
      } finally {
        waiting -= 1;
      }
    },

    isLate,
    now: () => clock.now(),
    countInHand(change) {
      inHand += change;
    },
    counts: () => ({ granted, givenUp }),
    close: () => clearInterval(clockReader),
  };
}
