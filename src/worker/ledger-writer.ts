/**
 * Writing to the ledger until it is written: statements are gathered, and one that
 * fails because the database is away is run again when it is back. A result that was
 * answered must not be lost because the database restarts.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { isDataError, type Database } from '../ledger/database.js';
import { gather } from '../ledger/gather.js';
import type { Outcome } from '../destruction.js';
import { recordEnds, type RecordItem } from '../ledger/record.js';
import { releaseUnsent } from '../ledger/release.js';

/** Most items in one statement. */
const maximumGroup = 200;

/**
 * How far apart two statements begin, in milliseconds, unless enough items wait. A statement
 * costs the same for one as for ten; a worker that is killed takes with it what is not committed.
 */
const gatherEveryMs = 30;
const enoughItems = 20;

/**
 * A result must not be given up because a password is rotated or a table is being restored:
 * all but values that the ledger refuses may pass.
 */
const mayPass = (error: unknown) => !isDataError(error);

/** How long what was given up last has to be written, in milliseconds. */
const lastChanceMs = 500;

export interface LedgerWriter {
  /** Resolves once it is committed, with the outcome that now stands. */
  record(item: RecordItem): Promise<Outcome | undefined>;
  /** Takes back an attempt that was reserved and not sent. */
  release(destructionId: string): Promise<void>;
  /** Gives up waiting for the database: what is not committed half a second later rejects. */
  abandon(): void;
}

export function createLedgerWriter(options: {
  database: Database;
  sdkAppId: number;
  workerId: string;
  onDatabase: (error: Error | undefined) => void;
}): LedgerWriter {
  const { database, sdkAppId, workerId, onDatabase } = options;
  const abandoned = new AbortController();

  async function untilWritten<R>(write: () => Promise<R>): Promise<R> {
    for (let failures = 0; ; failures++) {
      try {
        const result = await unlessAborted(write(), abandoned.signal);
        if (failures > 0) onDatabase(undefined);
        return result;
      } catch (error) {
        if (!mayPass(error) || abandoned.signal.aborted) throw error;
        onDatabase(error as Error);
        await sleep(Math.min(50 * 2 ** failures, 2000), undefined, { signal: abandoned.signal });
      }
    }
  }

  const records = gather<RecordItem, Outcome | undefined>(
    (items) => untilWritten(() => recordEnds(database, sdkAppId, items)),
    { maximum: maximumGroup, everyMs: gatherEveryMs, enough: enoughItems, isPassing: mayPass },
  );
  const releases = gather<string, undefined>(
    async (ids) => {
      await untilWritten(() => releaseUnsent(database, workerId, ids));
      return ids.map(() => undefined);
    },
    { maximum: maximumGroup, everyMs: gatherEveryMs, enough: enoughItems, isPassing: mayPass },
  );

  return {
    record: (item) => records.add(item),
    release: (destructionId) => releases.add(destructionId),
    abandon: () => void setTimeout(() => abandoned.abort(), lastChanceMs),
  };
}

/** Rejects when `signal` aborts: a database that says nothing is not waited for. */
function unlessAborted<R>(promise: Promise<R>, signal: AbortSignal): Promise<R> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason as Error);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
    promise.finally(() => signal.removeEventListener('abort', stop)).then(resolve, reject);
  });
}
