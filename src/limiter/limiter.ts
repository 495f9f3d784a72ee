/**
 * The global limiter, as one process sees it.
 *
 * All workers of a line share one row in the ledger's database. Reserving n slots moves
 * the row's next free instant forward by n intervals in one atomic statement, which also
 * records the n attempts (src/ledger/reserve.ts; of a command that only reads,
 * src/ledger/reserve-reads.ts). A process asks once for all its waiting jobs: while one reservation is under way, new waiters gather for the next.
 *
 * A slot is used within a few milliseconds of its time or not at all; where it was a little
 * late, the row is told. Without a database there are no slots, and without a slot nothing is
 * sent: the limiter fails closed.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Database } from '../ledger/database.js';
import { gather } from '../ledger/gather.js';
import {
  moveSlots,
  type Grant,
  type MovedSlot,
  type ReserveOptions,
  type ReserveResult,
  type StoppedLine,
  type Wish,
} from '../ledger/grant.js';
import { ensureLine, lineId, probeNow, type LineKey } from '../ledger/line.js';
import type { Reservation, SlotRequest } from '../ledger/reserve.js';
import type { ReadReservation } from '../ledger/reserve-reads.js';
import { isPassing, patiently, startPatienceMs } from '../passing.js';
import type { LedgerClock } from './clock.js';
import { latestUseMs, onTimeMs } from './pace.js';
import type { SlotTimer } from './slot-timer.js';

/** Most slots reserved in one statement. */
const maximumGroup = 200;

/**
 * How far apart two reservations begin, in milliseconds, unless enough jobs wait. A statement
 * costs the same for one as for ten, and slots are reserved long before they are due.
 */
const gatherEveryMs = 40;
const enoughJobs = 20;

/** The first slot lies at least this far ahead, or the way back of the reply would make it late. In milliseconds. */
const minimumLeadMs = 30;

/** Added to the time that the ledger lately took to answer, in milliseconds. */
const leadSlackMs = 15;

/**
 * The ledger is as slow as the fastest of its last so many answers: a single slow one is a pause
 * of this machine, and slots further ahead would not make up for it.
 */
const answersKept = 4;

/**
 * The very first slot of a process lies further ahead, in milliseconds: code that has not run
 * yet is slow, and slots granted meanwhile would be missed one after the other. No slot lies
 * further ahead than this because of the ledger.
 */
const firstLeadMs = 500;

/** How soon a reservation that could not be made is asked for again, in milliseconds; doubles with each failure. */
const askAgainMs = 50;

/** Shortest wait for the next probe of an outage, in milliseconds. */
const shortestProbeWaitMs = 100;

/** How many of the slots granted are remembered: more than are given up in a row. */
const heldKept = 1_000;

/** A probe, beside which the line is empty, may be this late, in milliseconds. */
const probeToleranceMs = 500;

/**
 * No slot that is granted lies so far ahead, in milliseconds and in intervals: the ledger's clock
 * went back. The row forgets such slots too (`known_slots` in src/ledger/migrations).
 */
const farthestMs = 60_000;
const farthestIntervals = 1_000;

/** A wait is looked at again after this, in milliseconds: the clock may have been corrected. */
const lookAgainMs = 1_000;

export interface LimiterOptions<
  W extends LaneWish = SlotWish,
  R extends AnyReservation = Reservation,
> {
  database: Database;
  /** Reserves a slot for each wish, in one statement. */
  reserve: (
    database: Database,
    options: ReserveOptions,
    wishes: readonly W[],
  ) => Promise<ReserveResult<R>>;
  clock: Pick<LedgerClock, 'now' | 'toLocal' | 'monotonic' | 'wasSuspended'>;
  /** Waits for instants of the clock's monotonic milliseconds. */
  timer: SlotTimer;
  line: LineKey;
  /** Interval between slots when nothing brakes, in milliseconds. */
  intervalMs: number;
  /** By how much the time from slot to arrival may vary, in milliseconds. */
  jitterMs: number;
  /** Slots in one window. */
  windowSlots: number;
  workerId: string;
  /** Told, where slots were granted, how far ahead they lie: by it whoever takes jobs takes more or fewer. */
  onLead: (lead: Lead) => void;
  /** Told when the database cannot be used (an error), and when it can again (undefined). */
  onDatabase: (error: Error | undefined) => void;
  /** Told how long the ledger took to answer, in milliseconds. */
  onAnswer: (answerMs: number) => void;
  /** Told how long the ledger takes to answer, in milliseconds, where that is too long for slots to come in time. */
  onSlowLedger: (answerMs: number) => void;
  /** Told, with each reservation, whether the line is in an outage. */
  onOutage: (outage: StoppedLine | undefined) => void;
  /** When this process last had an answer that shows the API at work, on the database's clock. */
  answeredAtMs: () => number | undefined;
}

