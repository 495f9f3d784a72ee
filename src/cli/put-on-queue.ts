/** From a checked list to a batch on the queue and in the ledger. */
import { ReaperError } from '../errors.js';
import {
  finishedAmong,
  joinDestructions,
  joinedAndFinished,
  markEnqueued,
  openBatch,
  type Batch,
} from '../ledger/batches.js';
import type { Database } from '../ledger/database.js';
import type { Placement } from '../producer/add.js';
import { enqueueBatch, type BatchAdded } from '../producer/enqueue-batch.js';
import { uniqueRooms } from '../producer/room-list/index.js';
import { newId } from '../queue/destruction-id.js';
import type { DestroyQueue } from '../queue/open.js';
import { printable } from '../redact.js';
import { say, type Io } from './io.js';
import { madeUpName } from './made-up-name.js';
import { createProgressLine } from './progress.js';
import type { RoomRequest } from './room-request.js';
import { count } from './text.js';

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
  /** False where it was interrupted: running the same command again goes on. */
  complete: boolean;
}

/**
 * Puts the rooms on the queue, with progress on a terminal.
 *
 * @throws ReaperError `USAGE` where the list was changed while it was read, `UNAVAILABLE`
 *   where the queue does not take the rooms.
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
  const line = createProgressLine(io);
  const rooms = uniqueRooms(request.list, { summary });
  const added = await enqueueBatch(
    queue,
    {
      finishedAmong: (ids) => finishedAmong(database, ids),
      joinedAndFinished: (roomIds) => joinedAndFinished(database, batch.id, roomIds),
      join: (joined) => joinDestructions(database, batch.id, joined),
    },
    {
      id: batch.id,
      createdAtMs: batch.createdAtMs,
      isNew: batch.isNew,
      deadlineMs: options.deadlineHours * 3_600_000,
    },
    rooms,
    options.placement,
    ({ added, pending, finished }) =>
      line.update(
        `${count(added + pending + finished)} / ${count(summary.unique)} rooms on the queue`,
      ),
    signal,
  ).finally(() => line.end());
  if (signal.aborted) return { batch, added, complete: false };
  if (rooms.fingerprint !== summary.fingerprint) {
    throw new ReaperError(
      'USAGE',
      `${request.list.name} must not change while it is read; it did, and part of it is on the queue as batch ${batch.id}`,
    );
  }
  await markEnqueued(database, batch.id);
  return { batch, added, complete: true };
}
