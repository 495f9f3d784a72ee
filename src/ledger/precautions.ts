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

/**
 * SQL: when the room of a destruction was meant, for what asks for it again: what is created later is
 * another room. It was there when the first request was sent, or could be.
 *
 * @param destruction - a row of `destructions`.
 */
export function firstAskedFor(destruction: string): string {
  return `coalesce(${destruction}.only_created_before,
    (select min(t.sent_at) from room_reaper.attempts t where t.destruction_id = ${destruction}.id),
    ${destruction}.requested_at)`;
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
