/** Putting a whole list on the queue as a batch. */
import { batchDestructionId } from '../queue/destruction-id.js';
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
    const finished = batch.isNew
      ? new Set<string>()
      : await ledger.finishedAmong(all.map((each) => each.id));
    counts.finished += finished.size;
    const open = all.filter((each) => !finished.has(each.id));
    if (open.length > 0) {
      const added = await addDestructions(queue, open, placement);
      const joined = added.filter((each) => each.status === 'pending');
      if (joined.length > 0) await ledger.join(joined);
      await Promise.all(joined.map((each) => bringForward(queue, each.destructionId, placement)));
      counts.pending += joined.length;
      counts.added += added.length - joined.length;
    }
    onProgress(counts);
  }
  return counts;
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
