/** What is on the queue. */
import { type DestroyQueue, type Lane, lanes } from './job.js';

export interface QueueDepth {
  paused: boolean;
  /** Due and not taken up yet. */
  waiting: number;
  lanes: Record<Lane, number>;
  active: number;
  /** Not due yet: delayed, or waiting for a later retry. */
  delayed: number;
  /** Ended and not gone, kept in BullMQ's failed set. */
  failed: number;
  /** What slows or holds the queue and is none of our doing, in words: a dashboard or a script set it. */
  limit?: string;
}

/** Longest rate limit that is told by how long it lasts, in milliseconds: ours are shorter. */
const shortPauseMs = 1_000;

/** Limits of BullMQ's own, for all workers of the queue; `resume` does not lift them. */
export async function readLimit(queue: DestroyQueue): Promise<string | undefined> {
  const [rate, concurrency, heldMs] = await Promise.all([
    queue.getGlobalRateLimit(),
    queue.getGlobalConcurrency(),
    queue.getRateLimitTtl(),
  ]);
  const limits = [
    ...(rate === null ? [] : [`a rate limit of ${rate.max} rooms in ${rate.duration} ms`]),
    ...(concurrency === null ? [] : [`a limit of ${concurrency} rooms in hand`]),
    ...(rate === null && heldMs > shortPauseMs
      ? [`a hold of ${Math.ceil(heldMs / 1_000)} s more`]
      : []),
  ];
  return limits.length === 0 ? undefined : limits.join(', and ');
}

/** What lifts them. */
export const limitRemedy =
  'lift it where it was set: queue.removeGlobalRateLimit(), removeGlobalConcurrency() or removeRateLimitKey() of BullMQ';

/**
 * When the room that waits longest was asked for, in milliseconds since the epoch; undefined: none
 * waits. Each lane is first come, first served, or nearly so: the first of each is looked at.
 */
export async function readOldestWaiting(
  queue: DestroyQueue,
  { lanes: counts }: Pick<QueueDepth, 'lanes'>,
): Promise<number | undefined> {
  let ahead = 0;
  const firsts = Object.keys(lanes).flatMap((lane) => {
    const count = counts[lane as Lane];
    const first = ahead;
    ahead += count;
    return count === 0 ? [] : [first];
  });
  const jobs = await Promise.all(firsts.map((at) => queue.getPrioritized(at, at)));
  const times = jobs.flat().map(({ timestamp }) => timestamp);
  return times.length === 0 ? undefined : Math.min(...times);
}

export async function readDepth(queue: DestroyQueue): Promise<QueueDepth> {
  const counts = await queue.getJobCounts('wait', 'prioritized', 'active', 'delayed', 'failed');
  const { urgent, retry, normal } = lanes;
  const byPriority = await queue.getCountsPerPriority([urgent, retry, normal]);
  const limit = await readLimit(queue);
  const inLane = (lane: Lane) => byPriority[lanes[lane]] ?? 0;
  const prioritized = counts['prioritized'] ?? 0;
  const before = inLane('urgent') + inLane('retry') + inLane('normal');
  return {
    paused: await queue.isPaused(),
    waiting: (counts['wait'] ?? 0) + prioritized,
    lanes: {
      urgent: inLane('urgent'),
      retry: inLane('retry'),
      normal: inLane('normal'),
      // The rest: its turns are many (src/queue/turns.ts). Asked a moment later, hence the bound.
      bulk: Math.max(0, prioritized - before),
    },
    active: counts['active'] ?? 0,
    delayed: counts['delayed'] ?? 0,
    failed: counts['failed'] ?? 0,
    ...(limit === undefined ? {} : { limit }),
  };
}
