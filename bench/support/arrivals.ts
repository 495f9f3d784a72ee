/** Arithmetic on the instants at which requests arrived at the server, in milliseconds. Pure. */

/** How many arrived in each span of `binMs`, from `fromMs` on. */
export function histogram(
  instants: readonly number[],
  { fromMs, spanMs, binMs }: { fromMs: number; spanMs: number; binMs: number },
): number[] {
  const bins = new Array<number>(Math.ceil(spanMs / binMs)).fill(0);
  for (const instant of instants) {
    const bin = Math.floor((instant - fromMs) / binMs);
    if (bin >= 0 && bin < bins.length) bins[bin] = (bins[bin] ?? 0) + 1;
  }
  return bins;
}

/** Most instants within less than `spanMs`. They ascend. */
export function worstWindow(instants: readonly number[], spanMs = 1_000): number {
  let worst = 0;
  let first = 0;
  for (const [last, instant] of instants.entries()) {
    while (instant - (instants[first] ?? 0) >= spanMs) first += 1;
    worst = Math.max(worst, last - first + 1);
  }
  return worst;
}

/** Requests per second from arrival number `from` to number `to`. */
export function ratePerSecond(
  instants: readonly number[],
  from = 0,
  to = instants.length - 1,
): number {
  return ((to - from) * 1_000) / ((instants[to] ?? NaN) - (instants[from] ?? NaN));
}
