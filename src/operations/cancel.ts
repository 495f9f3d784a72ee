/** Taking back what was not sent yet. */
import { countsOf, finishedCount } from '../destruction.js';
import { finishBatches, readBatches, type BatchProgress } from '../ledger/batches.js';
import {
  finishCancelled,
  markBatchesCancelled,
  markDestructionsCancelled,
  openOfRooms,
  outcomesOf,
  unfinishedBatches,
} from '../ledger/cancel.js';
import type { OutcomeCounts } from '../destruction.js';
import { checkRoomId } from '../room-id.js';
import { rounded } from '../text.js';
import { recorded } from './actions.js';
import { sweep, type Swept } from './cancel-sweep.js';
import { findBatch } from './find-batch.js';
import type { Service } from './service.js';

export { finishedCount };

interface CancelWish {
  /** By id or name. */
  batches?: readonly string[];
  rooms?: readonly string[];
  /** Everything that waits, whoever asked for it. */
  all?: boolean;
  by: string;
  /** Why. */
  reason?: string | undefined;
}

interface CancelOptions {
  /** Told how many rooms were taken back so far. */
  onProgress?: (taken: number) => void;
  /** Ends it: nothing of what was meant is sent any more, and the same wish again records the rest. */
  signal?: AbortSignal;
}

export interface CancelReport {
  swept: Swept;
  /** The batches as they were before, and after. */
  before: BatchProgress[];
  after: BatchProgress[];
  /** Rooms that a worker had in hand meanwhile, and how they ended. */
  inHand: Awaited<ReturnType<typeof outcomesOf>>;
  /** Rooms asked for that nothing waits for. */
  unknownRooms: string[];
  seconds: number;
}

/**
 * From the first moment on workers send nothing of it any more; what is in a worker's hand is
 * waited for.
 *
 * @returns undefined where `signal` ended it.
 * @throws ReaperError `INVALID`, `NOT_FOUND` or `AMBIGUOUS` where it is not clear what is meant.
 */
export async function cancel(
  service: Service,
  wish: CancelWish,
  options: CancelOptions = {},
): Promise<CancelReport | undefined> {
  const { batches = [], rooms = [], all = false, by, reason } = wish;
  const what = all ? 'all.cancel' : batches.length > 0 ? 'batch.cancel' : 'rooms.cancel';
  const [target] = batches.length + rooms.length === 1 ? [...batches, ...rooms] : [];
  // Of a mistyped app nothing is written down.
  await service.queue();
  return recorded(
    service,
    by,
    { what, target, reason },
    () => takeBack(service, wish, options),
    (report) => ({
      counts: { batches: batches.length, rooms: rooms.length, ...(report && toldOf(report)) },
    }),
  );
}

function toldOf({ swept }: CancelReport) {
  return { cancelled: swept.taken.cancelled, sentBefore: swept.taken.failed };
}

/** The same, for what was written down before. */
export async function takeBack(
  service: Service,
  wish: CancelWish,
  { onProgress, signal = new AbortController().signal }: CancelOptions = {},
): Promise<CancelReport | undefined> {
  const startedAt = performance.now();
  const { database, config } = service;
  const { by, all } = wish;
  const everythingBefore = all === true ? { everythingBeforeMs: Date.now() } : {};
  wish.rooms?.forEach((room) => checkRoomId(room));
  const meant = await findMeant(service, wish);
  // Of one that was cancelled before, rooms may have come onto the queue since.
  const open = meant.batches.filter(
    (batch) => batch.finishedAtMs === undefined || batch.cancelledAtMs !== undefined,
  );
  const batchIds = open.map((batch) => batch.id);
  // This is the cancellation; what follows tidies up after it.
  await markBatchesCancelled(database, batchIds, by);
  await markDestructionsCancelled(database, meant.ids, by);
  const swept = await sweep(
    service,
    { batches: open, ids: meant.ids, by, ...everythingBefore },
    ({ taken }) => onProgress?.(finishedCount(taken)),
    signal,
  );
  if (signal.aborted) return undefined;
  await finishBatches(database, config.sdkAppId);
  if (swept.left.length === 0) await finishCancelled(database, batchIds);
  const after: BatchProgress[] = [];
  for (const { id } of meant.batches) {
    after.push(...(await readBatches(database, config.sdkAppId, { idOrName: id, limit: 1 })));
  }
  return {
    swept,
    before: meant.batches,
    after,
    inHand: await outcomesOf(database, [...swept.inHand]),
    unknownRooms: meant.unknownRooms,
    seconds: (performance.now() - startedAt) / 1000,
  };
}

