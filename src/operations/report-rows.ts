/**
 * Where the rooms of a report come from.
 *
 * While the batch is worked on, rooms move from the queue into the ledger. The queue is read
 * first, so that a room that leaves it is found in the ledger; what was seen already is left
 * out there. What is seen in neither is counted, not made up.
 */
import { finishedCount, type Destruction, type Outcome } from '../destruction.js';
import type { BatchProgress } from '../ledger/batches.js';
import {
  countKnownRooms,
  knownAmong,
  readReportRows,
  type ReportRow,
} from '../ledger/report-rows.js';
import { createRoomSet } from '../room-list/room-set.js';
import { openQueueOf, type Service } from './service.js';

/**
 * The rooms of the batch, each once.
 *
 * @param withOpen - default true; without those that never were taken up the queue is not asked.
 * @param onNotListed - told why the rooms that wait are not among them: the queue, which is
 *   opened only where rooms wait, cannot be read, or belongs to another ledger.
 */
export async function* reportedRooms(
  service: Service,
  batch: BatchProgress,
  options: { withOpen?: boolean; onNotListed?: ((reason: string) => void) | undefined } = {},
): AsyncGenerator<ReportRow[]> {
  const { database } = service;
  const { withOpen = true, onNotListed } = options;
  const known = !withOpen || finishedCount(batch) >= batch.total ? batch.total : undefined;
  if ((known ?? (await countKnownRooms(database, batch.id))) >= batch.total) {
    yield* readReportRows(database, batch.id);
    return;
  }
  const seen = createRoomSet();
  const unseen = (row: ReportRow) => seen.add(row.roomId);
  try {
    for await (const page of waitingRows(service, batch)) yield* notEmpty(page.filter(unseen));
  } catch (error) {
    onNotListed?.((error as Error).message);
  }
  for await (const page of readReportRows(database, batch.id)) yield* notEmpty(page.filter(unseen));
}

function notEmpty(page: ReportRow[]): ReportRow[][] {
  return page.length > 0 ? [page] : [];
}

async function* waitingRows(
  { config, stores, database }: Service,
  batch: BatchProgress,
): AsyncGenerator<ReportRow[]> {
  const opened = await openQueueOf(stores, database, {
    ...{ sdkAppId: config.sdkAppId, failFast: true, isPatient: true, readOnly: true },
    onError: () => undefined,
  });
  try {
    for await (const page of opened.roomsOf(batch)) {
      // One that waits for a later retry, or is in hand, has a row in the ledger.
      const known = await knownAmong(
        database,
        page.map((each) => each.id),
      );
      yield page.filter((each) => !known.has(each.id)).map(toRow);
    }
  } finally {
    await opened.close();
  }
}

function toRow(destruction: Destruction): ReportRow {
  return {
    roomId: destruction.roomId,
    state: 'waiting',
    outcome: undefined,
    statisticsSource: undefined,
    totals: {
      totalViewers: undefined,
      totalGiftsSent: undefined,
      totalGiftCoins: undefined,
      totalUniqueGiftSenders: undefined,
      totalLikesReceived: undefined,
    },
    attempts: 0,
    errorCode: undefined,
    errorInfo: undefined,
    requestId: undefined,
    requestedAtMs: destruction.requestedAtMs,
    finishedAtMs: undefined,
    destructionId: destruction.id,
    joined: false,
  };
}

/** Which rooms of a batch; what is undefined leaves none out. */
export interface RoomsWish {
  outcome?: Outcome | undefined;
  code?: number | undefined;
  /** The RoomId that they come after. */
  after?: string | undefined;
  limit: number;
}

export interface RoomsPage {
  rooms: ReportRow[];
  /** Where the next page begins; undefined: there is none. */
  after: string | undefined;
}

/** Most rooms that are looked at for one page: where few are meant, it may have fewer than its limit. */
const lookedAtMost = 10_000;

/** The rooms of a batch that the ledger knows, those that a worker has taken up, in the order of their RoomIds. */
export async function readRoomsPage(
  { database }: Pick<Service, 'database'>,
  batchId: string,
  { outcome, code, after, limit }: RoomsWish,
): Promise<RoomsPage> {
  const rooms: ReportRow[] = [];
  let lookedAt = 0;
  for await (const page of readReportRows(database, batchId, after)) {
    for (const row of page) {
      lookedAt += 1;
      const isOther = outcome !== undefined && row.outcome !== outcome;
      if (!isOther && (code === undefined || row.errorCode === code)) rooms.push(row);
      if (rooms.length === limit || lookedAt === lookedAtMost) return { rooms, after: row.roomId };
    }
  }
  return { rooms, after: undefined };
}
