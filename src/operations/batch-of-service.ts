/**
 * Batches for the producer of a service. Its library loads this when a batch is first asked for
 * (src/producer/index.ts): without one, no code of the ledger is loaded.
 */
import { claimQueue } from '../ledger/identity.js';
import type { AddedCounts } from '../producer/add-many.js';
import { invalid, type BatchStatus, type ManyAdded } from '../producer/options.js';
import { protectedRooms } from '../protected-rooms.js';
import type { OpenQueue } from '../queue/open.js';
import { listOf } from '../room-list/room-list.js';
import type { Stores } from '../stores.js';
import { enqueueRooms, type EnqueueRequest, type EnqueueService } from './enqueue.js';
import { findBatch } from './find-batch.js';
import { checkRooms } from './rooms.js';
import { batchStatus } from './status.js';

interface BatchRequest extends Pick<
  EnqueueRequest,
  'name' | 'by' | 'note' | 'lane' | 'notBeforeMs' | 'precautions'
> {
  /** Any values of any number; read once. */
  rooms: AsyncIterable<string> | Iterable<string>;
  /** Why a value is no RoomId; undefined: it is one. */
  problemOf: (roomId: string) => string | undefined;
  /** Told of those, which are left out; without it the first one ends it. */
  onInvalid: ((roomId: string, problem: string) => void) | undefined;
  onProgress: ((counts: ManyAdded) => void) | undefined;
}

export interface BatchesOfService {
  /** @throws ReaperError as `enqueueRooms` does, `INVALID` where a RoomId is not valid: nothing was added. */
  add(request: BatchRequest): Promise<ManyAdded>;
  /** @throws ReaperError `NOT_FOUND`, or `AMBIGUOUS` where several that have not ended have the name. */
  read(idOrName: string): Promise<BatchStatus>;
  close(): Promise<void>;
}

/** @throws ReaperError `UNAVAILABLE` where the ledger cannot be used, `INVALID` where it is not that of the queue. */
export async function openBatchesOfService(
  stores: Stores,
  opened: OpenQueue,
  config: EnqueueService['config'],
): Promise<BatchesOfService> {
  const database = await stores.openLedger(() => undefined, { isPatient: true });
  try {
    if (!stores.areOne) await claimQueue(database, opened.ledger);
  } catch (error) {
    await database.close();
    throw error;
  }
  const service: EnqueueService = { config, database, queue: () => Promise.resolve(opened) };

  return {
    async add(request) {
      const { valid, refused } = await readRooms(request);
      const counted = { requested: valid.length + refused, invalid: refused };
      if (valid.length === 0) return { ...counted, added: 0, pending: 0 };
      const unprotected = { rooms: protectedRooms([]), patterns: [] };
      const rooms = await checkRooms(listOf(valid, 'roomIds'), unprotected);
      let batchId = '';
      const counts = ({ added, pending, finished }: AddedCounts): ManyAdded => ({
        ...{ ...counted, added, pending: pending + rooms.counts.duplicates },
        ...{ batchId, finished },
      });
      const { added } = await enqueueRooms(
        { ...service, actor: { who: request.by, way: 'api' } },
        { ...request, rooms },
        {
          onBatch: ({ id }) => void (batchId = id),
          onProgress: (_settled, _total, each) => request.onProgress?.(counts(each)),
          signal: new AbortController().signal,
        },
      );
      return counts(added);
    },
    read: async (idOrName) => batchStatus(await findBatch(service, idOrName)),
    close: () => database.close(),
  };
}

/** Its rooms are kept in memory: they are counted and checked before the first is added. */
async function readRooms({ rooms, problemOf, onInvalid }: BatchRequest): Promise<{
  valid: string[];
  refused: number;
}> {
  const valid: string[] = [];
  let refused = 0;
  for await (const roomId of rooms) {
    const problem = problemOf(roomId);
    if (problem === undefined) {
      valid.push(roomId);
    } else if (onInvalid) {
      refused += 1;
      onInvalid(roomId, problem);
    } else {
      throw invalid(problem);
    }
  }
  return { valid, refused };
}