interface Meant extends Pick<CancelReport, 'unknownRooms'> {
  /** As they were before. */
  batches: BatchProgress[];
  ids: string[];
}

async function findMeant(
  service: Service,
  { batches = [], rooms = [], all = false }: CancelWish,
): Promise<Meant> {
  const { database, config } = service;
  const { sdkAppId } = config;
  const { queue } = await service.queue();
  const meant: Meant = { batches: [], ids: [], unknownRooms: [] };
  if (all) {
    await finishBatches(database, sdkAppId);
    for (const id of await unfinishedBatches(database, sdkAppId)) {
      meant.batches.push(await findBatch(service, id));
    }
  }
  for (const name of batches) {
    const batch = await findBatch(service, name);
    if (!meant.batches.some((other) => other.id === batch.id)) meant.batches.push(batch);
  }
  for (const room of new Set(rooms)) {
    const pending = await queue.getDeduplicationJobId(room);
    // A job that came back from the failed set owns no key; the ledger knows it.
    const ids = new Set(await openOfRooms(database, sdkAppId, [room]));
    if (pending !== null) ids.add(pending);
    meant.ids.push(...ids);
    if (ids.size === 0) meant.unknownRooms.push(room);
  }
  return meant;
}

/** Rooms that workers took back meanwhile, of the batches that are meant. */
export function takenByWorkers({ swept, before, after }: CancelReport): number {
  const cancelledOf = (batches: readonly BatchProgress[]) =>
    batches.reduce((sum, batch) => sum + batch.cancelled, 0);
  return cancelledOf(after) - cancelledOf(before) - swept.taken.cancelled;
}

/** How those ended that a worker had in hand, and which of them had not yet and are there still. */
export function endsInHand({ swept, inHand }: CancelReport) {
  const ended: Partial<OutcomeCounts> = {};
  for (const { outcome } of inHand) {
    if (outcome !== undefined) ended[outcome] = (ended[outcome] ?? 0) + 1;
  }
  const left = inHand.filter(({ id, outcome }) => outcome === undefined && swept.left.includes(id));
  return { ended, left };
}

/** Whether there was nothing to take back. */
export function isNothing({ swept, inHand, after }: CancelReport): boolean {
  const taken = finishedCount(swept.taken) + inHand.length + swept.left.length;
  return taken === 0 && after.length === 0;
}

/** Rooms of the batch that were never on the queue, where it was interrupted at that. */
export function neverQueued(batch: BatchProgress): number {
  return batch.finishedAtMs === undefined ? 0 : batch.total - finishedCount(batch);
}

/** What a batch has to be taken back, changing nothing. The shape is a contract. */
export async function previewCancel(service: Service, batch: string): Promise<object> {
  const { id, name, total, ...counts } = await findBatch(service, batch);
  const finished = finishedCount(counts);
  return { dryRun: true, batches: [{ id, name, total, finished, open: total - finished }] };
}

/** The shape is a contract. */
export function cancelJson(report: CancelReport): object {
  const { swept } = report;
  return {
    cancelled: swept.taken.cancelled,
    sentBefore: swept.taken.failed,
    inHand: report.inHand.map(({ roomId, outcome }) => ({ roomId, outcome: outcome ?? null })),
    leftInHand: swept.left.length,
    goOnForOthers: swept.shared.size,
    nothingWaits: report.unknownRooms,
    batches: report.after.map((batch) => ({
      id: batch.id,
      name: batch.name,
      total: batch.total,
      finished: finishedCount(batch),
      neverQueued: neverQueued(batch),
      outcomes: countsOf(batch),
    })),
    seconds: rounded(report.seconds),
  };
}
