/** What is done before the rooms of a batch are destroyed, as its row keeps it. */
import type { Precautions } from '../destruction.js';
import { ReaperError } from '../errors.js';
import { describePrecautions } from '../text.js';

export interface PrecautionsRow {
  snapshot: boolean;
  /** Milliseconds since the epoch. */
  only_created_before: number | null;
}

/** SQL: the columns of a `PrecautionsRow`, of a row of `batches`. */
export function precautionsOf(batch: string): string {
  return `${batch}.snapshot, extract(epoch from ${batch}.only_created_before)::float8 * 1000 as only_created_before`;
}

export function readPrecautions(row: PrecautionsRow): Precautions {
  return { snapshot: row.snapshot, onlyCreatedBeforeMs: row.only_created_before ?? undefined };
}

/** A batch goes on as it began: rooms of it may be on the queue, or destroyed, by now. */
export function otherPrecautions(batchId: string, its: Precautions): ReaperError {
  const has = describePrecautions(its).join(', and ');
  const was = has === '' ? 'without it' : `so that ${has}`;
  return new ReaperError(
    'CONFLICT',
    `what is done before rooms are destroyed must stay the same while a batch goes on; batch ${batchId} of this very list is not finished and was asked for ${was}. Ask as before to go on with it, or cancel it first`,
  );
}
