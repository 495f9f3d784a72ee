/** The two stores of a status, each asked on its own: one that is away hides nothing of the other. */
import type { Config } from '../config.js';
import { ReaperError } from '../errors.js';
import type { Database } from '../ledger/database.js';
import type { OpenQueue } from '../queue/open.js';
import { refusalReason } from '../queue/refusal.js';
import { withoutPassword } from '../redact.js';
import { describeStoreTrouble } from '../store-trouble.js';
import { isMade, openStores } from '../stores.js';
import { TooSlow, within } from '../time-limit.js';
import { lineOf, openQueueOf, type Service, type ServiceLine } from './service.js';

export interface StatusSources extends ServiceLine {
  config: Config;
  /** Queue and ledger would both be in a database that is not there: nothing was ever asked for here. */
  areUnmade(): boolean;
  /** @throws ReaperError `UNAVAILABLE`. */
  ledger(): Promise<Database>;
  /** @throws ReaperError `UNAVAILABLE`. */
  queue(): Promise<OpenQueue>;
}

/** Those of a service that is open. */
export function sourcesOf(service: Service): StatusSources {
  return { ...service, areUnmade: () => false, ledger: () => Promise.resolve(service.database) };
}

export interface OpenSources extends StatusSources {
  close(): Promise<void>;
}

/** Closing waits for a server that may be gone, so long in milliseconds. */
const closeLimitMs = 1_000;

/**
 * Opens each store when it is asked for, and anew where that failed. The queue fails at once
 * while it is away, instead of waiting.
 *
 * @param onNotice - told, once, what a user of the embedded default should know.
 * @throws ReaperError `UNAVAILABLE` where the embedded database cannot be opened.
 */
export async function openSources(
  config: Config,
  onNotice: (message: string) => void,
): Promise<OpenSources> {
  const stores = openedOnce(() => openStores(config, onNotice, { mayMake: false }));
  if (isMade(config)) await stores.open();
  const areEmbedded = config.queueUrl === 'embedded' && config.databaseUrl === 'embedded';
  const onlyToLook = { readOnly: true, isPatient: true };
  const ledger = openedOnce(async () =>
    (await stores.open()).openLedger(() => undefined, onlyToLook),
  );
  const queue = openedOnce(async () => {
    const opened = await stores.open();
    const database = opened.areOne ? undefined : await ledger.open().catch(() => undefined);
    return openQueueOf(opened, database, {
      ...{ sdkAppId: config.sdkAppId, ...onlyToLook },
      ...{ failFast: true, onError: () => undefined },
    });
  });
  return {
    ...lineOf(config),
    config,
    areUnmade: () => areEmbedded && !isMade(config),
    ledger: () => ledger.open(),
    queue: () => queue.open(),
    async close() {
      const closing = Promise.all([queue.close(), ledger.close()]);
      await within(closeLimitMs, closing).catch(() => undefined);
      await stores.close();
    },
  };
}

function openedOnce<T extends { close(): Promise<void> }>(open: () => Promise<T>) {
  let opening: Promise<T> | undefined;
  return {
    open(): Promise<T> {
      opening ??= open().catch((error: unknown) => {
        opening = undefined;
        throw error;
      });
      return opening;
    },
    async close(): Promise<void> {
      const opened = await opening?.catch(() => undefined);
      await opened?.close();
    },
  };
}

/** What a store said, or why it cannot be used. */
export type Answer<T> =
  { value: T; trouble?: undefined } | { value?: undefined; trouble: ReaperError };

/**
 * Asks a store, again and again. One that is slow goes on being asked: the next look has its answer.
 *
 * @param limitMs - how long one look waits, in milliseconds.
 * @throws what is no trouble of the store.
 */
export function lookAt<T>(
  read: () => Promise<T>,
  limitMs: number,
  describe: (error: unknown) => string,
): () => Promise<Answer<T>> {
  let reading: Promise<T> | undefined;
  return async () => {
    reading ??= read().finally(() => {
      reading = undefined;
    });
    try {
      return { value: await within(limitMs, reading) };
    } catch (error) {
      return { trouble: troubleOf(error, describe) };
    }
  };
}

/** Programming errors, and what the user got wrong, go on their way. */
function troubleOf(error: unknown, describe: (error: unknown) => string): ReaperError {
  const isOurs = error instanceof ReaperError && error.code !== 'UNAVAILABLE';
  if (isOurs || !(error instanceof Error) || /^(Type|Reference|Range)Error$/.test(error.name))
    throw error;
  if (error instanceof ReaperError) return error;
  return new ReaperError('UNAVAILABLE', describe(error), { cause: error });
}

/** How a store is called, and why it cannot be used. */
export function describeQueueTrouble({ queueUrl, dataDir }: Config, error: unknown): string {
  const isRedis = queueUrl.startsWith('redis');
  const name = `${isRedis ? 'Redis' : 'the queue'} at ${shownAs(queueUrl, dataDir)}`;
  if (error instanceof TooSlow) return `${name} does not answer`;
  if (isRedis) return `${name} cannot be used: ${refusalReason(error)}`;
  return `${name} cannot be used: ${postgresTrouble(error, 'QUEUE_URL')}`;
}

export function describeLedgerTrouble({ databaseUrl, dataDir }: Config, error: unknown): string {
  const name = `the ledger at ${shownAs(databaseUrl, dataDir)}`;
  if (error instanceof TooSlow) return `${name} does not answer`;
  return `${name} cannot be used: ${postgresTrouble(error, 'DATABASE_URL')}`;
}

function shownAs(url: string, dataDir: string): string {
  return url === 'embedded' ? `the embedded database in ${dataDir}` : withoutPassword(url);
}

function postgresTrouble(error: unknown, variable: string): string {
  const { code } = error as NodeJS.ErrnoException;
  return describeStoreTrouble(error, code, 'Postgres', variable);
}
