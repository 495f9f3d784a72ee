/** Putting a whole list on the queue as a batch. */
import { batchDestructionId } from '../queue/destruction-id.js';
import type { Destruction } from '../destruction.js';
import { type DestroyJob, type DestroyQueue, lanes } from '../queue/job.js';
import { readFirstTurn, turnOf } from '../queue/turns.js';
import {
  addChunk,
  addDestructions,
  bringForward,
  fromQueue,
  readJobs,
  type Added,
  type Placement,
} from './add.js';
import { twoAtOnce } from './two-at-once.js';

export interface BatchToEnqueue {
  id: string;
  createdAtMs: number;
  /** False where it continues: what has ended, or waits already, is left out. */
  isNew: boolean;
  /** How long after it was due a destruction may still be sent, in milliseconds. */
  deadlineMs: number;
}

/** What the ledger is asked and told; the producer itself knows nothing of SQL. */
export interface BatchLedger {
  /** Which of these rooms were joined to other destructions that have ended. */
  joinedAndFinished(roomIds: readonly string[]): Promise<Set<string>>;
  finishedAmong(ids: readonly string[]): Promise<Set<string>>;
  join(joined: readonly { destructionId: string; roomId: string }[]): Promise<void>;
}

export interface BatchAdded {
  /** On the queue for this batch, from now or from before an interruption. */
  added: number;
  /** Pending already under another destruction. */
  pending: number;
  /** Ended already, before an interruption. */
  finished: number;
  /** Of those that waited before: due earlier than asked for now, and left so. */
  dueEarlier: number;
}

export interface Enqueued extends BatchAdded {
  /** The BullMQ priority of the last room: what waits up to it is ahead of the batch's end. */
  lastPriority: number;
}

export interface EnqueueWatch {
  /** Told the counts after each call to the queue, {@link addChunk} rooms. */
  onProgress(added: BatchAdded): void;
  /**
   * Asked before rooms are added: whether the queue has space for them. Where it throws,
   * no more are added; what is on the queue stays there.
   *
   * @param settled - rooms of the batch that need none any more.
   */
  beforeAdding(settled: number): Promise<void>;
  /** Ends it between two chunks. */
  signal: AbortSignal;
}

/**
 * Adds the rooms of a batch. Ids depend on batch and room alone, so doing it again after
 * an interruption adds nothing twice.
 *
 * @param rooms - batches of RoomIds, each room once.
 */
export async function enqueueBatch(
  queue: DestroyQueue,
  ledger: BatchLedger,
  batch: BatchToEnqueue,
  rooms: AsyncIterable<readonly string[]>,
  placement: Placement,
  watch: EnqueueWatch,
): Promise<Enqueued> {
  const counts: BatchAdded = { added: 0, pending: 0, finished: 0, dueEarlier: 0 };
  const bulk = placement.lane === 'bulk';
  const dueAtMs = Date.now() + placement.delayMs;
  const firstTurn = bulk ? await fromQueue(readFirstTurn(queue)) : lanes[placement.lane];
  const priorityAt = (position: number) => (bulk ? turnOf(firstTurn, position) : firstTurn);
  /** Rooms that have not ended, so far: the position of the next one in the batch. */
  let openBefore = 0;

  async function put(chunk: readonly string[]): Promise<void> {
    const now = Date.now();
    const delayMs = placement.delayMs > 0 ? Math.max(1, Math.round(dueAtMs - now)) : 0;
    const notAfterMs = Math.floor(now + delayMs + batch.deadlineMs);
    const all = chunk.map((roomId) => ({
      id: batchDestructionId(batch.id, batch.createdAtMs, roomId),
      roomId,
      batchId: batch.id,
      requestedAtMs: now,
      notAfterMs,
    }));
    const open = batch.isNew ? all : await stillOpen(all, ledger);
    counts.finished += all.length - open.length;
    const position = openBefore;
    openBefore += open.length;
    const wishes = open.map((destruction, index) => ({
      destruction,
      priority: priorityAt(position + index),
    }));
    // What waits from before is asked for again: it is due now, and may take its time anew.
    const forward = (jobs: readonly (DestroyJob | undefined)[], priorities: readonly number[]) =>
      Promise.all(
        jobs.map(async (job, index) => {
          if (job === undefined) return;
          const priority = priorities[index] ?? firstTurn;
          if (await bringForward(job, priority, delayMs, notAfterMs)) counts.dueEarlier += 1;
        }),
      );

    let missing = wishes;
    if (!batch.isNew) {
      const ids = open.map((each) => each.id);
      const waiting = await readJobs(queue, ids);
      missing = wishes.filter((_, index) => waiting[index] === undefined);
      await forward(
        waiting,
        wishes.map(({ priority }) => priority),
      );
      counts.added += wishes.length - missing.length;
    }
    if (missing.length > 0) {
      await watch.beforeAdding(counts.added + counts.pending + counts.finished);
      const added = await addDestructions(
        queue,
        missing.map(({ destruction }) => destruction),
        { ...placement, delayMs },
        (index) => missing[index]?.priority ?? firstTurn,
      );
      const joined = missing.flatMap(({ priority }, index): (Added & { priority: number })[] => {
        const each = added[index];
        return each?.status === 'pending' ? [{ ...each, priority }] : [];
      });
      if (joined.length > 0) {
        await ledger.join(joined);
        await forward(
          await readJobs(
            queue,
            joined.map(({ destructionId }) => destructionId),
          ),
          joined.map(({ priority }) => priority),
        );
      }
      counts.pending += joined.length;
      counts.added += missing.length - joined.length;
    }
    watch.onProgress(counts);
  }

  await twoAtOnce(chunks(rooms, addChunk), put, watch.signal);
  return { ...counts, lastPriority: priorityAt(Math.max(0, openBefore - 1)) };
}

/** What has not ended, neither under this batch nor under a destruction that it joined. */
async function stillOpen(all: readonly Destruction[], ledger: BatchLedger): Promise<Destruction[]> {
  const [finished, joined] = await Promise.all([
    ledger.finishedAmong(all.map((each) => each.id)),
    ledger.joinedAndFinished(all.map((each) => each.roomId)),
  ]);
  return all.filter((each) => !finished.has(each.id) && !joined.has(each.roomId));
}

async function* chunks(
  batches: AsyncIterable<readonly string[]>,
  size: number,
): AsyncIterable<string[]> {
  let chunk: string[] = [];
  for await (const batch of batches) {
    for (const each of batch) {
      chunk.push(each);
      if (chunk.length < size) continue;
      yield chunk;
      chunk = [];
    }
  }
  if (chunk.length > 0) yield chunk;
}
