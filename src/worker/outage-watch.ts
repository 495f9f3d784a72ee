/**
 * An outage of the API spends nothing. Whoever is sure of one says so in the line's row: from
 * then on reservations grant one attempt every two seconds, over all workers, and the other
 * jobs wait in hand (src/limiter/limiter.ts). The first good answer ends it.
 *
 *   failures in a row ──► suspected: they spend no retry
 *   suspected for 1.5 seconds ──► is it the API? the row knows when others were answered
 *       nobody was ──► outage, for all workers
 *       others are ──► this worker holds back alone
 *   a probe is answered ──► the outage is over
 */
import type { Logger } from 'pino';
import type { Database } from '../ledger/database.js';
import { beginOutage, endOutage } from '../ledger/line.js';
import type { StoppedLine } from '../ledger/grant.js';
import { isPassing } from '../passing.js';
import { createOutageEvidence, type Failure } from './outage-evidence.js';

/** How often the ledger is asked whether it is an outage, in milliseconds. */
const askEveryMs = 250;

/** Others work for so long while this worker only fails: the trouble is its own. In milliseconds. */
const aloneAfterMs = 2_000;

/**
 * The API's own timeout is 3 s (https://trtc.io/document/63398): what is not answered a second
 * later will probably never be. In milliseconds.
 */
const overdueMs = 4_000;

export interface OutageWatch {
  /** Whether failures are probably not the fault of their rooms: they spend no retry. */
  readonly suspected: boolean;
  /** When this worker last had a good answer, in milliseconds since the epoch, on the database's clock. */
  readonly answeredAtMs: number | undefined;
  /** After how long a request without an answer counts as failed, in milliseconds. */
  readonly overdueAfterMs: number;
  /**
   * @param failure.sentAtMs - on the database's clock.
   * @param lastedMs - how long the API had not answered by then: it failed all that time.
   * @returns false where a request that was sent later had a good answer: it is no evidence.
   */
  failed(
    failure: Failure & { sentAtMs: number },
    cause: { code: number | undefined; reason: string },
    lastedMs?: number,
  ): boolean;
  /** The API gave a good answer. */
  worked(answer: { sentAtMs: number; endedAtMs: number }): void;
  /** A probe was answered: the outage is over. */
  probeWorked(): Promise<void>;
  /** A reservation said whether the line is in an outage. */
  found(outage: StoppedLine | undefined): void;
}

export interface OutageWatchOptions {
  database: Database;
  lineId: string;
  log: Logger;
  /** Told that this worker cannot reach the API while others can. */
  onAlone: (reason: string) => void;
  /** Told when an outage begins, and when it is over (undefined). */
  onOutage: (outage: StoppedLine | undefined) => void;
}

export function createOutageWatch(options: OutageWatchOptions): OutageWatch {
  const { database, lineId, log } = options;
  const evidence = createOutageEvidence();
  const monotonic = () => performance.now();
  let inOutage = false;
  let answeredAtMs: number | undefined;
  /** When the last request that had a good answer was sent, on the database's clock. */
  let goodSentAtMs = Number.NEGATIVE_INFINITY;
  let slowestMs = 0;
  let askedAt = Number.NEGATIVE_INFINITY;
  let aloneSince: number | undefined;

  async function ask(cause: { code: number | undefined; reason: string }): Promise<void> {
    if (inOutage || !evidence.proven(monotonic())) return;
    if (monotonic() - askedAt < askEveryMs) return;
    askedAt = monotonic();
    try {
      if (await beginOutage(database, lineId, cause)) {
        aloneSince = undefined;
        return;
      }
    } catch (error) {
      // Without the ledger nothing is sent anyway.
      if (isPassing(error)) return;
      throw error;
    }
    aloneSince ??= askedAt;
    if (askedAt - aloneSince >= aloneAfterMs) options.onAlone(cause.reason);
  }

  return {
    get suspected() {
      return inOutage || evidence.suspected;
    },
    get answeredAtMs() {
      return answeredAtMs;
    },
    get overdueAfterMs() {
      return Math.max(overdueMs, 2 * slowestMs);
    },
    failed(failure, cause, lastedMs = 0) {
      if (!failure.unsent && failure.sentAtMs < goodSentAtMs) return false;
      evidence.failed(failure, monotonic() - lastedMs);
      ask(cause).catch((error: unknown) => log.error({ err: error }, 'outage not recorded'));
      return true;
    },
    worked({ sentAtMs, endedAtMs }) {
      evidence.worked();
      aloneSince = undefined;
      answeredAtMs = endedAtMs;
      goodSentAtMs = Math.max(goodSentAtMs, sentAtMs);
      // The slowest of the last hundreds of answers, roughly.
      slowestMs = Math.max(endedAtMs - sentAtMs, slowestMs * 0.99);
    },
    async probeWorked() {
      try {
        await endOutage(database, lineId);
      } catch (error) {
        // The next probe will say so again.
        if (!isPassing(error)) throw error;
      }
    },
    found(outage) {
      if (inOutage === (outage !== undefined)) return;
      inOutage = outage !== undefined;
      if (outage === undefined) {
        evidence.worked();
        log.info('the API works again: line at its full rate');
      } else {
        log.error(
          { code: outage.code, reason: outage.reason },
          'the API does not work: line braked to probes, no retry is spent',
        );
      }
      options.onOutage(outage);
    },
  };
}
