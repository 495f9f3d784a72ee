/** Puts a batch on the queue: from a checked list, or from the rooms of a replay. */
import type { Precautions } from '../destruction.js';
import { invalid, ReaperError } from '../errors.js';
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
import { isPassing } from '../passing.js';
import { fromQueue, type Placement } from '../producer/add.js';
import {
  addMany,
  inChunks,
  type AddedCounts,
  type AddedMany,
  type AddManyOptions,
} from '../producer/add-many.js';
import { createSpaceCheck } from '../producer/space-check.js';
import { batchDestructionId, newId } from '../queue/destruction-id.js';
import { readMemory } from '../queue/space.js';
import { printable } from '../redact.js';
import { precautionsJson } from '../text.js';
import { scanRoomList, uniqueRooms } from '../room-list/two-passes.js';
import { recorded } from './actions.js';
import { forecastToJson, type Forecast } from './forecast.js';
import { madeUpName } from './made-up-name.js';
import { roomCountsToJson, type CheckedRooms, type RoomCounts } from './rooms.js';
import type { Service } from './service.js';
import { createHeapKeeper } from './small-heap.js';

export type { Batch } from '../ledger/batches.js';

/** What a batch is called, who asks for it, and why. */
export interface BatchLabel {
  /** Default: a made-up one. */
  name: string | undefined;
  by: string;
  note: string | undefined;
}

/** Most characters of each. */
const longest = { name: 200, by: 200, note: 2_000 };

/**
 * @param names - how the user calls them.
 * @throws ReaperError `INVALID` where one of them is empty or too long.
 */
export function checkLabel(
  names: Readonly<Record<keyof BatchLabel, string>>,
  label: { readonly [part in keyof BatchLabel]: string | undefined },
): void {
  for (const part of ['name', 'by', 'note'] as const) {
    const { length = 1 } = label[part] ?? {};
    if (length >= 1 && length <= longest[part]) continue;
    throw invalid(
      `${names[part]} must be 1–${longest[part]} characters, got ${length}; shorten it or leave it out`,
    );
  }
}

export interface EnqueueRequest extends BatchLabel {
  rooms: CheckedRooms;
  lane: Placement['lane'];
  /** When the rooms are due, in milliseconds since the epoch; undefined: now. */
  notBeforeMs: number | undefined;
  /** Default: none, or those of an unfinished batch that is gone on with. */
  precautions?: Precautions;
}

/** The part of a service that putting a batch on the queue takes. */
export type EnqueueService = Pick<Service, 'database' | 'queue' | 'actor'> & {
  config: Pick<Service['config'], 'sdkAppId' | 'deadlineHours'>;
};

export interface EnqueueOptions {
  /** Told the batch before its first room is added: a new one, or an unfinished one of the same list. */
  onBatch?: (batch: Batch) => void;
  /** Told after each call to the queue how many rooms of the batch need nothing more. */
  onProgress: (settled: number, total: number, counts: AddedCounts) => void;
  /** Ends it between two calls to the queue. */
  signal: AbortSignal;
}

export interface Enqueued {
  batch: Batch;
  added: AddedCounts;
  /** The BullMQ priority of its last room (src/queue/turns.ts). */
  lastPriority: number;
  /** False where it was interrupted: the same request again goes on. */
  complete: boolean;
}

/**
 * The same list under the same name, while its batch is unfinished, goes on with that batch.
 *
 * @throws ReaperError `CONFLICT` where the list was changed while it was read, the batch was
 *   cancelled meanwhile, or an unfinished one has other precautions, `NO_SPACE` where Redis has no space for the rooms, `UNAVAILABLE` where the
 *   queue does not take them.
 */
export function enqueueRooms(
  service: EnqueueService,
  request: EnqueueRequest,
  options: EnqueueOptions,
): Promise<Enqueued> {
  return recorded(
    service,
    request.by,
    { what: 'batch.destroy', reason: request.note },
    () => openAndFill(service, request, options),
    ({ batch, added: { added, pending, finished } }) => ({
      ...{ target: batch.id, counts: { rooms: batch.total, added, pending, finished } },
    }),
  );
}

async function openAndFill(
  service: EnqueueService,
  request: EnqueueRequest,
  options: EnqueueOptions,
): Promise<Enqueued> {
  const { database, config } = service;
  const { name, by, note, rooms, precautions = {} } = request;
  const { unique, duplicates } = rooms.counts;
  const batch = await openBatch(database, {
    ...{ id: newId(), sdkAppId: config.sdkAppId, name, madeUpName: madeUpName(Math.random) },
    ...{ by, note, fingerprint: rooms.fingerprint, total: unique, precautions },
  });
  options.onBatch?.(batch);
  const read = uniqueRooms(rooms.list, { summary: { duplicates } });
  const { lastPriority, ...added } = await fillBatch(service, batch, read, request, options);
  if (options.signal.aborted) return { batch, added, lastPriority, complete: false };
  if (read.fingerprint !== rooms.fingerprint) {
    throw new ReaperError(
      'CONFLICT',
      `${rooms.list.name} must not change while it is read; it did, and part of it is on the queue as batch ${batch.id}`,
    );
  }
  await markEnqueued(database, batch.id, lastPriority);
  return { batch, added, lastPriority, complete: true };
}

