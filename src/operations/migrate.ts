/** Bringing the ledger, and a queue in Postgres, to the version that this program works with. */
import type { StoreConfig } from '../config.js';
import type { Migrated } from '../ledger/schema.js';
import { migrateQueue } from '../queue/tables.js';
import { openStores } from '../stores.js';

export interface MigrateResult {
  ledger: Migrated;
  /** undefined: the queue is in Redis, which has no schema. */
  queue: Migrated | undefined;
}

/**
 * Workers of an older program that are at work notice it within seconds, and end in order.
 *
 * @param onNotice - told how far it is.
 * @throws ReaperError `UNAVAILABLE` where a store cannot be reached, or is of a newer program.
 */
export async function migrate(
  config: StoreConfig,
  onNotice: (message: string) => void,
): Promise<MigrateResult> {
  const stores = await openStores(config, onNotice);
  try {
    const ledger = await stores.migrateLedger();
    const { queue } = stores;
    return { ledger, queue: queue.kind === 'redis' ? undefined : await migrateQueue(queue) };
  } finally {
    await stores.close();
  }
}

/** The shape is a contract. */
export function migrateJson({ ledger, queue }: MigrateResult): object {
  const versions = ({ from, to }: Migrated) => ({ from: from ?? null, to });
  return { ledger: versions(ledger), queue: queue === undefined ? null : versions(queue) };
}
