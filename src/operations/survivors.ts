/** Rooms of a batch that are live: which, and what is known of each. */
import type { Outcome } from '../destruction.js';
import { readRoomsAmong } from '../ledger/report-rows.js';
import { batchDestructionId } from '../queue/destruction-id.js';
import { readJobs } from '../producer/add.js';
import { findBatch } from './find-batch.js';
import {
  readLiveRooms,
  type ListEnd,
  type LiveRoom,
  type LiveRoomsRun,
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
 * @throws ReaperError `NOT_FOUND` where there is no such batch, and what {@link readLiveRooms} throws.
 */
export async function* readSurvivors(
  service: Service,
  batch: string,
  wish: LiveRoomsWish,
  run: LiveRoomsRun = {},
): AsyncGenerator<Survivor[], ListEnd> {
  const { id: batchId, createdAtMs } = await findBatch(service, batch);
  const live = readLiveRooms(service, wish, run);
  for (;;) {
    const { value, done } = await live.next();
    if (done === true) return value;
    const known = await knownOf(service, { batchId, createdAtMs }, value);
    const survivors = value.flatMap((room) => {
      const found = known.get(room.roomId);
      return found === undefined ? [] : [{ ...room, ...found, known: wordsOf(room, found) }];
    });
    if (survivors.length > 0) yield survivors;
  }
}

async function knownOf(
  service: Service,
  { batchId, createdAtMs }: { batchId: string; createdAtMs: number },
  live: readonly LiveRoom[],
): Promise<Map<string, Known>> {
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
        createdAtMs + 1_000 > finishedAtMs;
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
