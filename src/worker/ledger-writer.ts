/**
 * Writing to the ledger until it is written: statements are gathered, and one that
 * fails because the database is away is run again when it is back. A result that was
 * answered must not be lost because the database restarts.
 */
import { isDataError, type Database } from '../ledger/database.js';
import { gather } from '../ledger/gather.js';
import type { Destruction, Outcome } from '../destruction.js';
import { recordEnds, type RecordItem } from '../ledger/record.js';
import { releaseUnsent } from '../ledger/release.js';
import { saveSnapshots, type SnapshotItem } from '../ledger/snapshots.js';
import { readStandings, type Standing } from '../ledger/standing.js';
import { doublingPauseMs, patiently } from '../passing.js';
import { within } from '../time-limit.js';

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
  /** Resolves once it is committed. */
  saveSnapshot(item: SnapshotItem): Promise<void>;
  /** Where a destruction stands; the same waiting for the ledger. */
  standing(destruction: Destruction): Promise<Standing>;
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

  /** A database that says nothing is not waited for once this is given up. */
  const untilWritten = <R>(write: () => Promise<R>): Promise<R> =>
    patiently(
      {
        pauseMs: doublingPauseMs,
        passes: mayPass,
        signal: abandoned.signal,
        onTrouble: onDatabase,
      },
      () => within(abandoned.signal, write()),
    );

  const rhythm = {
    ...{ maximum: maximumGroup, everyMs: gatherEveryMs, enough: enoughItems },
    isPassing: mayPass,
  };
  const records = gather<RecordItem, Outcome | undefined>(
    (items) => untilWritten(() => recordEnds(database, sdkAppId, items)),
    rhythm,
  );
  const releases = gather<string, undefined>(async (ids) => {
    await untilWritten(() => releaseUnsent(database, workerId, ids));
    return ids.map(() => undefined);
  }, rhythm);
  const snapshots = gather<SnapshotItem, undefined>(async (items) => {
    await untilWritten(() => saveSnapshots(database, items));
    return items.map(() => undefined);
  }, rhythm);
  const standings = gather<Destruction, Standing>(
    (asked) => untilWritten(() => readStandings(database, workerId, asked)),
    rhythm,
  );

  return {
    record: (item) => records.add(item),
    release: (destructionId) => releases.add(destructionId),
    saveSnapshot: (item) => snapshots.add(item),
    standing: (destruction) => standings.add(destruction),
    abandon: () => void setTimeout(() => abandoned.abort(), lastChanceMs),
  };
}
