/** The batches that were asked for, newest first, page by page. */
import { ReaperError } from '../errors.js';
import type { BatchFilter } from '../ledger/batches.js';
import { printable } from '../redact.js';
import { batchesWithEnds, type BatchProgress, type BatchSource } from './find-batch.js';
import { batchStatus } from './status.js';

/** Most batches of one page. */
const mostBatches = 500;

export interface BatchesWish extends Pick<
  BatchFilter,
  'like' | 'by' | 'token' | 'parentId' | 'createdFromMs' | 'unfinished' | 'limit'
> {
  /** Of the page before: what comes after it. */
  cursor?: string | undefined;
}

export interface BatchPage {
  batches: BatchProgress[];
  /** The cursor of the next page; undefined: there is none. */
  next: string | undefined;
}

/** @throws ReaperError `INVALID` where the cursor is none of a page. */
export async function listBatches(
  service: BatchSource,
  { cursor, limit, ...filter }: BatchesWish,
): Promise<BatchPage> {
  const after = cursor === undefined ? undefined : readCursor(cursor);
  // One more than is shown tells whether there are more.
  const wish = { ...filter, after, limit: limit + 1 };
  const found = await batchesWithEnds(service, wish);
  const batches = found.slice(0, limit);
  const last = batches.at(-1);
  const isLast = last === undefined || found.length <= limit;
  return { batches, next: isLast ? undefined : cursorOf(last) };
}

/** All that the order goes by: batches of one instant follow each other by their ids. */
function cursorOf({ createdAtMs, id }: BatchProgress): string {
  const createdAtUs = Math.round(createdAtMs * 1_000);
  return Buffer.from(JSON.stringify([createdAtUs, id])).toString('base64url');
}

function readCursor(cursor: string): { createdAtUs: number; id: string } {
  try {
    const read: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    const [createdAtUs, id] = Array.isArray(read) ? (read as unknown[]) : [];
    if (Number.isSafeInteger(createdAtUs) && typeof id === 'string' && !id.includes('\0'))
      return { createdAtUs: createdAtUs as number, id };
  } catch {
    // As below.
  }
  throw new ReaperError(
    'INVALID',
    `cursor must be one that a page of batches gave, got ${JSON.stringify(printable(cursor))}`,
  );
}

/** How many batches a page may have. @throws ReaperError `INVALID`. */
export function readLimit(text: string): number {
  const limit = Number(text);
  if (/^\d{1,3}$/.test(text) && limit >= 1 && limit <= mostBatches) return limit;
  throw new ReaperError(
    'INVALID',
    `limit must be a whole number from 1 to ${mostBatches}, got ${JSON.stringify(printable(text))}`,
  );
}

/** The shape is a contract: batches are as in a status. */
export function batchesJson({ batches, next }: BatchPage): object {
  return { batches: batches.map(batchStatus), next: next ?? null };
}
