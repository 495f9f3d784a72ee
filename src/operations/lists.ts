/**
 * Lists that are asked for over HTTP. Whoever sent one is answered when it is safe: checked whole,
 * and written into the ledger with its batch. Its rooms are put on the queue later
 * (src/operations/list-keeper.ts), by this server or, if it dies, by another.
 */
import { ReaperError } from '../errors.js';
import { openBatch } from '../ledger/batches.js';
import { dropParts, partsOfBatch, roomsInLists, writePart } from '../ledger/lists.js';
import { fromQueue } from '../producer/add.js';
import { createSpaceCheck } from '../producer/space-check.js';
import { newId } from '../queue/destruction-id.js';
import { readMemory } from '../queue/space.js';
import { openRoomList } from '../room-list/open-room-list.js';
import { listOf, type RoomList, type RoomListFormat } from '../room-list/room-list.js';
import { uniqueRooms } from '../room-list/two-passes.js';
import { count } from '../text.js';
import { recorded } from './actions.js';
import { previewToJson, type Batch, type EnqueueRequest } from './enqueue.js';
import { forecast } from './forecast.js';
import { readOutlook } from './look-ahead.js';
import { madeUpName } from './made-up-name.js';
import {
  checkRooms,
  refuseUnusable,
  roomCountsToJson,
  type CheckedRooms,
  type LeaveOut,
  type Protection,
} from './rooms.js';
import type { Service } from './service.js';
import { checkDue, checkPrecautions } from './single-room.js';

export type { RoomListFormat };

/** More rooms than these must be counted by whoever sends them: a list may be cut off on its way. */
export const countedAbove = 1_000;

/** Lines that are named where they are no RoomIds. */
const mostProblems = 100;

interface Streamed {
  source: AsyncIterable<Uint8Array>;
  format: RoomListFormat;
}

export interface ReceivedList extends LeaveOut {
  /** RoomIds, or a stream that is read once. */
  from: readonly string[] | Streamed;
  protection: Protection;
  /** How many rooms it must have, with or without repetitions. */
  expect: number | undefined;
  /** Whether it is looked at alone, and nothing is asked for: then nobody need have counted it. */
  isPreview?: boolean;
}

/**
 * Reads a list and checks all of it, and lends it to `use`.
 *
 * @throws ReaperError `INVALID` where it has lines that are no RoomIds, or another number of rooms
 *   than was told, `REFUSED` where it has protected rooms; else what its source throws.
 */
export async function withReceivedList<R>(
  { from, protection, expect, isPreview = false, ...leaveOut }: ReceivedList,
  use: (checked: CheckedRooms) => Promise<R>,
): Promise<R> {
  const list = 'source' in from ? await receive(from) : listOf(from, 'rooms');
  try {
    const checked = await checkRooms(list, protection, mostProblems);
    if (expect !== undefined || !isPreview) refuseMiscounted(checked, expect);
    refuseUnusable(checked, leaveOut);
    return await use(checked);
  } finally {
    await list.close();
  }
}

async function receive({ source, format }: Streamed): Promise<RoomList> {
  const list = await openRoomList('-', { stdin: source, format }).catch((error: unknown) => {
    // What the sender did is no trouble of the place where it is kept.
    const { cause } = error as { cause?: unknown };
    throw cause instanceof Error && !('syscall' in cause) ? cause : error;
  });
  return { ...list, name: 'the list' };
}

function refuseMiscounted({ counts }: CheckedRooms, expect: number | undefined): void {
  const all = counts.requested + counts.protected;
  if (expect === undefined && all <= countedAbove) return;
  if (expect === all || expect === counts.unique) return;
  const got =
    expect === undefined ? 'no number' : `${count(expect)}: it may have been cut off on its way`;
  throw new ReaperError(
    'INVALID',
    `a list of ${count(all)} rooms must come with how many it has, got ${got}; send it again with expect=${all} if that is right. Nothing was asked for`,
  );
}

/** The shape is a contract. */
export async function previewList(
  service: Service,
  { counts }: CheckedRooms,
  {
    lane,
    notBeforeMs,
    precautions = {},
  }: Pick<EnqueueRequest, 'lane' | 'notBeforeMs' | 'precautions'>,
): Promise<object> {
  checkDue(notBeforeMs);
  checkPrecautions(precautions, notBeforeMs);
  const outlook = await readOutlook(service, { rooms: counts.unique, lane, precautions });
  const plan = forecast({ rooms: counts.unique, outlook, nowMs: Date.now(), notBeforeMs });
  return previewToJson(counts, precautions, plan);
}

export interface ListRequest extends EnqueueRequest {
  /** Of its batch; asked for again with the same, it is the same. */
  id: string;
  /** Name of the token that asks. */
  token: string;
}

/** Rooms written by one statement. */
const partSize = 1_000;

/**
 * Writes the list down. The same list under the same name by the same token, while its batch is
 * unfinished, is that batch.
 *
 * @throws ReaperError `NO_SPACE` where Redis has no space for it beside the lists that wait already,
 *   `CONFLICT` where that batch has other precautions.
 */
export async function keepList(service: Service, request: ListRequest): Promise<Batch> {
  const { id, token, name, by, note, rooms, lane, notBeforeMs, precautions = {} } = request;
  checkDue(notBeforeMs);
  checkPrecautions(precautions, notBeforeMs);
  const { database, config } = service;
  const { unique } = rooms.counts;
  await refuseWithoutSpace(service, unique);
  const deed = { what: 'batch.destroy', target: id, reason: note };
  return recorded(
    service,
    by,
    deed,
    async () => {
      const partsId = newId();
      try {
        await writeParts(service, partsId, rooms);
        const batch = await openBatch(database, {
          ...{ id, sdkAppId: config.sdkAppId, name, madeUpName: madeUpName(Math.random) },
          ...{ by, note, token, fingerprint: rooms.fingerprint, total: unique, precautions },
          list: { partsId, lane, notBeforeMs },
        });
        // It was asked for before, and waits already.
        if ((await partsOfBatch(database, batch.id)) !== partsId)
          await dropParts(database, partsId);
        return batch;
      } catch (error) {
        // Else they go in a day.
        await dropParts(database, partsId).catch(() => undefined);
        throw error;
      }
    },
    (batch) => ({ target: batch.id, counts: { rooms: unique } }),
  );
}

async function refuseWithoutSpace(service: Service, unique: number): Promise<void> {
  const { queue } = await service.queue();
  const total = unique + (await roomsInLists(service.database, service.config.sdkAppId));
  const space = createSpaceCheck({ readMemory: () => fromQueue(readMemory(queue)), total });
  await space.beforeFirst();
}

async function writeParts(
  { database }: Service,
  partsId: string,
  { list, counts, fingerprint }: CheckedRooms,
): Promise<void> {
  const unique = uniqueRooms(list, { summary: counts });
  let part: string[] = [];
  let position = 0;
  const write = async () => {
    position += 1;
    await writePart(database, partsId, position, part);
    part = [];
  };
  for await (const roomIds of unique) {
    for (const roomId of roomIds) {
      part.push(roomId);
      if (part.length === partSize) await write();
    }
  }
  if (part.length > 0) await write();
  if (unique.fingerprint !== fingerprint) throw new Error('the list changed while it was read');
}

/** The shape is a contract. */
export function keptListJson({ id, name }: Batch, { counts }: CheckedRooms): object {
  return { batchId: id, name, state: 'enqueuing', ...roomCountsToJson(counts) };
}
