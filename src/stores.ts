/**
 * Where the queue and the ledger live: reads it from the configuration, and opens the
 * embedded database once where either of them uses it.
 */
import type pg from 'pg';
import type { StoreConfig } from './config.js';
import { openEmbedded } from './embedded/index.js';
import { openDatabase, type Database, type DatabaseOptions } from './ledger/database.js';
import type { QueueConnection } from './queue/connection.js';
import { withoutPassword } from './redact.js';

export interface Stores {
  queue: QueueConnection;
  /** Connects to the ledger and, unless it is only to look, brings its schema up to date. */
  openLedger(
    onIdleError: (error: Error) => void,
    options?: Pick<DatabaseOptions, 'readOnly'>,
  ): Promise<Database>;
  close(): Promise<void>;
}

/**
 * @param onNotice - told, once, what a user of the embedded default should know.
 * @throws ReaperError `UNAVAILABLE` where the embedded database cannot be opened.
 */
export async function openStores(
  config: StoreConfig,
  onNotice: (message: string) => void,
): Promise<Stores> {
  const needsEmbedded = config.queueUrl === 'embedded' || config.databaseUrl === 'embedded';
  const embedded = needsEmbedded ? await openEmbedded(config.dataDir, { onNotice }) : undefined;

  function place(url: string): { connection: pg.PoolConfig; shownAs: string } {
    if (url === 'embedded' && embedded) {
      return {
        connection: embedded.connection,
        shownAs: `the embedded database in ${config.dataDir}`,
      };
    }
    return {
      connection: { connectionString: url },
      shownAs: withoutPassword(url),
    };
  }

  function queueConnection(): QueueConnection {
    if (/^rediss?:/.test(config.queueUrl)) return { kind: 'redis', url: config.queueUrl };
    const at = place(config.queueUrl);
    return { kind: 'postgres', connection: at.connection, shownAs: at.shownAs };
  }

  return {
    queue: queueConnection(),
    openLedger(onIdleError, options = {}) {
      const at = place(config.databaseUrl);
      return openDatabase({
        connection: at.connection,
        shownAs: at.shownAs,
        onIdleError,
        ...options,
      });
    },
    close: async () => embedded?.close(),
  };
}