export interface Lead {
  /** How far ahead of now the newest slot lies because others were granted before, in milliseconds. */
  leadMs: number;
  /** How many wait for a slot in this process. */
  waiting: number;
}

export interface LaneWish extends Wish {
  /** Lower goes first within one process. */
  lane: number;
}

/** A wish to send the next attempt of a destruction. */
export interface SlotWish extends SlotRequest, LaneWish {}

export type AnyReservation = Reservation | ReadReservation;

export interface Limiter<W extends LaneWish = SlotWish, R extends AnyReservation = Reservation> {
  /**
   * Records the next attempt and waits for its slot. A granted slot is due now: use it in this very
   * turn of the event loop. One that could not be had in time is given up and reserved anew.
   * While the database is away, waits for it; in an outage of the API, waits for its end or
   * for its own turn to try. Rejects when `signal` aborts, or, where a
   * reservation is under way, when that has returned; an attempt that was recorded by
   * then is still there, un-ended.
   *
   * @param atSlot - done when the slot is there, and judged too: it may have taken too long.
   */
  takeSlot(wish: W, signal: AbortSignal, atSlot?: () => Promise<void>): Promise<R>;
  /** Notes that the request of this slot was written to its socket now; where that was late, the row is told. */
  written(slotAtMs: number): void;
  counts(): SlotCounts;
}

/** What became of the slots that were granted to one process. */
export interface SlotCounts {
  granted: number;
  /** Used for a request, in time or late. */
  used: number;
  /** Of these, later than the interval between slots allows for: the line's row was told. */
  late: number;
  givenUp: number;
}

