/**
 * When to try again. Pure.
 *
 * Quick retries, within one run of the job, carry over a hiccup. Later retries, between
 * runs, carry over trouble: 5 s doubling to 10 min. Both are jittered, so that rooms
 * that failed together do not come back together.
 */

/** Attempts within one run of a job. */
export const attemptsPerRun = 3;

const quickBaseMs = 250;
const laterBaseMs = 5_000;
const laterMaximumMs = 600_000;

/**
 * Full jitter: anything from 0 to the exponential step.
 *
 * @param failures - attempts of this run that failed so far, from 1.
 * @param random - 0 ≤ random < 1.
 */
export function quickRetryDelayMs(failures: number, random: number): number {
  return random * quickBaseMs * 2 ** (failures - 1);
}

/**
 * Half of the step is certain, half is jitter: never at once, never all together.
 *
 * @param runs - runs of this job that failed so far, from 1.
 * @param random - 0 ≤ random < 1.
 */
export function laterRetryDelayMs(runs: number, random: number): number {
  const step = Math.min(laterBaseMs * 2 ** (runs - 1), laterMaximumMs);
  return Math.round(step * (0.5 + random / 2));
}
