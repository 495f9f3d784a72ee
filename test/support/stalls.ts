/** When a measuring process did not run: what it stamped then may have come that much sooner. */
export interface Stall {
  /** Milliseconds since the epoch. */
  fromMs: number;
  untilMs: number;
}

/** How often a process looks at its clock while it stamps something, and while it waits, in milliseconds. */
const busyTickMs = 3;
/** Looking is most of what a waiting server costs; what this misses is within the jitter allowance. */
const idleTickMs = 15;

/** A look that comes so much later than it was due tells of a stall, in milliseconds. */
const noticedMs = 2;

/** So long after the last stamp the next may follow at any moment, in milliseconds. */
const busyMs = 1_000;

/** Milliseconds since the epoch, on a clock that never jumps. */
export function epochNow(): number {
  return performance.timeOrigin + performance.now();
}

export interface StallWatch {
  /** It grows. */
  readonly stalls: Stall[];
  start(): void;
  stop(): void;
  /** Something was stamped. */
  stamped(): void;
}

/** Watches this process, from `start` on. */
export function watchStalls(): StallWatch {
  const stalls: Stall[] = [];
  let stampedAtMs = -Infinity;
  let timer: NodeJS.Timeout | undefined;
  function lookIn(tickMs: number): void {
    const lastMs = epochNow();
    timer = setTimeout(() => {
      const now = epochNow();
      if (now - lastMs > tickMs + noticedMs) stalls.push({ fromMs: lastMs, untilMs: now });
      lookIn(now - stampedAtMs < busyMs ? busyTickMs : idleTickMs);
    }, tickMs);
  }
  return {
    stalls,
    start() {
      if (timer === undefined) lookIn(busyTickMs);
    },
    stop() {
      clearTimeout(timer);
      timer = undefined;
    },
    stamped() {
      stampedAtMs = epochNow();
    },
  };
}

/** The earliest instant at which something stamped `atMs` can have come. */
export function earliest(atMs: number, stalls: readonly Stall[]): number {
  // A tick later the process may still be working off what had gathered.
  const stall = stalls.find(
    ({ fromMs, untilMs }) => fromMs <= atMs && atMs <= untilMs + busyTickMs,
  );
  return stall?.fromMs ?? atMs;
}
