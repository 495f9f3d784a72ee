/** What the log says of servers in trouble: now and then, not with every try. */
import type { Logger } from 'pino';
import { remedyFor } from '../ledger/database.js';

/** Reports an error of a connection once, until a minute has passed: reconnecting repeats it. */
export function errorReporter(log: Logger, message: string): (error: Error) => void {
  const reported = new Map<string, number>();
  return (error) => {
    const { code } = error as NodeJS.ErrnoException;
    // One message, whichever job it names.
    const key = code ?? error.message.replace(/[0-9a-f-]{36}/g, '');
    if (Date.now() - (reported.get(key) ?? 0) < 60_000) return;
    if (reported.size > 100) reported.clear();
    reported.set(key, Date.now());
    log.warn({ code, reason: error.message }, message);
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
