/** When a measuring process did not run: what it stamped then may have come that much sooner. */
export interface Stall {
  /** Milliseconds since the epoch. */
  fromMs: number;
  untilMs: number;
}

const tickMs = 3;

/** A gap between two ticks that is longer than this is a stall, in milliseconds. */
const noticedMs = 5;

/** Milliseconds since the epoch, on a clock that never jumps. */
export function epochNow(): number {
  return performance.timeOrigin + performance.now();
}

/** Watches this process from now on. @returns the list that grows. */
export function watchStalls(): Stall[] {
  const stalls: Stall[] = [];
  let lastMs = epochNow();
  const tick = () => {
    const now = epochNow();
    if (now - lastMs > noticedMs) stalls.push({ fromMs: lastMs, untilMs: now });
    lastMs = now;
    setTimeout(tick, tickMs);
  };
  setTimeout(tick, tickMs);
  return stalls;
}

/** The earliest instant at which something stamped `atMs` can have come. */
export function earliest(atMs: number, stalls: readonly Stall[]): number {
  // A tick later the process may still be working off what had gathered.
  const stall = stalls.find(({ fromMs, untilMs }) => fromMs <= atMs && atMs <= untilMs + tickMs);
  return stall?.fromMs ?? atMs;
}