/** @throws the driver's error where the database cannot be used at the start, after fifteen seconds. */
export async function createLimiter<W extends LaneWish, R extends AnyReservation>(
  options: LimiterOptions<W, R>,
): Promise<Limiter<W, R>> {
  const { database, clock, timer, line, intervalMs, windowSlots, workerId } = options;
  const monotonic = () => clock.monotonic();
  const id = lineId(line);
  let waiting = 0;
  const counts: SlotCounts = { granted: 0, used: 0, late: 0, givenUp: 0 };
  let firstSlotFrom: number | undefined;
  /** How long the last reservations took, in milliseconds. */
  let answers: number[] = [];
  const answerMs = () => (answers.length === 0 ? 0 : Math.min(...answers));
  const aheadAtMostMs = Math.max(farthestMs, farthestIntervals * intervalMs);
  /** Slots granted and not given up: the newest is told, so that a row that lacks it is noticed. */
  let held: number[] = [];
  /** Slots used late, which the line's row has not been told yet. */
  let moved: MovedSlot[] = [];
  let isTelling = false;

  await patiently(startPatienceMs, () => ensureLine(database, line, intervalMs, windowSlots));

  function isLate({ slotAtMs, probe }: Pick<Grant, 'slotAtMs' | 'probe'>): boolean {
    if (clock.wasSuspended()) return true;
    const lateMs = clock.now() - slotAtMs;
    const toleranceMs = probe === undefined ? latestUseMs(options.jitterMs) : probeToleranceMs;
    return lateMs > toleranceMs || -lateMs > aheadAtMostMs;
  }

  function wasTold(told: readonly MovedSlot[]): void {
    moved = moved.filter((slot) => !told.includes(slot));
  }

  /** Where no reservation waits that will tell of late slots: there may be none to come. */
  async function tellMoved(): Promise<void> {
    if (isTelling) return;
    isTelling = true;
    try {
      // What is written in this turn of the event loop is told together.
      await nextTurn();
      while (moved.length > 0 && reservations.waiting === 0) {
        const told = moved;
        await moveSlots(database, id, told);
        wasTold(told);
      }
    } catch {
      // The next reservation tells it.
    } finally {
      isTelling = false;
    }
  }

  const reservations = gather<W, R | undefined>(reserveAll, {
    maximum: maximumGroup,
    everyMs: gatherEveryMs,
    enough: enoughJobs,
    isPassing,
    order: (a, b) => a.lane - b.lane,
  });

  async function reserveAll(wishes: readonly W[]): Promise<(R | undefined)[]> {
    firstSlotFrom ??= monotonic() + firstLeadMs;
    const startingMs = firstSlotFrom - monotonic();
    // The answer must be back before the slot.
    const answeredMs = Math.min(answerMs() + leadSlackMs, firstLeadMs);
    const leadMs = Math.max(minimumLeadMs, startingMs, answeredMs);
    // What is used while the statement runs is told by the next one.
    const told = moved;
    const askedAt = monotonic();
    const result = await options.reserve(
      database,
      {
        lineId: id,
        sdkAppId: line.sdkAppId,
        workerId,
        intervalMs,
        windowSlots,
        leadMs,
        answeredAtMs: options.answeredAtMs(),
        moved: told,
        newestSlotMs: held.at(-1),
      },
      wishes,
    );
    const tookMs = monotonic() - askedAt;
    options.onAnswer(tookMs);
    answers = [tookMs, ...answers].slice(0, answersKept);
    if (answers.length === answersKept && answerMs() > firstLeadMs)
      options.onSlowLedger(answerMs());
    if (!result.lineExists) await ensureLine(database, line, intervalMs, windowSlots);
    let newest = 0;
    for (const reservation of result.reservations as readonly (AnyReservation | undefined)[]) {
      if (reservation?.kind !== 'granted') continue;
      counts.granted += 1;
      held.push(reservation.slotAtMs);
      // A probe says nothing about how many jobs keep a running line busy.
      if (reservation.probe !== undefined) continue;
      newest = Math.max(newest, reservation.slotAtMs);
    }
    held = held.slice(-heldKept).sort((a, b) => a - b);
    if (newest > 0) {
      // Without a slot granted the row was not written.
      wasTold(told);
      // What lies ahead because others were granted before, not because it must.
      const queuedMs = newest - Math.max(clock.now() + leadMs, result.notBeforeMs);
      options.onLead({ leadMs: queuedMs, waiting });
    } else if (told.length > 0) {
      void tellMoved();
    }
    return result.reservations;
  }

  async function reserve(wish: W, signal: AbortSignal): Promise<R> {
    for (let failures = 0; ;) {
      signal.throwIfAborted();
      let askAgainAt: number;
      try {
        const reservation = await reservations.add(wish);
        if (failures > 0) options.onDatabase(undefined);
        failures = 0;
        if (reservation?.kind === 'stopped' && reservation.line.outage) {
          options.onOutage(reservation.line);
          const probeAt = clock.toLocal(reservation.line.probeAtMs);
          askAgainAt = Math.max(probeAt, monotonic() + shortestProbeWaitMs);
        } else if (reservation !== undefined) {
          if (reservation.kind === 'granted' && reservation.probe !== 'outage') {
            options.onOutage(undefined);
          }
          return reservation;
        } else {
          askAgainAt = monotonic() + askAgainMs;
        }
      } catch (error) {
        if (!isPassing(error)) throw error;
        failures += 1;
        options.onDatabase(error as Error);
        askAgainAt = monotonic() + Math.min(askAgainMs * 2 ** failures, 2000);
      }
      await timer.until(askAgainAt, signal);
    }
  }

  async function untilSlot(slotAtMs: number, signal: AbortSignal): Promise<void> {
    do {
      const soon = monotonic() + lookAgainMs;
      await timer.until(Math.min(clock.toLocal(slotAtMs), soon), signal);
    } while (clock.now() < slotAtMs - 1 && slotAtMs - clock.now() < aheadAtMostMs);
  }

  /** Nothing was sent: another may try, which otherwise had to wait for up to an hour. */
  async function passProbeOn(): Promise<void> {
    await probeNow(database, id).catch(() => undefined);
  }

  return {
    async takeSlot(wish, signal, atSlot) {
      waiting += 1;
      try {
        for (let current = wish; ;) {
          // From this reservation on the row lacks it.
          held = held.filter((slot) => slot !== current.givenUpSlotMs);
          const reservation = await reserve(current, signal);
          if (reservation.kind !== 'granted') return reservation;
          try {
            await untilSlot(reservation.slotAtMs, signal);
            if (!isLate(reservation)) {
              await atSlot?.();
              if (!isLate(reservation)) return reservation;
            }
          } catch (error) {
            if (reservation.probe === 'stop') void passProbeOn();
            throw error;
          }
          counts.givenUp += 1;
          if (reservation.probe === 'stop') await passProbeOn();
          current = { ...wish, givenUpSlotMs: reservation.slotAtMs };
        }
      } finally {
        waiting -= 1;
      }
    },

    written(slotAtMs) {
      counts.used += 1;
      const usedAtMs = clock.now();
      if (usedAtMs - slotAtMs <= onTimeMs(options.jitterMs)) return;
      counts.late += 1;
      // Told once: then the row has it at another time.
      moved = [...moved, { slotAtMs, usedAtMs }];
      void tellMoved();
    },

    counts: () => ({ ...counts }),
  };
}
