/**
 * Turns: how batches share the bulk lane.
 *
 * First come, first served would let a batch of 100 wait for all of the 100,000 before it.
 * So the lane is a row of turns, which are BullMQ priorities: the first 250 rooms of a
 * batch are in one turn, the next 250 in the turn after it, and so on. A batch that begins
 * while others wait joins at the turn after the one that is being served. From then on the
 * batches alternate, 250 rooms each; a batch of 100 is through after one round, and a large
 * one loses nothing but the share of those it meets. (This is start-time fair queueing: the
 * turn being served is the lane's virtual time.)
 *
 * Nothing is kept anywhere for it. The turn being served is that of the first bulk job that
 * waits, so a batch asks once, when it begins. When the lane runs empty the turns begin
 * anew. "The turn after" and not the one being served: otherwise a stream of small batches
 * would hold up a large one for as long as it lasts.
 *
 * Jobs of earlier versions wait in the first turn, all of them: they are served like a
 * single large turn, before everything that is added later.
 */
import { type DestroyQueue, type Lane, lanes } from './job.js';

/** Rooms of one batch in one turn: a good second of the line at the API's quota. */
export const roomsPerTurn = 250;

/**
 * The same of a batch whose rooms need a snapshot: get_room_stats lets through half as many a second,
 * and with whole turns the others would wait for it.
 */
const snapshotsPerTurn = 125;

/** BullMQ takes no priority above this; 500 million rooms further back it is first come, first served again. */
const lastTurn = 2 ** 21 - 1;

/** The lane of a BullMQ priority. */
export function laneOf(priority: number): Lane {
  if (priority <= lanes.urgent) return 'urgent';
  if (priority === lanes.retry) return 'retry';
  return priority === lanes.normal ? 'normal' : 'bulk';
}

/**
 * The turn of a room of a batch.
 *
 * @param firstTurn - where the batch began, from {@link readFirstTurn}.
 * @param position - of the room among those of the batch that are open, from 0.
 * @param snapshot - whether its rooms need one.
 */
export function turnOf(firstTurn: number, position: number, snapshot = false): number {
  const perTurn = snapshot ? snapshotsPerTurn : roomsPerTurn;
  return Math.min(firstTurn + Math.floor(position / perTurn), lastTurn);
}

/** A waiting job ahead of the lane may go between two questions to the queue: asked again. */
const tries = 5;

/** The turn at which a batch joins that begins now. */
export async function readFirstTurn(queue: DestroyQueue): Promise<number> {
  const served = await readServedTurn(queue);
  return served === undefined ? lanes.bulk : Math.min(served + 1, lastTurn);
}

/** The turn that is being served: that of the first bulk job that waits. undefined: none does. */
export async function readServedTurn(queue: DestroyQueue): Promise<number | undefined> {
  for (let left = tries; left > 0; left--) {
    const before = await countsOf(queue, range(lanes.urgent, lanes.normal));
    const [job] = await queue.getPrioritized(before, before);
    if (job === undefined) return undefined;
    if (laneOf(job.priority) === 'bulk') return job.priority;
  }
  return undefined;
}

/** More turns than this are not counted one by one: it is nearly all that waits. */
const mostCounted = 5_000;

/**
 * How many rooms wait that are served no later than a priority: what is ahead of a batch
 * whose last room has it, that room and the rest of the batch included.
 */
export async function countUpTo(queue: DestroyQueue, priority: number): Promise<number> {
  const waiting = await queue.getJobCountByTypes('wait', 'prioritized');
  if (priority < lanes.bulk) {
    return Math.min(waiting, await countsOf(queue, range(lanes.urgent, priority)));
  }
  if (priority >= lastTurn) return waiting;
  const first = (await readServedTurn(queue)) ?? priority;
  if (priority - first >= mostCounted) return waiting;
  const due = [...range(lanes.urgent, lanes.normal), ...range(first, priority)];
  return Math.min(waiting, await countsOf(queue, due));
}

async function countsOf(queue: DestroyQueue, priorities: number[]): Promise<number> {
  const counts = await queue.getCountsPerPriority(priorities);
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

function range(first: number, last: number): number[] {
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => first + index);
}
