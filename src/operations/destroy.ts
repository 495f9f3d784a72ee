/** What a run of `destroy` looks at while a worker works on its batch, and what it comes to. */
import { stringify } from 'lossless-json';
import { finishedCount } from '../destruction.js';
import { readBatches, type BatchProgress } from '../ledger/batches.js';
import { anyRoomExisted, firstRooms, summarizeBatch, type BatchSummary } from '../ledger/report.js';
import { isPassing } from '../passing.js';
import { rounded } from '../text.js';
import type { Enqueued } from './enqueue.js';
import { createRateMeter } from './forecast.js';
import { notBeforeDue, type followLastRooms, type LastRooms } from './last-rooms.js';
import { followBatch } from './look-ahead.js';
import { roomCountsToJson, type RoomCounts } from './rooms.js';
import type { Service } from './service.js';

export { finishedCount };
export type { BatchProgress } from '../ledger/batches.js';
export type { BatchSummary } from '../ledger/report.js';

/** What no outcome says; the code is a contract with scripts. */
export interface Warning {
  /** No room of the list exists, nor is known to have existed: another list, or another app, was meant. */
  code: 'all_already_gone';
  /** Some of the rooms. */
  examples: readonly string[];
}

/** Fewer rooms than this may all have ended by themselves. */
const fewestRooms = 11;
const namedExamples = 3;

export interface DestroyResult {
  progress: BatchProgress;
  summary: BatchSummary;
  rooms: RoomCounts;
  warnings: readonly Warning[];
  /** Wall time of the run. */
  seconds: number;
}

/** @returns undefined while the ledger is away: the worker says so, and waits. */
export async function readProgress(
  { database, config }: Service,
  batchId: string,
): Promise<BatchProgress | undefined> {
  const found = readBatches(database, config.sdkAppId, { idOrName: batchId, limit: 1 });
  return (await unlessAway(found))?.[0];
}

/** @returns undefined while the ledger is away. */
export function readSummary(
  { database }: Service,
  batchId: string,
): Promise<BatchSummary | undefined> {
  return unlessAway(summarizeBatch(database, batchId));
}

/** @returns undefined while the ledger is away. */
export function readWarnings(
  { database }: Service,
  batchId: string,
  { rooms, outcomes }: BatchSummary,
): Promise<Warning[] | undefined> {
  const allGone = rooms >= fewestRooms && outcomes.already_gone === rooms;
  const read = async (): Promise<Warning[]> => {
    if (!allGone || (await anyRoomExisted(database, batchId))) return [];
    const examples = await firstRooms(database, batchId, namedExamples);
    return [{ code: 'all_already_gone', examples }];
  };
  return unlessAway(read());
}

/** So long no room of a batch ends before it is looked for on the queue, in milliseconds. */
const lookForLostAfterMs = 5_000;

/** Looking reads the whole list, so it is done ever more seldom while nothing moves, in milliseconds. */
const lookForLostAtMostMs = 600_000;

/**
 * When it is time to look whether the rest of a batch is still on the queue: where nothing of it
 * ends for a while.
 */
export function createLostWatch(): (finished: number, nowMs: number) => boolean {
  let last = { finished: -1, atMs: 0 };
  let waitMs = lookForLostAfterMs;
  return (finished, nowMs) => {
    if (finished !== last.finished) {
      last = { finished, atMs: nowMs };
      waitMs = lookForLostAfterMs;
    }
    if (nowMs - last.atMs < waitMs) return false;
    last.atMs = nowMs;
    waitMs = Math.min(2 * waitMs, lookForLostAtMostMs);
    return true;
  };
}

/** How a batch stands while it is worked on. */
export interface BatchLook {
  progress: BatchProgress;
  /** Milliseconds since the epoch. */
  nowMs: number;
  ratePerSecond: number;
  /** undefined: nobody knows. */
  secondsLeft: number | undefined;
  /** Where few rooms are left. */
  last: LastRooms | undefined;
  /** No room ended for a while: those that are left may be on the queue no more. */
  mayBeLost: boolean;
}

/** @returns looks at the batch once; undefined while the ledger is away. */
export function followDestroy(
  service: Service,
  { batch, lastPriority }: Enqueued,
  lastRooms: ReturnType<typeof followLastRooms>,
): () => Promise<BatchLook | undefined> {
  const secondsLeft = followBatch(service, lastPriority, batch.precautions);
  const rate = createRateMeter();
  const mayBeLost = createLostWatch();
  return async () => {
    const progress = await readProgress(service, batch.id);
    if (progress === undefined) return undefined;
    const nowMs = Date.now();
    const finished = finishedCount(progress);
    const last = lastRooms.now(progress, nowMs);
    const left = progress.total - finished;
    return {
      ...{ progress, nowMs, last, ratePerSecond: rate(finished, nowMs) },
      secondsLeft: notBeforeDue(secondsLeft(left, nowMs), last, nowMs),
      mayBeLost: left > 0 && mayBeLost(finished, nowMs),
    };
  };
}

async function unlessAway<R>(answer: Promise<R>): Promise<R | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (isPassing(error)) return undefined;
    throw error;
  }
}

/** The shape is a contract with scripts. Statistics are exact, also beyond 2⁵³. */
export function destroyedToJson(result: DestroyResult): string {
  const { progress, summary, rooms, warnings, seconds } = result;
  const json = {
    batchId: progress.id,
    ...roomCountsToJson(rooms),
    outcomes: summary.outcomes,
    attempts: summary.attempts,
    seconds: rounded(seconds),
    worstWindow: summary.worstWindow,
    warnings: warnings.map(({ code }) => code),
    statistics: summary.statistics,
    statisticsFrom: summary.statisticsFrom,
  };
  return stringify(json) ?? '';
}
