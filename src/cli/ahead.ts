/** What is ahead of the end of a batch, and how long it takes. */
import type { Database } from '../ledger/database.js';
import { isMoving, readLines, stateOf } from '../ledger/line.js';
import type { DestroyQueue } from '../queue/job.js';
import { countUpTo } from '../queue/turns.js';
import { createCostMeter, secondsLeft } from '../operations/forecast.js';

/**
 * How many rooms are done before the last one of a batch, it included: those of the batch
 * that have not ended, wherever they are, or all that waits or is in hand up to its last
 * priority, where other batches and lanes go in between.
 *
 * @param remaining - rooms of the batch that have not ended.
 * @param lastPriority - of its last room; undefined: not known, so all that waits counts.
 */
export async function readRoomsAhead(
  queue: DestroyQueue,
  remaining: number,
  lastPriority: number | undefined,
): Promise<number> {
  if (remaining <= 0) return 0;
  const [waiting, active] = await Promise.all([
    countUpTo(queue, lastPriority ?? Number.MAX_SAFE_INTEGER),
    queue.getActiveCount(),
  ]);
  return Math.max(remaining, waiting + active);
}

/** How often the queue is asked, in milliseconds: counting many turns keeps it busy for a moment. */
const askEveryMs = 1_000;

export interface BatchEtaOptions {
  queue: DestroyQueue;
  database: Database;
  sdkAppId: number;
  /** Host of the endpoint: which of the app's lines it is. */
  host: string;
  /** Between slots when nothing brakes, in milliseconds. */
  intervalMs: number;
  /** Of the batch's last room. */
  lastPriority: number;
}

/**
 * Follows one batch. While queue or ledger cannot be read, what was read last counts.
 *
 * @returns a function of the rooms of the batch that have not ended: seconds until its last
 *   one is done, undefined while nothing moves.
 */
export function createBatchEta(
  options: BatchEtaOptions,
): (remaining: number, nowMs: number) => Promise<number | undefined> {
  const { queue, database, sdkAppId, host, intervalMs, lastPriority } = options;
  const cost = createCostMeter();
  let askedAt = Number.NEGATIVE_INFINITY;
  let others = 0;
  let ratePerSecond = 0;
  let overQuotaPerSecond: number | undefined;
  let requestsPerRoom = 1;

  async function ask(remaining: number, nowMs: number): Promise<void> {
    const [roomsAhead, paused, lines] = await Promise.all([
      readRoomsAhead(queue, remaining, lastPriority),
      queue.isPaused(),
      readLines(database, sdkAppId, intervalMs),
    ]);
    const line = lines.find((each) => each.host === host);
    ratePerSecond = isMoving(stateOf(line, paused)) ? (line?.ratePerSecond ?? 0) : 0;
    overQuotaPerSecond = line?.quotaFound?.ratePerSecond;
    others = roomsAhead - remaining;
    requestsPerRoom = cost({ nowMs, roomsAhead, ratePerSecond });
  }

  return async (remaining, nowMs) => {
    if (nowMs - askedAt >= askEveryMs) {
      askedAt = nowMs;
      await ask(remaining, nowMs).catch(() => undefined);
    }
    return secondsLeft({
      roomsAhead: remaining + others,
      ratePerSecond,
      fullRatePerSecond: 1000 / intervalMs,
      overQuotaPerSecond,
      requestsPerRoom,
    });
  };
}
