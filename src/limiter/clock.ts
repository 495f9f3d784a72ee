/**
 * The database's clock, read on this machine.
 *
 * Slots are instants of the database's clock, the only one that all workers share. A
 * process translates them into its own monotonic clock, so that a jump of the machine's
 * wall clock moves nothing. The offset is taken from the fastest recent round trip: the
 * shorter the trip, the less can hide in it.
 */
import type { Database } from '../ledger/database.js';
import { patiently, startPatienceMs } from '../passing.js';

export interface ClockSample {
  /** Monotonic instants around the question, in milliseconds. */
  askedAt: number;
  answeredAt: number;
  /** What the database said, in milliseconds since the epoch. */
  databaseMs: number;
}

/** How long a sample counts, in milliseconds: long enough to hold a fast trip, too short for drift to matter. */
const sampleLifeMs = 30_000;

/** How far two machines' clocks drift apart at worst, in milliseconds per millisecond. */
const drift = 200e-6;

/** How often it is read, in milliseconds. */
const readEveryMs = 1000;

/** What the wall clock may gain on the monotonic one between two readings, in milliseconds. */
const mostGainMs = 200;

interface Estimate {
  offset: number;
  /** Half the round trip: the truth lies within this of the offset. */
  error: number;
  at: number;
}

export interface DatabaseClock {
  observe(sample: ClockSample): void;
  /** Database time now, in milliseconds since the epoch. */
  now(): number;
  /** The monotonic instant of a database time. */
  toLocal(databaseMs: number): number;
}

/** @param monotonic - milliseconds of a clock that never jumps, such as performance.now. */
export function createDatabaseClock(monotonic: () => number): DatabaseClock {
  let estimates: Estimate[] = [];
  let best: Estimate | undefined;

  function offset(): number {
    if (best === undefined) throw new Error('the database clock was read before its first sample');
    return best.offset;
  }

  return {
    observe({ askedAt, answeredAt, databaseMs }) {
      const estimate: Estimate = {
        offset: databaseMs - (askedAt + answeredAt) / 2,
        error: (answeredAt - askedAt) / 2,
        at: answeredAt,
      };
      estimates = estimates.filter((old) => {
        const age = estimate.at - old.at;
        // Two honest samples agree within their errors; otherwise the database's clock was
        // set, or another server took over, and what was known before is void.
        const agrees =
          Math.abs(old.offset - estimate.offset) <= old.error + estimate.error + age * drift + 1;
        return agrees && age <= sampleLifeMs;
      });
      // A slower trip that is newer can never become the best before the faster one leaves.
      estimates = estimates.filter((old) => old.error <= estimate.error);
      estimates.push(estimate);
      best = estimates.reduce((a, b) => (b.error < a.error ? b : a));
    },
    now: () => monotonic() + offset(),
    toLocal: (databaseMs) => databaseMs - offset(),
  };
}

/** The clock of an open database, read again and again. */
export interface LedgerClock extends Omit<DatabaseClock, 'observe'> {
  /** Milliseconds on this process's own clock, which never jumps. */
  monotonic(): number;
  /**
   * A machine that slept has a monotonic clock that did not go on, so that slots look as if they
   * were still to come. Until the database's clock is read anew all of them are late.
   */
  wasSuspended(): boolean;
  close(): void;
}

/** @throws the driver's error where the database cannot be used at the start, after fifteen seconds. */
export async function openLedgerClock(
  database: Database,
  { monotonic = () => performance.now(), wall = Date.now } = {},
): Promise<LedgerClock> {
  const clock = createDatabaseClock(monotonic);
  /** The wall clock minus the monotonic one, when the database's clock was last read. */
  let wallOffset = wall() - monotonic();
  let isRereading = false;

  async function read(): Promise<void> {
    const askedAt = monotonic();
    const wallOffsetThen = wall() - askedAt;
    const rows = await database.query<{ now: number }>(
      'clock',
      'select extract(epoch from clock_timestamp())::float8 * 1000 as now',
      [],
    );
    clock.observe({ askedAt, answeredAt: monotonic(), databaseMs: rows[0]?.now ?? wall() });
    wallOffset = wallOffsetThen;
  }

  await patiently(startPatienceMs, async () => {
    for (let sample = 0; sample < 5; sample++) await read();
  });
  const reader = setInterval(() => {
    // A failure here says nothing that the next reservation would not say.
    read().catch(() => undefined);
  }, readEveryMs);
  reader.unref();

  return {
    ...clock,
    monotonic,
    wasSuspended() {
      const suspended = Math.abs(wall() - monotonic() - wallOffset) > mostGainMs;
      if (suspended && !isRereading) {
        isRereading = true;
        read()
          .catch(() => undefined)
          .finally(() => {
            isRereading = false;
          });
      }
      return suspended;
    },
    close: () => clearInterval(reader),
  };
}
