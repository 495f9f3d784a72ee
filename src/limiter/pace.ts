/** The limiter's arithmetic. Pure. */

/**
 * Interval between slots, in milliseconds.
 *
 * `rate` + 1 arrivals span at least `rate` intervals. With this interval that is a second
 * and the jitter allowance, so they cannot fall into one sliding second unless one comes
 * that much later after its slot than another.
 *
 * @param ratePerSecond - the API's quota.
 * @param jitterMs - by how much the time from slot to arrival may vary.
 */
export function slotInterval(ratePerSecond: number, jitterMs: number): number {
  return (1000 + jitterMs) / ratePerSecond;
}

/**
 * A slot that cannot be used within this many milliseconds of its time is given up:
 * late slots are what turns a stall into a burst.
 */
export const latenessToleranceMs = 5;

/** How far ahead of now a process lets its newest slot lie, in milliseconds. */
export const targetLeadMs = 350;

export interface Load {
  /** Jobs in hand. */
  inHand: number;
  /** Those of them that wait for a slot: the others are being sent or saved. */
  waiting: number;
  /** How far ahead of now the newest slot lies, in milliseconds. */
  leadMs: number;
}

/**
 * How many jobs a process should have in hand, so that its newest slot stays about
 * {@link targetLeadMs} ahead: fewer would leave the line idle, more would keep a brake, a
 * stop or an urgent room waiting behind slots granted long before.
 *
 * @param maximum - WORKER_CONCURRENCY.
 */
export function jobsToHold(load: Load, maximum: number): number {
  const waiting = Math.max(1, load.waiting);
  const leadPerJob = Math.max(load.leadMs, 1) / waiting;
  const rightWaiting = Math.max(1, Math.round(targetLeadMs / leadPerJob));
  const busy = Math.max(0, load.inHand - load.waiting);
  return Math.min(maximum, busy + rightWaiting);
}
