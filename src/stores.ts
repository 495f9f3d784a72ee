/**
 * Where the queue and the ledger live: reads it from the configuration, and opens the
 * embedded database once where either of them uses it.
 */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { StoreConfig } from './config.js';
import type { EmbeddedDatabase } from './embedded/open-embedded.js';
import {
  migrateDatabase,
  openDatabase,
  type Database,
  type DatabaseOptions,
} from './ledger/database.js';
import { ReaperError } from './errors.js';
import type { Migrated } from './ledger/schema.js';
import { takeOverPatience } from './passing.js';
import type { QueueConnection } from './queue/connection.js';
import { withoutPassword } from './redact.js';
import { isRedisUrl } from './store-url.js';
import { copyOfTls, type TlsOptions } from './tls-options.js';

type Place = Pick<DatabaseOptions, 'connection' | 'shownAs' | 'patience'>;

export interface Stores {
  queue: QueueConnection;
  /** Both are in the embedded database: the queue can belong to no other ledger. */
  areOne: boolean;
  /** Connects to the ledger and, unless it is only to look, brings its schema up to date. */
  openLedger(
    onIdleError: (error: Error) => void,
    options?: Pick<DatabaseOptions, 'readOnly' | 'isPatient' | 'asksForOthers'>,
  ): Promise<Database>;
  /** Brings its schema up to date, also under workers of an older program. */
  migrateLedger(): Promise<Migrated>;
  close(): Promise<void>;
}

export interface StoresOptions {
  /** Certificates of the user's own, for connections to servers. */
  tls?: { queue?: TlsOptions | undefined; ledger?: TlsOptions | undefined };
  /** Whether an embedded database is made where there is none. Default true. */
  mayMake?: boolean;
}

/**
 * Whether the embedded database is there; true also where none is used. A first process that was
 * killed while it made one leaves `postgres.new`, which is none.
 */
export function isMade({ queueUrl, databaseUrl, dataDir }: StoreConfig): boolean {
  if (queueUrl !== 'embedded' && databaseUrl !== 'embedded') return true;
  return existsSync(join(dataDir, 'postgres'));
}

/**
 * @param onNotice - told, once, what a user of the embedded default should know, and how far a
 *   migration is.
 * @throws ReaperError `UNAVAILABLE` where the embedded database cannot be opened, or is not there.
 */
export async function openStores(
  config: StoreConfig,
  onNotice: (message: string) => void,
  { tls = {}, mayMake = true }: StoresOptions = {},
): Promise<Stores> {
  const isMissing = !mayMake && !isMade(config);
  if (isMissing && config.queueUrl === 'embedded') throw notMade(config.dataDir);
  const needsEmbedded = config.queueUrl === 'embedded' || config.databaseUrl === 'embedded';
  let embedded: EmbeddedDatabase | undefined;
  if (needsEmbedded && !isMissing) {
    // Loaded where it is used: with servers, nobody waits for it.
    const { openEmbedded } = await import('./embedded/open-embedded.js');
    embedded = await openEmbedded(config.dataDir, { onNotice });
  }

  function place(url: string, ownTls: TlsOptions | undefined): Place {
    if (url === 'embedded' && embedded) {
      return {
        connection: embedded.connection,
        shownAs: `the embedded database in ${config.dataDir}`,
        patience: takeOverPatience,
      };
    }
    const ssl = ownTls === undefined ? {} : { ssl: copyOfTls(ownTls) };
    return { connection: { connectionString: url, ...ssl }, shownAs: withoutPassword(url) };
  }

  const { queueUrl } = config;
  const ledger = { ...place(config.databaseUrl, tls.ledger), onProgress: onNotice };
  return {
    queue: isRedisUrl(queueUrl)
      ? { kind: 'redis', url: queueUrl, prefix: config.queuePrefix, tls: tls.queue }
      : { kind: 'postgres', ...place(queueUrl, tls.queue) },
    areOne: queueUrl === 'embedded' && config.databaseUrl === 'embedded',
    async openLedger(onIdleError, options = {}) {
      if (isMissing) throw notMade(config.dataDir);
      return openDatabase({ ...ledger, onIdleError, ...options });
    },
    migrateLedger: () => migrateDatabase(ledger),
    close: async () => embedded?.close(),
  };
}

function notMade(dataDir: string): ReaperError {
  return new ReaperError(
    'UNAVAILABLE',
    `there is nothing here: the embedded database must be in ${resolve(dataDir)}, got none there`,
    { remedy: 'look_elsewhere' },
  );
}
