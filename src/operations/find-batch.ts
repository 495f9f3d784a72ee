/** The batch that somebody names. */
import { ReaperError } from '../errors.js';
import { readBatches, readEnded, type BatchFilter, type BatchProgress } from '../ledger/batches.js';
import { readBatchRates, type BatchRates } from '../ledger/requests-lately.js';
import { printable } from '../redact.js';
import type { Service } from './service.js';

export type { BatchProgress } from '../ledger/batches.js';

/** Most batches of one name that are looked at. */
export const mostOfOneName = 100;

/** Most that are named where one of several could be meant. */
const mostCandidates = 5;

/** The part of a service that knows batches. */
export type BatchSource = Pick<Service, 'database' | 'readRates'> & {
  config: Pick<Service['config'], 'sdkAppId'>;
};

/**
 * By id, or by name. Names repeat: one that has not ended is meant before those that have,
 * and where more than one could be meant it must be the id.
 *
 * @param onNewest - for what only reads: instead, the newest is meant, and is told here.
 * @throws ReaperError `NOT_FOUND` where there is none, `AMBIGUOUS` where more than one is meant.
 */
export async function findBatch(
  service: BatchSource,
  idOrName: string,
  onNewest?: (newest: BatchProgress) => void,
): Promise<BatchProgress> {
  const found = await batchesWithEnds(service, { idOrName, limit: mostOfOneName });
  const byId = found.find((batch) => batch.id === idOrName);
  if (byId !== undefined) return byId;
  const open = found.filter((batch) => batch.finishedAtMs === undefined);
  const meant = open.length > 0 ? open : found;
  const [only, ...others] = meant;
  if (only === undefined) throw noSuchBatch(idOrName);
  if (others.length === 0) return only;
  if (onNewest !== undefined) {
    const [newest = only] = found;
    onNewest(newest);
    return newest;
  }
  throw new ReaperError(
    'AMBIGUOUS',
    `batch must name one batch, got ${shown(idOrName)}, the name of ${meant.length}`,
    { remedy: 'give_the_id', candidates: meant.slice(0, mostCandidates) },
  );
}

/** How fast batches move at this moment, for `readRates` of a service. */
export function readRates({ database }: Pick<Service, 'database'>): Promise<BatchRates> {
  return readBatchRates(database);
}

/** Newest first. Workers note the end of a batch a moment later than it ends. */
export async function batchesWithEnds(
  { database, config: { sdkAppId }, readRates }: BatchSource,
  filter: BatchFilter,
): Promise<BatchProgress[]> {
  const ended = await readEnded(database, sdkAppId);
  const read = await readBatches(database, sdkAppId, filter, readRates);
  return read.map((batch) => ({
    ...batch,
    finishedAtMs: batch.finishedAtMs ?? ended.get(batch.id),
  }));
}

export function noSuchBatch(idOrName: string): ReaperError {
  return new ReaperError(
    'NOT_FOUND',
    `batch must be the id or name of a batch, got ${shown(idOrName)}`,
    { remedy: 'list_batches' },
  );
}

function shown(idOrName: string): string {
  return JSON.stringify(printable(idOrName));
}
