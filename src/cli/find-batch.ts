/** The batch that a user names. */
import { ReaperError } from '../errors.js';
import { finishBatches, readBatches, type BatchProgress } from '../ledger/batches.js';
import type { Database } from '../ledger/database.js';
import { printable } from '../redact.js';
import { say, type Io } from './io.js';

/** Most batches of one name that are looked at. */
const mostOfOneName = 100;

/**
 * By id, or by name. Names repeat: one that has not ended is meant before those that have,
 * and where more than one could be meant it must be the id.
 *
 * @param what - how messages call it: the flag or the argument.
 * @param onNewest - for commands that only read: instead, the newest is meant, and is told here.
 * @throws ReaperError `INVALID` where there is none, or more than one.
 */
export async function findBatch(
  database: Database,
  sdkAppId: number,
  idOrName: string,
  what: string,
  onNewest?: (newest: BatchProgress) => void,
): Promise<BatchProgress> {
  await finishBatches(database, sdkAppId);
  const found = await readBatches(database, sdkAppId, { idOrName, limit: mostOfOneName });
  const byId = found.find((batch) => batch.id === idOrName);
  if (byId !== undefined) return byId;
  const open = found.filter((batch) => batch.finishedAtMs === undefined);
  const meant = open.length > 0 ? open : found;
  const [only, ...others] = meant;
  const shown = JSON.stringify(printable(idOrName));
  if (only === undefined) {
    throw new ReaperError(
      'INVALID',
      `${what} must be the id or name of a batch, got ${shown}; room-reaper status lists them`,
    );
  }
  if (others.length > 0 && onNewest !== undefined) {
    const [newest = only] = found;
    onNewest(newest);
    return newest;
  }
  if (others.length > 0) {
    throw new ReaperError(
      'INVALID',
      `${what} must name one batch, got ${shown}, the name of ${meant.length}; give the id: ${meant
        .slice(0, 5)
        .map((batch) => `${batch.id} (${new Date(batch.createdAtMs).toISOString()})`)
        .join(', ')}`,
    );
  }
  return only;
}

/** Says which of several batches is meant. */
export function sayNewest(io: Io): (newest: BatchProgress) => void {
  return ({ id, name = '', createdAtMs }) => {
    const since = new Date(createdAtMs).toISOString();
    say(io, `several batches are called ${printable(name)}; this is the newest, ${id} of ${since}`);
  };
}
