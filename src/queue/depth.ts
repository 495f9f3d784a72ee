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
}

export async function readDepth(queue: DestroyQueue): Promise<QueueDepth> {
  const counts = await queue.getJobCounts('wait', 'prioritized', 'active', 'delayed', 'failed');
  const { urgent, retry, normal } = lanes;
  const byPriority = await queue.getCountsPerPriority([urgent, retry, normal]);
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
  };
}
