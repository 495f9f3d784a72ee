/**
 * The database's clock, read on this machine.
 *
 * Slots are instants of the database's clock, the only one that all workers share. A
 * process translates them into its own monotonic clock, so that a jump of the machine's
 * wall clock moves nothing. The offset is taken from the fastest recent round trip: the
 * shorter the trip, the less can hide in it.
 */
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
