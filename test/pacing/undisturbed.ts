import type { Stall } from '../support/stalls.js';

/**
 * For times that a pause of this process, and so of the machine, makes longer: then what stands is
 * that nothing was measured.
 */
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
