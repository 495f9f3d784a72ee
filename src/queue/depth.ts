/** What is on the queue. */
import { lanes, type Lane } from './job.js';
import type { DestroyQueue } from './open.js';

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
  const byPriority = await queue.getCountsPerPriority(Object.values(lanes));
  const inLane = (lane: Lane) => byPriority[lanes[lane]] ?? 0;
  return {
    paused: await queue.isPaused(),
    waiting: (counts['wait'] ?? 0) + (counts['prioritized'] ?? 0),
    lanes: {
      urgent: inLane('urgent'),
      retry: inLane('retry'),
      normal: inLane('normal'),
      bulk: inLane('bulk'),
    },
    active: counts['active'] ?? 0,
    delayed: counts['delayed'] ?? 0,
    failed: counts['failed'] ?? 0,
  };
}
