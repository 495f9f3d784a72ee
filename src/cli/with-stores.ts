import type { Config } from '../config.js';
import type { Database } from '../ledger/database.js';
import { openQueue, type OpenQueue } from '../queue/open.js';
import { openStores, type Stores } from '../stores.js';
import { say, type Io } from './io.js';
import { sayQueueAway } from './queue-away.js';

/**
 * Lends the ledger to `use`, and closes it however it ends. `stores` is for those that may
 * need the queue too.
 *
 * @throws ReaperError `UNAVAILABLE` where it cannot be reached.
 */
export async function withLedger<R>(
  config: Config,
  io: Io,
  use: (opened: { database: Database; stores: Stores }) => Promise<R>,
): Promise<R> {
  const stores = await openStores(config, (message) => say(io, message));
  try {
    const database = await stores.openLedger(() => undefined);
    try {
      return await use({ database, stores });
    } finally {
      await database.close();
    }
  } finally {
    await stores.close();
  }
}

export type OpenStores = Pick<OpenQueue, 'queue' | 'lookUp' | 'jobs'> & { database: Database };

/**
 * Lends the queue and the ledger to `use`, and closes them however it ends.
 *
 * @param onQueueError - told of what goes wrong with the connection to the queue; by default that is said.
 * @throws ReaperError `UNAVAILABLE` where one of them cannot be reached.
 */
export async function withStores<R>(
  config: Config,
  io: Io,
  use: (stores: OpenStores) => Promise<R>,
  onQueueError?: (error: Error) => void,
): Promise<R> {
  return withLedger(config, io, async ({ database, stores }) => {
    const opened = await openQueue({
      sdkAppId: config.sdkAppId,
      connection: stores.queue,
      onError: onQueueError ?? sayQueueAway(io, config.queueUrl),
    });
    try {
      const { queue, lookUp, jobs } = opened;
      return await use({ queue, lookUp, jobs, database });
    } finally {
      await opened.close();
    }
  });
}
