/** When a measuring process did not run, or did not look: what it stamped then may have come that much sooner. */
export interface Stall {
  /** Milliseconds since the epoch. */
  fromMs: number;
  untilMs: number;
}

/** How often a process looks at its clock after it stamped something, in milliseconds. */
const tickMs = 3;

/** A look that comes so much later than it was due tells of a stall, in milliseconds. */
const noticedMs = 2;

/** So long after the last stamp it goes on looking, in milliseconds: that is most of what a server that waits costs. */
const busyMs = 1_000;

/** What comes first after such a pause may have come so much sooner, in milliseconds. */
const unseenMs = 100;

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
  let isOn = false;
  let stampedAtMs = -Infinity;
  let timer: NodeJS.Timeout | undefined;
  function look(): void {
    const lastMs = epochNow();
    timer = setTimeout(() => {
      timer = undefined;
      const now = epochNow();
      if (now - lastMs > tickMs + noticedMs) stalls.push({ fromMs: lastMs, untilMs: now });
      if (now - stampedAtMs < busyMs) look();
    }, tickMs);
  }
  return {
    stalls,
    start() {
      isOn = true;
    },
    stop() {
      isOn = false;
      clearTimeout(timer);
      timer = undefined;
    },
    stamped() {
      stampedAtMs = epochNow();
      if (!isOn || timer !== undefined) return;
      stalls.push({ fromMs: stampedAtMs - unseenMs, untilMs: stampedAtMs });
      look();
    },
  };
}

/** The earliest instant at which something stamped `atMs` can have come. */
export function earliest(atMs: number, stalls: readonly Stall[]): number {
  // A tick later the process may still be working off what had gathered.
  const stall = stalls.find(({ fromMs, untilMs }) => fromMs <= atMs && atMs <= untilMs + tickMs);
  return stall?.fromMs ?? atMs;
}
