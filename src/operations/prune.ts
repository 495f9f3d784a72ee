/** Deleting from the ledger what ended long ago. */
import type { Config } from '../config.js';
import { ReaperError } from '../errors.js';
import { finishBatches } from '../ledger/batches.js';
import {
  prune as pruneLedger,
  type Pruned,
  type PruneOptions as LedgerOptions,
} from '../ledger/prune.js';
import { isoTime, rounded } from '../text.js';
import { recorded } from './actions.js';
import { ledgerNowMs, type Service } from './service.js';

export type { Pruned } from '../ledger/prune.js';

interface PruneOptions extends Omit<LedgerOptions, 'sdkAppId' | 'beforeUs' | 'chunk'> {
  /** What ended before this goes: milliseconds since the epoch, on the ledger's clock. */
  beforeMs: number;
}

export interface PruneResult extends Pruned, Pick<PruneOptions, 'beforeMs' | 'dryRun'> {}

const dayMs = 86_400_000;

/**
 * A job that failed stays in BullMQ's failed set for `FAILED_JOBS_DAYS`, and a retry there must
 * find how it ended; one that was not taken off the queue by a worker that died is sent again
 * until its deadline, unless the ledger knows better. So the ledger remembers longer than both.
 */
function leastDays(config: Config): number {
  return Math.max(config.failedJobsDays, Math.ceil(config.deadlineHours / 24)) + 1;
}

/** @throws ReaperError `INVALID` where that is less long ago than is safe. */
export async function prune(service: Service, options: PruneOptions): Promise<PruneResult> {
  const { database, config } = service;
  const { beforeMs, dryRun, force } = options;
  const least = leastDays(config);
  const ageMs = (await ledgerNowMs(service)) - beforeMs;
  if (!force && ageMs < least * dayMs) {
    throw new ReaperError(
      'INVALID',
      `the age of what is deleted must be at least ${least}d, got ${rounded(ageMs / dayMs, 2)}d: a failed job can be retried from BullMQ's failed set for ` +
        `FAILED_JOBS_DAYS (${config.failedJobsDays}), and is sent again until its deadline (DESTROY_DEADLINE_HOURS, ${config.deadlineHours}) where the ledger does not know its end any more`,
      { remedy: 'keep_more' },
    );
  }
  const { sdkAppId } = config;
  const beforeUs = Math.round(beforeMs * 1_000);
  const walk = async () => {
    // What is noted now ended too late to be deleted.
    if (!dryRun) await finishBatches(database, sdkAppId);
    const pruned = await pruneLedger(database, { ...options, sdkAppId, beforeUs });
    return { ...pruned, beforeMs, dryRun };
  };
  if (dryRun) return walk();
  return recorded(service, undefined, { what: 'ledger.prune' }, walk, (done) => {
    const { before, destructions, attempts, batches } = pruneJson(done);
    return { counts: { before, destructions, attempts, batches } };
  });
}

/** The shape is a contract. */
export function pruneJson({ dryRun, beforeMs, ...pruned }: PruneResult) {
  const { destructions, attempts, batches } = pruned;
  return { dryRun, before: isoTime(beforeMs), destructions, attempts, batches };
}
