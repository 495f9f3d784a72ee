/** The limiter's arithmetic. Pure. */

/** Most slots that the line's row remembers: more would make it large. */
const mostRemembered = 500;

/** The least distance of two slots, in intervals: `grant_slots` makes up for lost ones with it. */
const closest = 0.5;

/**
 * Interval between slots, in milliseconds.
 *
 * `rate` + 1 arrivals span at least `rate` intervals. With this interval that is a second
 * and the jitter allowance, so they cannot fall into one sliding second unless one comes
 * that much later after its slot than another. Where the quota is not whole windows, the rest
 * may come as close together as slots ever do.
 *
 * @param ratePerSecond - the API's quota: a whole number, or less than 1.
 * @param jitterMs - by how much the time from slot to arrival may vary.
 */
export function slotInterval(ratePerSecond: number, jitterMs: number): number {
  const spanMs = 1000 + jitterMs;
  if (ratePerSecond < 1) return spanMs / ratePerSecond;
  const rest = ratePerSecond % slotsInWindow(ratePerSecond);
  return spanMs / (ratePerSecond - rest + closest * rest);
}

/**
 * How many slots make a window: the quota, where all of it is remembered. Else the second is a few
 * windows, equal as far as that goes: slots that keep each of them promise the same, and more.
 */
export function slotsInWindow(ratePerSecond: number): number {
  const windows = Math.ceil(ratePerSecond / mostRemembered);
  return Math.max(1, Math.floor(ratePerSecond / windows));
}

/** So late is on time everywhere, in milliseconds: timers are late by one at best. */
const timersMs = 5;

/** The shares of the jitter allowance by which a slot may be late with nobody told, and at all; the rest is the network's. */
const onTimeShare = 0.4;
const latenessShare = 0.6;

/**
 * How late a slot may be used and be on time, in milliseconds: what must be done at it takes a few
 * where much else comes in between.
 *
 * @param jitterMs - by how much the time from slot to arrival may vary.
 */
export function onTimeMs(jitterMs: number): number {
  return Math.max(timersMs, onTimeShare * jitterMs);
}

/**
 * How late the request of a slot may be written, in milliseconds; after that the slot is given up, for
 * late slots are what turns a stall into a burst. An allowance of five milliseconds or more holds
 * it, whatever becomes of the process or the ledger before the line's row is told.
 *
 * @param jitterMs - by how much the time from slot to arrival may vary.
 */
export function latestUseMs(jitterMs: number): number {
  return Math.max(timersMs, latenessShare * jitterMs);
}

/**
 * How far ahead of now a process lets its newest slot lie, in milliseconds. It must cover a
 * reservation and a busy event loop; a slot that is given up counts until then, so longer
 * costs throughput too.
 */
export const targetLeadMs = 220;

/** How often a process reconsiders how many jobs it holds, in milliseconds. */
export const reconsiderEveryMs = 50;

export interface Load {
  /** Jobs in hand. */
  inHand: number;
  /** Those of them that wait for a slot: the others are being sent or saved. */
  waiting: number;
  /** How far ahead of now the newest slot lies, in milliseconds. */
  leadMs: number;
  /** How many jobs it may hold now: more than it has in hand where it is just taking them up. */
  allowed: number;
}

/**
 * How many jobs a process should have in hand, so that its newest slot stays about
 * {@link targetLeadMs} ahead: fewer would leave the line idle, more would keep a brake, a
 * stop or an urgent room waiting behind slots granted long before.
 *
 * All processes see the same lead. Each adds one job while it is short and takes away a
 * tenth while it is long, so those that hold many give way to those that hold few until
 * the shares are even (additive increase, multiplicative decrease).
 *
 * @param maximum - WORKER_CONCURRENCY.
 */
export function jobsToHold(load: Load, maximum: number): number {
  const { inHand, waiting, leadMs, allowed } = load;
  const busy = Math.max(0, inHand - waiting);
  const right = busy + rightWaiting(waiting, leadMs);
  // One that is short must not be told to hold fewer.
  return Math.max(1, Math.min(maximum, leadMs < targetLeadMs ? Math.max(right, allowed) : right));
}

function rightWaiting(waiting: number, leadMs: number): number {
  if (leadMs > targetLeadMs) return Math.max(1, waiting - Math.max(1, Math.round(waiting / 10)));
  // Far below, as at the start: straight to it.
  if (leadMs < targetLeadMs / 2) return waiting + Math.max(1, Math.min(waiting, 20));
  return waiting + 1;
}
