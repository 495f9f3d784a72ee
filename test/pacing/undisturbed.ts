import { earliest, type Stall } from '../support/stalls.js';
import type { ServerReport } from '../support/counting-server.js';
import { assertSlidingWindow } from '../support/sliding-window.js';

/**
 * The API's quota, by its own clock. Where it was broken only because the measuring server stood
 * still, what stands is that nothing was measured: that message has the test run again
 * (vitest.config.ts).
 */
export function assertQuotaKept(report: ServerReport, quota: number): void {
  const arrivals = report.requests.map(({ atMs }) => atMs);
  try {
    assertSlidingWindow(arrivals, { slots: quota, spanMs: 1_000 });
  } catch (broken) {
    const { startedAtMs, stalls } = report;
    const certain = arrivals.some((last, index) => {
      const first = arrivals[index - quota];
      if (first === undefined) return false;
      return startedAtMs + last - earliest(startedAtMs + first, stalls) < 1_000;
    });
    if (certain) throw broken;
    throw new Error(stoodStill(stalls), { cause: broken });
  }
}

/** The same for times that a pause of this process, and so of the machine, makes longer. */
export function undisturbed(stalls: readonly Stall[], longestMs: number, check: () => void): void {
  try {
    check();
  } catch (missed) {
    if (!stalls.some(({ fromMs, untilMs }) => untilMs - fromMs > longestMs)) throw missed;
    throw new Error(stoodStill(stalls), { cause: missed });
  }
}

function stoodStill(stalls: readonly Stall[]): string {
  const longest = Math.max(...stalls.map(({ fromMs, untilMs }) => untilMs - fromMs));
  return `the machine stood still for ${longest.toFixed(0)} ms`;
}
