/**
 * Puts lists on the queue that were written down before (src/operations/lists.ts). A list is claimed
 * by one server at a time, which renews its claim while it works; of a server that died another goes
 * on after some seconds. Ids follow from batch and room, so nothing is added twice.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { ReaperError } from '../errors.js';
import { pruneAnswers } from '../ledger/answers.js';
import { cancelledBy } from '../ledger/batches.js';
import { readLines } from '../ledger/line.js';
import {
  claimList,
  claimSeconds,
  dropOrphans,
  dropParts,
  endList,
  markBegun,
  putOff,
  readPart,
  renewClaim,
  roomsBehind,
  type WaitingList,
} from '../ledger/lists.js';
import { addChunk } from '../producer/add.js';
import { takeBack } from './cancel.js';
import { fillBatch } from './enqueue.js';
import { fillReplay } from './replay.js';
import type { Service } from './service.js';

export interface ListKeeper {
  /** A list was written down: it need not wait for the next look. */
  wake(): void;
  /** Stops at the end of a call to the queue. */
  close(): Promise<void>;
}

/** Between two looks for lists of other servers, in milliseconds. */
const lookEveryMs = 2_000;

/** Before a list is tried again, in seconds: others free space in Redis, and stores come back. */
const putOffSeconds = { noSpace: 15, trouble: 5 };

/** What nobody asks for any more is deleted so often, in milliseconds. */
const pruneEveryMs = 3_600_000;

/** @param onTrouble - told why a list waits. */
export function keepListsGoing(service: Service, onTrouble: (error: unknown) => void): ListKeeper {
  const closing = new AbortController();
  const { signal } = closing;
  let waking = new AbortController();
  let prunedAt = Number.NEGATIVE_INFINITY;

  async function prune(): Promise<void> {
    if (performance.now() - prunedAt < pruneEveryMs) return;
    prunedAt = performance.now();
    await pruneAnswers(service.database);
    await dropOrphans(service.database);
  }
  async function run(): Promise<void> {
    while (!signal.aborted) {
      waking = new AbortController();
      try {
        await prune();
        const list = await claimList(service.database, service.config.sdkAppId);
        if (list !== undefined) {
          await putList(service, list, signal, onTrouble);
          continue;
        }
      } catch (error) {
        onTrouble(error);
      }
      const either = AbortSignal.any([signal, waking.signal]);
      await sleep(lookEveryMs, undefined, { signal: either }).catch(() => undefined);
    }
  }

  const running = run();
  return {
    wake: () => waking.abort(),
    async close() {
      closing.abort();
      await running;
    },
  };
}

async function putList(
  service: Service,
  list: WaitingList,
  signal: AbortSignal,
  onTrouble: (error: unknown) => void,
): Promise<void> {
  const { database } = service;
  const { batchId } = list;
  const renewing = setInterval(
    () => void renewClaim(database, batchId).catch(() => undefined),
    (claimSeconds * 1_000) / 3,
  );
  try {
    const put = list.partsId === '' ? putReplay : putParts;
    const lastPriority = await put(service, list, signal);
    if (signal.aborted) await putOff(database, batchId, 0);
    else await endList(database, batchId, lastPriority);
  } catch (error) {
    await afterFailure(service, batchId, error, onTrouble);
  } finally {
    clearInterval(renewing);
  }
}

async function putReplay(
  service: Service,
  { batchId: id, batchCreatedAtMs: createdAtMs, begunTo, lane, total, precautions }: WaitingList,
  signal: AbortSignal,
): Promise<number> {
  await markBegun(service.database, id, 1);
  const batch = { id, createdAtMs, total, precautions, isNew: begunTo === 0 };
  const options = { onProgress: () => undefined, signal, mayForget: false };
  return (await fillReplay(service, batch, lane, options)).lastPriority;
}

async function putParts(service: Service, list: WaitingList, signal: AbortSignal): Promise<number> {
  const again = list.begunTo > 0 ? await fill(service, list, 'again', signal) : 0;
  return Math.max(again, await fill(service, list, 'fresh', signal));
}

/**
 * Puts a part of the list on the queue: what may be there already, after a crash, or what is not.
 * Of the latter nobody need be asked, which is twice as fast.
 *
 * @returns the BullMQ priority of its last room.
 */
