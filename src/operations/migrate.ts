/** Bringing the ledger, and a queue in Postgres, to the version that this program works with. */
import type { Config } from '../config.js';
import { adoptQueue } from '../ledger/identity.js';
import type { Migrated } from '../ledger/schema.js';
import { openQueue } from '../queue/open.js';
import { migrateQueue } from '../queue/tables.js';
import { refuseUnknownApp } from './service.js';
import { openStores, type Stores } from '../stores.js';

export interface MigrateResult {
  ledger: Migrated;
  /** undefined: the queue is in Redis, which has no schema. */
  queue: Migrated | undefined;
  /** Whether the queue of the app belongs to this ledger from now on, because that was asked for. */
  adopted: boolean;
}

/**
 * Workers of an older program that are at work notice it within seconds, and end in order.
 *
 * @param adoptsQueue - makes the queue of the app belong to this ledger, whichever it belonged to;
 *   workers on that one notice it within a minute.
 * @param onNotice - told how far it is.
 * @throws ReaperError `UNAVAILABLE` where a store cannot be reached, or is of a newer program.
 */
export async function migrate(
  config: Config,
  adoptsQueue: boolean,
  onNotice: (message: string) => void,
): Promise<MigrateResult> {
  const stores = await openStores(config, onNotice);
  try {
    const ledger = await stores.migrateLedger();
    const { queue } = stores;
    const tables = queue.kind === 'postgres' ? await migrateQueue(queue) : undefined;
    if (adoptsQueue) await adopt(config.sdkAppId, stores);
    return { ledger, queue: tables, adopted: adoptsQueue };
  } finally {
    await stores.close();
  }
}

async function adopt(sdkAppId: number, stores: Stores): Promise<void> {
  const database = await stores.openLedger(() => undefined);
  try {
    const opened = await openQueue({
      ...{ sdkAppId, connection: stores.queue, failFast: true, mustBeThere: true },
      onError: () => undefined,
    });
    try {
      await refuseUnknownApp(sdkAppId, opened, database);
      await adoptQueue(database, opened.ledger);
    } finally {
      await opened.close();
    }
  } finally {
    await database.close();
  }
}

/** The shape is a contract. */
export function migrateJson({ ledger, queue, adopted }: MigrateResult): object {
  const versions = ({ from, to }: Migrated) => ({ from: from ?? null, to });
  return {
    ledger: versions(ledger),
    queue: queue === undefined ? null : versions(queue),
    adopted,
  };
}
