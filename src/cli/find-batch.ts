import { ReaperError } from '../errors.js';
import { readBatches, type BatchProgress } from '../ledger/batches.js';
import type { Database } from '../ledger/database.js';
import { printable } from '../redact.js';
import { say, type Io } from './io.js';

/**
 * The batch of this id or name; of several with one name the newest, which is said.
 *
 * @param argument - how it is called in the error: `--batch`, `BATCH`.
 * @throws ReaperError `USAGE` where there is none.
 */
export async function findBatch(
  database: Database,
  sdkAppId: number,
  argument: string,
  idOrName: string,
  io: Io,
): Promise<BatchProgress> {
  const [newest, older] = await readBatches(database, sdkAppId, { idOrName, limit: 2 });
  if (newest === undefined) {
    throw new ReaperError(
      'USAGE',
      `${argument} must be the id or name of a batch, got ${JSON.stringify(printable(idOrName))}; room-reaper status lists them`,
    );
  }
  if (older !== undefined) {
    const since = new Date(newest.createdAtMs).toISOString();
    say(
      io,
      `several batches are called ${printable(idOrName)}; this is the newest, ${newest.id} of ${since}`,
    );
  }
  return newest;
}
