import type { Config } from '../config.js';
import type { Database } from '../ledger/database.js';
import type { QueueLookUp } from '../queue/look-up.js';
import { openQueue, type DestroyQueue } from '../queue/open.js';
import { openStores } from '../stores.js';
import { say, type Io } from './io.js';

/**
 * Lends the queue and the ledger to `use`, and closes them however it ends.
 *
 * @throws ReaperError `UNAVAILABLE` where one of them cannot be reached.
 */
export async function withStores<R>(
  config: Config,
  io: Io,
  use: (stores: { queue: DestroyQueue; lookUp: QueueLookUp; database: Database }) => Promise<R>,
): Promise<R> {
  const ignore = () => undefined;
  const stores = await openStores(config, (message) => say(io, message));
  try {
    const database = await stores.openLedger(ignore);
    try {
      const opened = await openQueue({
        sdkAppId: config.sdkAppId,
        connection: stores.queue,
        onError: ignore,
      });
      try {
        return await use({ queue: opened.queue, lookUp: opened.lookUp, database });
      } finally {
        await opened.close();
      }
    } finally {
      await database.close();
    }
  } finally {
    await stores.close();
  }
}
