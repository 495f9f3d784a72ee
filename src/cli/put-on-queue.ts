/** From a checked list to a batch on the queue and in the ledger. */
import { ReaperError } from '../errors.js';
import {
  cancelledBy,
  finishedAmong,
  forgetBatch,
  joinDestructions,
  joinedAndFinished,
  markEnqueued,
  openBatch,
  type Batch,
} from '../ledger/batches.js';
import type { Database } from '../ledger/database.js';
import { isPassing } from '../passing.js';
import { fromQueue, type Placement } from '../producer/add.js';
import { enqueueBatch, type BatchAdded, type Enqueued } from '../producer/enqueue-batch.js';
import { uniqueRooms } from '../room-list/two-passes.js';
import { createSpaceCheck, type SpaceCheck } from '../producer/space-check.js';
import { newId } from '../queue/destruction-id.js';
import type { DestroyQueue } from '../queue/job.js';
import { printable } from '../redact.js';
import { readMemory } from '../queue/space.js';
import { say, type Io } from './io.js';
import { madeUpName } from './made-up-name.js';
import { createProgressLine } from './progress.js';
import type { RoomRequest } from './room-request.js';
import { createHeapKeeper } from './small-heap.js';
import { count } from '../text.js';

export interface PutOptions {
  request: RoomRequest;
  sdkAppId: number;
  /** The name that the batch was given. */
  name: string | undefined;
  by: string;
  note: string | undefined;
  placement: Placement;
  deadlineHours: number;
  signal: AbortSignal;
}

export interface Put {
  batch: Batch;
  added: BatchAdded;
  /** The BullMQ priority of its last room (src/queue/turns.ts). */
  lastPriority: number;
  /** False where it was interrupted: running the same command again goes on. */
  complete: boolean;
}

/** Of a run that begins now: a single room should not wait behind a list. */
export function placementOf({ summary }: RoomRequest): Placement {
  return { lane: summary.format === undefined ? 'normal' : 'bulk', delayMs: 0 };
}

/**
 * Puts the rooms on the queue, with progress on a terminal.
 *
 * @throws ReaperError `INVALID` where the list was changed while it was read, `UNAVAILABLE`
 *   where the queue does not take the rooms, or has no space for them.
 */
export async function putOnQueue(
  database: Database,
  queue: DestroyQueue,
  options: PutOptions,
  io: Io,
): Promise<Put> {
  const { request, signal } = options;
  const { summary } = request;
  const batch = await openBatch(database, {
    id: newId(),
    sdkAppId: options.sdkAppId,
    name: options.name,
    madeUpName: madeUpName(Math.random),
    by: options.by,
    note: options.note,
    fingerprint: summary.fingerprint,
    total: summary.unique,
  });
  if (!batch.isNew) {
    say(io, `going on with batch ${batch.id} (${printable(batch.name)}), which was not finished`);
  }
  const space = createSpaceCheck({
    readMemory: () => fromQueue(readMemory(queue)),
    ...(batch.isNew ? { total: summary.unique } : {}),
  });
  await space.beforeFirst().catch(async (error: unknown) => {
    if (batch.isNew) await forgetBatch(database, batch.id);
    throw error;
  });
  const rooms = uniqueRooms(request.list, { summary });
  const { lastPriority, ...added } = await addBatch(
    { database, queue, space, signal, io },
    batch,
    rooms,
    options,
  );
  if (signal.aborted) return { batch, added, lastPriority, complete: false };
  if (rooms.fingerprint !== summary.fingerprint) {
    throw new ReaperError(
      'INVALID',
      `${request.list.name} must not change while it is read; it did, and part of it is on the queue as batch ${batch.id}`,
    );
  }
  await markEnqueued(database, batch.id, lastPriority);
  return { batch, added, lastPriority, complete: true };
}

export interface Surroundings {
  database: Database;
  queue: DestroyQueue;
  space: SpaceCheck;
  /** Ends it between two calls to the queue. */
  signal: AbortSignal;
  io: Io;
}

/** How often it is looked whether the batch was cancelled meanwhile, in milliseconds. */
const lookForCancelEveryMs = 1_000;

/** Adds the rooms of a batch that is open in the ledger, with progress on a terminal. */
export async function addBatch(
  { database, queue, space, signal, io }: Surroundings,
  batch: Pick<Batch, 'id' | 'createdAtMs' | 'isNew' | 'total'>,
  rooms: AsyncIterable<readonly string[]>,
  { placement, deadlineHours }: Pick<PutOptions, 'placement' | 'deadlineHours'>,
): Promise<Enqueued> {
  const line = createProgressLine(io);
  const keepHeapSmall = createHeapKeeper();
  let lookedAt = performance.now();
  let looking = Promise.resolve();

  /** Workers would send nothing of it; somebody would have to take it back again. */
  function refuseCancelled(): Promise<void> {
    if (performance.now() - lookedAt >= lookForCancelEveryMs) {
      lookedAt = performance.now();
      looking = look();
    }
    return looking;
  }
  async function look(): Promise<void> {
    const by = await cancelledBy(database, batch.id).catch((error: unknown) => {
      if (isPassing(error)) return undefined;
      throw error;
    });
    if (by === undefined) return;
    throw new ReaperError(
      'INVALID',
      `batch ${batch.id} was cancelled by ${printable(by)} while its rooms were put on the queue; no more are added, and none of it is sent. room-reaper cancel ${batch.id} takes back what came after it`,
    );
  }

  try {
    return await enqueueBatch(
      queue,
      {
        finishedAmong: (ids) => finishedAmong(database, ids),
        joinedAndFinished: (roomIds) => joinedAndFinished(database, batch.id, roomIds),
        join: (joined) => joinDestructions(database, batch.id, joined),
      },
      { ...batch, deadlineMs: deadlineHours * 3_600_000 },
      rooms,
      placement,
      {
        onProgress: ({ added, pending, finished }) => {
          const settled = count(added + pending + finished);
          line.update(`${settled} / ${count(batch.total)} rooms on the queue`);
          keepHeapSmall();
        },
        async beforeAdding(settled) {
          await refuseCancelled();
          await space.beforeAdding(settled);
        },
        signal,
      },
    );
  } finally {
    line.end();
  }
}
