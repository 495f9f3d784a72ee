/** The stores of one run, opened once: what every operation works on. */
import type { Config } from '../config.js';
import type { Database } from '../ledger/database.js';
import { ReaperError } from '../errors.js';
import type { Way } from '../ledger/actions.js';
import type { Role } from '../ledger/tokens.js';
import { checkQueue, claimQueue } from '../ledger/identity.js';
import { lineId, readApps, type LineKey } from '../ledger/line.js';
import type { BatchRates } from '../ledger/requests-lately.js';
import { readNowUs } from '../ledger/sent.js';
import { slotInterval } from '../limiter/pace.js';
import { openQueue, type OpenQueue, type OpenQueueOptions } from '../queue/open.js';
import { openStores, type Stores } from '../stores.js';
import { destroyRoomCommand, regionOf } from '../tencent/endpoint.js';

/** The line that a configuration names. */
export interface ServiceLine {
  readonly lineKey: LineKey;
  /** Its id in the ledger. */
  readonly lineId: string;
  /** Between slots when nothing brakes, in milliseconds. */
  readonly intervalMs: number;
}

export function lineOf(config: Config): ServiceLine {
  const lineKey = {
    host: new URL(config.endpoint).host,
    sdkAppId: config.sdkAppId,
    command: destroyRoomCommand,
  };
  return {
    lineKey,
    lineId: lineId(lineKey),
    intervalMs: slotInterval(config.rateLimitPerSecond, config.arrivalJitterMs),
  };
}

/** Whose rooms, and where: `app 1400000001 at console.tim.qq.com (china)`. */
export function appOf({ sdkAppId, endpoint }: Pick<Config, 'sdkAppId' | 'endpoint'>): string {
  const region = regionOf(endpoint);
  return `app ${sdkAppId} at ${new URL(endpoint).host}${region === undefined ? '' : ` (${region})`}`;
}

/** Who asks, and by which way. */
export interface Actor {
  who: string;
  /** Of a token; undefined: a user of the machine. */
  role?: Role;
  way: Way;
}

export interface Service extends ServiceLine {
  readonly config: Config;
  /** Who asks, where that is not a user of this machine. */
  readonly actor?: Actor;
  readonly database: Database;
  /** How fast batches move, where many ask at once; undefined: each asks anew. */
  readonly readRates?: () => Promise<BatchRates>;
  /** For a worker in the same process, which opens a queue of its own. */
  readonly stores: Stores;
  /**
   * The queue, opened when it is first asked for: what only reads the ledger goes without.
   *
   * @throws ReaperError `UNAVAILABLE` where it cannot be reached, `INVALID` where it belongs to
   *   another ledger, or must be there and is not.
   */
  queue(): Promise<OpenQueue>;
  close(): Promise<void>;
}

export interface ServiceOptions {
  /** Told, once, what a user of the embedded default should know. */
  onNotice: (message: string) => void;
  /** Told of trouble with the connection to the queue. */
  onQueueError: (error: Error) => void;
  /** For what only reads: nothing is made, changed or migrated, and no right to write is needed. */
  readOnly?: boolean;
  /** For what asks for nothing new: no embedded database and no queue is made for it. Default: as `readOnly`. */
  mustBeMade?: boolean;
  /**
   * For what others wait for: while Redis is away it fails at once, and what nobody waits for any
   * more ends in a Postgres behind a pooler too.
   */
  failFast?: boolean;
}

/** @throws ReaperError `UNAVAILABLE` where the ledger cannot be reached, or is not up to date. */
export async function openService(config: Config, options: ServiceOptions): Promise<Service> {
  const { readOnly = false, mustBeMade = readOnly, failFast = false } = options;
  const stores = await openStores(config, options.onNotice, { mayMake: !mustBeMade });
  let database: Database;
  try {
    const access = { isPatient: true, readOnly, asksForOthers: failFast };
    database = await stores.openLedger(() => undefined, access);
  } catch (error) {
    await stores.close();
    throw error;
  }
  let opening: Promise<OpenQueue> | undefined;
  return {
    ...lineOf(config),
    config,
    database,
    stores,
    queue() {
      opening ??= openQueueOf(stores, database, {
        ...{ sdkAppId: config.sdkAppId, isPatient: true, readOnly, failFast },
        mustBeThere: mustBeMade && !readOnly,
        onError: options.onQueueError,
      }).catch((error: unknown) => {
        // It may be there the next time.
        opening = undefined;
        throw error;
      });
      return opening;
    },
    async close() {
      try {
        await (await opening?.catch(() => undefined))?.close();
        await database.close();
      } finally {
        await stores.close();
      }
    },
  };
}

/**
 * Opens the queue, where it belongs to this ledger.
 *
 * @param database - undefined: which ledger it belongs to cannot be looked at.
 * @throws ReaperError `UNAVAILABLE` where it cannot be reached, `INVALID` where it belongs to another,
 *   or must be there and is not.
 */
export async function openQueueOf(
  stores: Stores,
  database: Database | undefined,
  options: Omit<OpenQueueOptions, 'connection'>,
): Promise<OpenQueue> {
  const opened = await openQueue({ ...options, connection: stores.queue });
  try {
    if (options.mustBeThere && database) await refuseUnknownApp(options.sdkAppId, opened, database);
    if (stores.areOne || database === undefined) return opened;
    await (options.readOnly ? checkQueue : claimQueue)(database, opened.ledger);
    return opened;
  } catch (error) {
    await opened.close();
    throw error;
  }
}

/** A queue that its Redis lost is made again for an app that the ledger knows. */
export async function refuseUnknownApp(
  sdkAppId: number,
  { lookUp }: OpenQueue,
  database: Database,
): Promise<void> {
  if (await lookUp.isThere()) return;
  const apps = await readApps(database);
  if (apps.includes(String(sdkAppId))) return;
  const known = apps.length === 0 ? 'no app' : `app ${apps.join(', ')}`;
  throw new ReaperError(
    'INVALID',
    `TENCENT_SDK_APP_ID must be an app for which rooms were asked for here, got ${sdkAppId}, which has no queue; the ledger knows ${known}`,
  );
}

/**
 * The clock that what the ledger holds was dated by, in milliseconds since the epoch: times that
 * are relative to now are made absolute with it.
 */
export async function ledgerNowMs({ database }: Pick<Service, 'database'>): Promise<number> {
  return (await readNowUs(database)) / 1_000;
}
