/** What a run of `destroy` looks at while a worker works on its batch, and what it comes to. */
import { stringify } from 'lossless-json';
import { readBatches, type BatchProgress } from '../ledger/batches.js';
import { summarizeBatch, type BatchSummary } from '../ledger/report.js';
import { isPassing } from '../passing.js';
import { rounded } from '../text.js';
import { roomCountsToJson, type RoomCounts } from './rooms.js';
import type { Service } from './service.js';

export { finishedCount, type BatchProgress } from '../ledger/batches.js';
export type { BatchSummary } from '../ledger/report.js';

export interface DestroyResult {
  progress: BatchProgress;
  summary: BatchSummary;
  rooms: RoomCounts;
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

async function unlessAway<R>(answer: Promise<R>): Promise<R | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (isPassing(error)) return undefined;
    throw error;
  }
}

/** The shape is a contract with scripts. Statistics are exact, also beyond 2⁵³. */
export function destroyedToJson({ progress, summary, rooms, seconds }: DestroyResult): string {
  const json = {
    batchId: progress.id,
    ...roomCountsToJson(rooms),
    outcomes: summary.outcomes,
    attempts: summary.attempts,
    seconds: rounded(seconds),
    worstWindow: summary.worstWindow,
    statistics: summary.statistics,
  };
  return stringify(json) ?? '';
}