/**
 * Adds anew what of a batch has not ended and is on the queue no more, because it was evicted or
 * removed by hand. What waits is left where it is.
 *
 * @returns how many rooms were added.
 * @throws ReaperError `CONFLICT` where the list was changed meanwhile: nothing is added; else as
 *   `enqueueRooms` does.
 */
export async function addLostRooms(
  service: Service,
  { batch }: Pick<Enqueued, 'batch'>,
  { rooms, lane, notBeforeMs }: EnqueueRequest,
  signal: AbortSignal,
): Promise<number> {
  const scanned = await scanRoomList(rooms.list);
  if (scanned.fingerprint !== rooms.fingerprint) {
    throw new ReaperError(
      'CONFLICT',
      `${rooms.list.name} must not change while its rooms are destroyed; it did, so rooms that are on the queue no more are not added again`,
    );
  }
  const { addedNow } = await fillBatch(
    service,
    { ...batch, isNew: false },
    uniqueRooms(rooms.list, { summary: rooms.counts }),
    { lane, notBeforeMs },
    { onProgress: () => undefined, signal, leaveWaiting: true },
  );
  return addedNow;
}

/** What a dry run says. The shape is a contract with scripts. */
export function previewToJson(
  counts: RoomCounts,
  precautions: Precautions,
  plan: Forecast,
): object {
  return {
    ...{ dryRun: true, ...roomCountsToJson(counts) },
    ...{ ...precautionsJson(precautions), ...forecastToJson(plan) },
  };
}

/** The shape is a contract with scripts. */
export function enqueuedToJson({ counts }: CheckedRooms, { batch, added }: Enqueued): object {
  return {
    batchId: batch.id,
    ...roomCountsToJson(counts),
    ...{ added: added.added, pending: added.pending, finished: added.finished },
    ...(added.dueEarlier > 0 ? { dueEarlier: added.dueEarlier } : {}),
  };
}

/** How often it is looked whether the batch was cancelled meanwhile, in milliseconds. */
const lookForCancelEveryMs = 1_000;

export interface FillOptions extends EnqueueOptions, Pick<AddManyOptions, 'leaveWaiting'> {
  /** Whether a batch without space for its first room was never asked for. Default: where it is new. */
  mayForget?: boolean;
  /** When a room was created at the latest, in milliseconds since the epoch. Default: as of its batch. */
  guardOf?: (roomId: string) => number | undefined;
}

/**
 * Adds the rooms of a batch that is open in the ledger. Ids depend on batch and room alone, so
 * doing it again after an interruption adds nothing twice.
 *
 * @param rooms - batches of RoomIds, each room once.
 * @throws ReaperError as `enqueueRooms` does. Where a new batch has no space for its first room, it
 *   is forgotten.
 */
export async function fillBatch(
  service: EnqueueService,
  batch: Pick<Batch, 'id' | 'createdAtMs' | 'isNew' | 'total' | 'precautions'>,
  rooms: AsyncIterable<readonly string[]>,
  { lane, notBeforeMs }: Pick<EnqueueRequest, 'lane' | 'notBeforeMs'>,
  options: FillOptions,
): Promise<AddedMany> {
  const { database, config } = service;
  const { onProgress, signal, leaveWaiting, mayForget = batch.isNew } = options;
  const { precautions } = batch;
  const { guardOf = () => precautions.onlyCreatedBeforeMs } = options;
  const opened = await service.queue();
  const space = createSpaceCheck({
    readMemory: () => fromQueue(readMemory(opened.queue)),
    ...(batch.isNew ? { total: batch.total } : {}),
  });
  await space.beforeFirst().catch(async (error: unknown) => {
    if (mayForget) await forgetBatch(database, batch.id);
    throw error;
  });
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
      'CONFLICT',
      `batch ${batch.id} was cancelled by ${printable(by)} while its rooms were put on the queue; no more are added, and none of it is sent`,
      { remedy: 'cancel_again' },
    );
  }

  return addMany(opened, inChunks(rooms), {
    ...{ lane, notBeforeMs, signal, leaveWaiting, batchId: batch.id },
    deadlineMs: config.deadlineHours * 3_600_000,
    idOf: (roomId) => batchDestructionId(batch.id, batch.createdAtMs, roomId),
    precautionsOf: (roomId) => ({ ...precautions, onlyCreatedBeforeMs: guardOf(roomId) }),
    /** What has not ended, neither under this batch nor under a destruction that it joined. */
    stillOpen: batch.isNew
      ? undefined
      : async (all) => {
          const [finished, joined] = await Promise.all([
            finishedAmong(
              database,
              all.map((each) => each.id),
            ),
            joinedAndFinished(
              database,
              batch.id,
              all.map((each) => each.roomId),
            ),
          ]);
          return all.filter((each) => !finished.has(each.id) && !joined.has(each.roomId));
        },
    onJoined: (joined) => joinDestructions(database, batch.id, joined),
    async beforeAdding(settled) {
      await refuseCancelled();
      await space.beforeAdding(settled);
    },
    onProgress(counts) {
      onProgress(counts.added + counts.pending + counts.finished, batch.total, counts);
      keepHeapSmall();
    },
  });
}
