/** Putting a whole list on the queue as a batch. */
import { batchDestructionId } from '../queue/destruction-id.js';
import type { Destruction } from '../queue/job.js';
import type { DestroyQueue } from '../queue/open.js';
import { addChunk, addDestructions, bringForward, type Placement } from './add.js';

export interface BatchToEnqueue {
  id: string;
  createdAtMs: number;
  /** False where it continues: what has ended already is left out. */
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
}

/**
 * Adds the rooms of a batch. Ids depend on batch and room alone, so doing it again after
 * an interruption adds nothing twice.
 *
 * @param rooms - batches of RoomIds, each room once.
 * @param signal - ends it between two chunks.
 */
export async function enqueueBatch(
  queue: DestroyQueue,
  ledger: BatchLedger,
  batch: BatchToEnqueue,
  rooms: AsyncIterable<readonly string[]>,
  placement: Placement,
  onProgress: (added: BatchAdded) => void,
  signal: AbortSignal,
): Promise<BatchAdded> {
  const counts: BatchAdded = { added: 0, pending: 0, finished: 0 };
  for await (const chunk of chunks(rooms, addChunk)) {
    if (signal.aborted) break;
    const now = Date.now();
    const all = chunk.map((roomId) => ({
      id: batchDestructionId(batch.id, batch.createdAtMs, roomId),
      roomId,
      batchId: batch.id,
      requestedAtMs: now,
      notAfterMs: Math.floor(now + placement.delayMs + batch.deadlineMs),
    }));
    const open = batch.isNew ? all : await stillOpen(all, ledger);
    counts.finished += all.length - open.length;
    if (open.length > 0) {
      const added = await addDestructions(queue, open, placement);
      const joined = added.filter((each) => each.status === 'pending');
      if (joined.length > 0) await ledger.join(joined);
      counts.pending += joined.length;
      counts.added += added.length - joined.length;
      // What waits from before is asked for again: it is due now, and may take its time anew.
      const fromBefore = batch.isNew ? joined : added;
      const notAfterMs = all[0]?.notAfterMs ?? 0;
      await Promise.all(
        fromBefore.map((each) => bringForward(queue, each.destructionId, placement, notAfterMs)),
      );
    }
    onProgress(counts);
  }
  return counts;
}

/** What has not ended, neither under this batch nor under a destruction that it joined. */
async function stillOpen(all: readonly Destruction[], ledger: BatchLedger): Promise<Destruction[]> {
  const finished = await ledger.finishedAmong(all.map((each) => each.id));
  const joined = await ledger.joinedAndFinished(all.map((each) => each.roomId));
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
