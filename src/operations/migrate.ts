/** Bringing the ledger, and a queue in Postgres, to the version that this program works with. */
import type { Config } from '../config.js';
import type { Database } from '../ledger/database.js';
import { adoptQueue } from '../ledger/identity.js';
import { readApps } from '../ledger/line.js';
import type { Migrated } from '../ledger/schema.js';
import { openQueue } from '../queue/open.js';
import { migrateQueue } from '../queue/tables.js';
import { recorded } from './actions.js';
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
    const result = { ledger, queue: tables, adopted: adoptsQueue };
    const isChanged = [ledger, tables].some((each) => each !== undefined && each.from !== each.to);
    if (!isChanged && !adoptsQueue) return result;
    const database = await stores.openLedger(() => undefined);
    try {
      if (isChanged) await writeDown(config, database, result);
      if (adoptsQueue) await adopt(config, stores, database);
    } finally {
      await database.close();
    }
    return result;
  } finally {
    await stores.close();
  }
}

/** Once it is done: before, there may be no log. The tables are those of all apps, so each has it. */
async function writeDown(config: Config, database: Database, done: MigrateResult): Promise<void> {
  const known = (await readApps(database)).map(Number);
  const own = config.sdkAppId === 0 ? [] : [config.sdkAppId];
  const { ledger, queue } = migrateJson(done);
  for (const sdkAppId of known.length > 0 ? known : own) {
    const deed = { what: 'ledger.migrate' };
    const service = { database, config: { sdkAppId } };
    await recorded(
      service,
      undefined,
      deed,
      () => Promise.resolve(),
      () => ({ counts: { ledger, queue } }),
    );
  }
}

async function adopt(config: Config, stores: Stores, database: Database): Promise<void> {
  const { sdkAppId } = config;
  const opened = await openQueue({
    ...{ sdkAppId, connection: stores.queue, failFast: true, mustBeThere: true },
    onError: () => undefined,
  });
  try {
    await refuseUnknownApp(sdkAppId, opened, database);
    await recorded({ database, config }, undefined, { what: 'queue.adopt' }, () =>
      adoptQueue(database, opened.ledger),
    );
  } finally {
    await opened.close();
  }
}

/** The shape is a contract. */
export function migrateJson({ ledger, queue, adopted }: MigrateResult) {
  const versions = ({ from, to }: Migrated) => ({ from: from ?? null, to });
  return {
    ledger: versions(ledger),
    queue: queue === undefined ? null : versions(queue),
    adopted,
  };
}
