/** What a worker says of itself and of servers in trouble: now and then, not with every try. */
import type { Logger } from 'pino';
import type { Outcome, OutcomeCounts } from '../destruction.js';
import { remedyFor } from '../ledger/database.js';
import { isRefusedByAcl, storeTrouble } from '../store-trouble.js';

/** Reports an error of a connection once, until a minute has passed: reconnecting repeats it. */
export function errorReporter(log: Logger, message: string): (error: Error) => void {
  const reported = new Map<string, number>();
  return (error) => {
    const { code } = error as NodeJS.ErrnoException;
    const isRefused = isRefusedByAcl(error);
    // One message, whichever job or script it names.
    const key = isRefused ? 'acl' : (code ?? error.message.replace(/[0-9a-f-]{36}/g, ''));
    if (Date.now() - (reported.get(key) ?? 0) < 60_000) return;
    if (reported.size > 100) reported.clear();
    reported.set(key, Date.now());
    if (isRefused) {
      // It does not pass by itself, and whoever waits for rooms must not wait for a log to be read.
      const { remedy } = storeTrouble(error, 'Redis', 'QUEUE_URL');
      log.error({ reason: error.message, remedy }, 'Redis refuses this worker: rooms wait');
    } else log.warn({ code, reason: error.message }, message);
  };
}

/** How often it is said that the ledger is slow, at most, in milliseconds. */
const slowReportEveryMs = 60_000;

export function slownessReporter(log: Logger): (answerMs: number) => void {
  let saidAt = Number.NEGATIVE_INFINITY;
  return (answerMs) => {
    if (performance.now() - saidAt < slowReportEveryMs) return;
    saidAt = performance.now();
    log.warn(
      { answerMs: Math.round(answerMs) },
      'ledger too slow: slots come too late, and rooms wait',
    );
  };
}

/** Shortest time between two reports that the ledger is away, in milliseconds: it may come and go. */
const awayReportEveryMs = 5_000;

/** Says once that the ledger is away, and once that it is back. */
export function databaseReporter(log: Logger): (error: Error | undefined) => void {
  let saidAway = false;
  let saidAt = Number.NEGATIVE_INFINITY;
  return (error) => {
    if (error === undefined) {
      if (saidAway) log.info('ledger reachable again');
      saidAway = false;
    } else if (!saidAway && performance.now() - saidAt >= awayReportEveryMs) {
      log.error(
        { reason: error.message, remedy: remedyFor(error) },
        'ledger unreachable: nothing is sent',
      );
      saidAway = true;
      saidAt = performance.now();
    }
  };
}

/** How often a busy worker logs what it did, in milliseconds. */
const progressEveryMs = 10_000;

/** Logs how many destructions ended, and how. */
export function progressReporter(log: Logger) {
  let counts: Partial<OutcomeCounts> = {};
  let timer: NodeJS.Timeout | undefined;
  return {
    ended(outcome: Outcome): void {
      counts[outcome] = (counts[outcome] ?? 0) + 1;
    },
    /** @param beside - what is logged with it. */
    begin(beside: () => object): void {
      timer = setInterval(() => {
        if (Object.keys(counts).length === 0) return;
        log.info({ ended: counts, ...beside() }, 'progress');
        counts = {};
      }, progressEveryMs);
    },
    close: () => clearInterval(timer),
  };
}

/** What a listener of the service throws is its own trouble, and must not stop the worker. */
export function tellSafely<T>(
  log: Logger,
  listener: ((news: T) => unknown) | undefined,
  news: T,
): void {
  // It may be an async one.
  Promise.resolve(news)
    .then(listener)
    .catch((error: unknown) => log.error({ err: error }, 'a listener of the worker failed'));
}
