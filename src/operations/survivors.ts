/** Rooms of a batch that are live: which, and what is known of each. */
import { isGone, type Outcome } from '../destruction.js';
import { readRoomsAmong } from '../ledger/report-rows.js';
import { batchDestructionId } from '../queue/destruction-id.js';
import { readJobs } from '../producer/add.js';
import { findBatch } from './find-batch.js';
import {
  readLiveRooms,
  type ListedPage,
  type ListEnd,
  type LiveRoom,
  type LiveRoomsWish,
} from './live-rooms.js';
import type { Service } from './service.js';

export interface Survivor extends LiveRoom {
  /** undefined: it has not ended. */
  outcome: Outcome | undefined;
  /** Milliseconds since the epoch. */
  finishedAtMs: number | undefined;
  /** In words. */
  known: string;
}

/** What the program knows of a room of the batch. */
type Known = Pick<Survivor, 'outcome' | 'finishedAtMs'>;

/**
 * @param batch - id or name.
 * @throws ReaperError `NOT_FOUND` or `AMBIGUOUS` where it is not clear which batch is meant, and
 *   what {@link readLiveRooms} throws.
 */
export async function* readSurvivors(
  service: Service,
  batch: string,
  wish: LiveRoomsWish,
  signal?: AbortSignal,
): AsyncGenerator<ListedPage<Survivor>, ListEnd> {
  const found = await findBatch(service, batch);
  const live = readLiveRooms(service, wish, signal);
  let page = await live.next();
  for (; page.done !== true; page = await live.next()) {
    const { rooms, ...told } = page.value;
    const known = await knownOf(service, found, rooms);
    yield { ...told, rooms: rooms.flatMap((room) => survivorOf(room, known, told.askedAtMs)) };
  }
  return page.value;
}

/** CreateTime is in whole seconds, so a room is up to so many milliseconds newer than it says. */
const createTimeStepMs = 1_000;

function survivorOf(
  room: LiveRoom,
  known: ReadonlyMap<string, Known>,
  listedAtMs: number,
): Survivor[] {
  const found = known.get(room.roomId);
  if (found === undefined) return [];
  const { outcome, finishedAtMs } = found;
  // It went while the list was read.
  if (outcome !== undefined && isGone(outcome) && (finishedAtMs ?? 0) >= listedAtMs) return [];
  return [{ ...room, ...found, known: wordsOf(room, found) }];
}

async function knownOf(
  service: Service,
  { id: batchId, createdAtMs }: { id: string; createdAtMs: number },
  live: readonly LiveRoom[],
): Promise<Map<string, Known>> {
  if (live.length === 0) return new Map();
  const roomIds = live.map(({ roomId }) => roomId);
  const rows = await readRoomsAmong(service.database, service.config.sdkAppId, batchId, roomIds);
  const known = new Map<string, Known>(rows.map((row) => [row.roomId, row]));
  // What no worker has taken up is on the queue alone.
  const others = roomIds.filter((roomId) => !known.has(roomId));
  if (others.length === 0) return known;
  const { queue } = await service.queue();
  const jobs = await readJobs(
    queue,
    others.map((roomId) => batchDestructionId(batchId, createdAtMs, roomId)),
  );
  for (const [index, roomId] of others.entries()) {
    if (jobs[index] !== undefined)
      known.set(roomId, { outcome: undefined, finishedAtMs: undefined });
  }
  return known;
}

function wordsOf({ createdAtMs }: LiveRoom, { outcome, finishedAtMs }: Known): string {
  switch (outcome) {
    case undefined:
      return 'not destroyed yet';
    case 'destroyed':
    case 'destroyed_statistics_lost':
    case 'already_gone': {
      const was = outcome === 'already_gone' ? 'was gone' : 'was destroyed';
      const isNew =
        createdAtMs === undefined ||
        finishedAtMs === undefined ||
        createdAtMs + createTimeStepMs > finishedAtMs;
      return isNew ? `${was}, and created again` : `${was}, and is listed all the same`;
    }
    case 'recreated':
      return 'created again before it was destroyed; left alone';
    case 'cancelled':
      return 'not destroyed: cancelled';
    case 'rejected':
    case 'failed':
    case 'expired':
      return `not destroyed: ${outcome}`;
    default:
      return outcome satisfies never;
  }
}
