/** What stands before a run that has not begun: read from queue and ledger, changing neither. */
import type { Config } from '../config.js';
import type { Database } from '../ledger/database.js';
import { readLines } from '../ledger/line.js';
import { readRequestsPerRoom } from '../ledger/requests-per-room.js';
import { slotInterval } from '../limiter/pace.js';
import type { Placement } from '../producer/add.js';
import { type DestroyQueue, lanes } from '../queue/job.js';
import { openQueue } from '../queue/open.js';
import { countUpTo, readFirstTurn, turnOf } from '../queue/turns.js';
import { openStores } from '../stores.js';

export interface Outlook {
  /** Rooms that wait or are in hand and go before the last of the new ones; undefined: not counted. */
  waitingAhead: number | undefined;
  /** Why it was not counted, where a queue is configured. */
  notCounted?: string;
  ratePerSecond: number;
  fullRatePerSecond: number;
  overQuotaPerSecond?: number | undefined;
  requestsPerRoom: number;
  /** Why nothing moves at the moment. */
  held?: 'stopped' | 'paused' | 'waiting for the API';
}

/** The full rate, and an empty line. */
export function unseenOutlook(
  config: Pick<Config, 'rateLimitPerSecond' | 'arrivalJitterMs'>,
): Outlook {
  const full = 1000 / slotInterval(config.rateLimitPerSecond, config.arrivalJitterMs);
  return {
    waitingAhead: undefined,
    ratePerSecond: full,
    fullRatePerSecond: full,
    requestsPerRoom: 1,
  };
}

/**
 * Looks at the queue and, where it can, the ledger. Never fails: what cannot be seen is not
 * counted.
 *
 * @param mayOpenEmbedded - a dry run must not make a database: it looks at servers only.
 */
export async function lookAhead(
  config: Config,
  rooms: number,
  placement: Placement,
  mayOpenEmbedded: boolean,
): Promise<Outlook> {
  const unseen = unseenOutlook(config);
  const queueSeen = config.sdkAppId !== 0 && (mayOpenEmbedded || config.queueUrl !== 'embedded');
  if (!queueSeen) return unseen;
  const ledgerSeen = mayOpenEmbedded || config.databaseUrl !== 'embedded';
  const databaseUrl = ledgerSeen ? config.databaseUrl : config.queueUrl;
  try {
    const stores = await openStores({ ...config, databaseUrl }, () => undefined);
    try {
      const opened = await openQueue({
        sdkAppId: config.sdkAppId,
        connection: stores.queue,
        failFast: true,
        readOnly: true,
        onError: () => undefined,
      });
      try {
        const seen = { ...unseen, ...(await lookAtQueue(opened.queue, rooms, placement)) };
        if (!ledgerSeen) return seen;
        const database = await stores.openLedger(() => undefined, { readOnly: true });
        try {
          return { ...seen, ...(await lookAtLedger(database, config)) };
        } finally {
          await database.close();
        }
      } finally {
        await opened.close();
      }
    } finally {
      await stores.close();
    }
  } catch (error) {
    return { ...unseen, notCounted: (error as Error).message };
  }
}

async function lookAtQueue(
  queue: DestroyQueue,
  rooms: number,
  { lane }: Placement,
): Promise<Pick<Outlook, 'waitingAhead' | 'held'>> {
  const last =
    lane === 'bulk' ? turnOf(await readFirstTurn(queue), Math.max(0, rooms - 1)) : lanes[lane];
  const [waiting, active, paused] = await Promise.all([
    countUpTo(queue, last),
    queue.getActiveCount(),
    queue.isPaused(),
  ]);
  return { waitingAhead: waiting + active, ...(paused ? { held: 'paused' } : {}) };
}

/** How fast the line is. Nothing where the ledger is away, or has no tables yet: then nothing was ever slowed. */
export async function lookAtLedger(database: Database, config: Config): Promise<Partial<Outlook>> {
  try {
    const intervalMs = slotInterval(config.rateLimitPerSecond, config.arrivalJitterMs);
    const { host } = new URL(config.endpoint);
    const lines = await readLines(database, config.sdkAppId, intervalMs);
    const line = lines.find((each) => each.host === host);
    return {
      requestsPerRoom: await readRequestsPerRoom(database, config.sdkAppId),
      ...(line === undefined
        ? {}
        : {
            ratePerSecond: line.ratePerSecond,
            overQuotaPerSecond: line.quotaFound?.ratePerSecond,
          }),
      ...(line?.outage === undefined ? {} : { held: 'waiting for the API' }),
      ...(line?.stopped === undefined ? {} : { held: 'stopped' }),
    };
  } catch {
    return {};
  }
}