async function fill(
  service: Service,
  list: WaitingList,
  what: 'again' | 'fresh',
  signal: AbortSignal,
): Promise<number> {
  const { database } = service;
  const { batchId, partsId, begunTo, lane, notBeforeMs, batchCreatedAtMs: createdAtMs } = list;
  const { precautions } = list;
  const isNew = what === 'fresh';
  const range = isNew ? { after: begunTo, upTo: lastPart } : { after: 0, upTo: begunTo };
  const total = await roomsBehind(database, partsId, range.after);
  if (total === 0) return 0;
  const settled = trackParts((upTo) => dropParts(database, partsId, upTo));
  const parts = partsOf(service, partsId, range);
  const { lastPriority } = await fillBatch(
    service,
    { id: batchId, createdAtMs, isNew, total, precautions },
    settled.through(isNew ? marked(service, batchId, parts) : parts),
    { lane, notBeforeMs },
    { onProgress: (rooms) => settled.dropUpTo(rooms), signal, mayForget: false },
  );
  return lastPriority;
}

async function afterFailure(
  service: Service,
  batchId: string,
  error: unknown,
  onTrouble: (error: unknown) => void,
): Promise<void> {
  const code = error instanceof ReaperError ? error.code : undefined;
  const by = code === 'CONFLICT' ? await cancelledBy(service.database, batchId) : undefined;
  if (by !== undefined) {
    await endList(service.database, batchId, undefined);
    // What was added in the second before it was seen.
    await takeBack(service, { batches: [batchId], by });
    return;
  }
  onTrouble(error);
  const seconds = code === 'NO_SPACE' ? putOffSeconds.noSpace : putOffSeconds.trouble;
  await putOff(service.database, batchId, seconds);
}

interface Part {
  position: number;
  roomIds: string[];
}

/** Largest position. */
const lastPart = 2 ** 31 - 1;

async function* partsOf(
  service: Service,
  partsId: string,
  { after, upTo }: { after: number; upTo: number },
): AsyncGenerator<Part> {
  const restAfter = restBesideWorkers(service);
  for (let last = after; ;) {
    const part = await readPart(service.database, partsId, { after: last, upTo });
    if (part === undefined) return;
    const gaveAt = performance.now();
    yield part;
    last = part.position;
    await restAfter(performance.now() - gaveAt);
  }
}

/**
 * While rooms are being destroyed, a part rests so many times as long as it took, at most so long in
 * milliseconds: the stores, and maybe this machine's cores, are the workers' too, and even so rooms
 * come onto the queue several times as fast as the quota lets them go.
 */
const restFactor = 3;
const longestRestMs = 500;

/** How long a look at the line counts, and how old its last slot may be, in milliseconds. */
const lookCountsMs = 1_000;
const lastSlotMs = 2_000;

function restBesideWorkers({ database, config, intervalMs }: Service) {
  let lookedAt = Number.NEGATIVE_INFINITY;
  let isAtWork = false;
  async function look(): Promise<boolean> {
    const lines = await readLines(database, config.sdkAppId, intervalMs);
    return lines.some((line) => line.databaseNowMs - (line.lastSlotMs ?? 0) < lastSlotMs);
  }
  return async (tookMs: number): Promise<void> => {
    if (performance.now() - lookedAt >= lookCountsMs) {
      lookedAt = performance.now();
      isAtWork = await look();
    }
    if (isAtWork) await sleep(Math.min(restFactor * tookMs, longestRestMs));
  };
}

/** Notes that parts are begun before the first of their rooms is added, many parts at once. */
async function* marked(
  { database }: Service,
  batchId: string,
  parts: AsyncIterable<Part>,
): AsyncGenerator<Part> {
  let begunTo = 0;
  for await (const part of parts) {
    if (part.position > begunTo) {
      begunTo = part.position + droppedTogether;
      await markBegun(database, batchId, begunTo);
    }
    yield part;
  }
}

/** Parts that are dropped at once. */
const droppedTogether = 20;

/** Drops the parts whose rooms are all on the queue: what goes on after a crash begins behind them. */
function trackParts(drop: (upTo: number) => Promise<void>) {
  const open: { position: number; end: number }[] = [];
  let given = 0;
  return {
    async *through(parts: AsyncIterable<Part>): AsyncGenerator<string[]> {
      for await (const { position, roomIds } of parts) {
        given += roomIds.length;
        open.push({ position, end: given });
        yield roomIds;
      }
    },
    dropUpTo(rooms: number): void {
      // The last two calls may have been answered in any order.
      const done = open.filter(({ end }) => end <= rooms - 2 * addChunk);
      const last = done.at(-1);
      if (last === undefined || done.length < droppedTogether) return;
      open.splice(0, done.length);
      drop(last.position).catch(() => undefined);
    },
  };
}
