/** Failures of a store that pass by themselves. */
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Whether a failed statement may succeed when it is run again: the connection was lost,
 * the server is starting, stopping or out of connections, or a deadlock was broken.
 * Source: https://www.postgresql.org/docs/15/errcodes-appendix.html
 */
export function isPassing(error: unknown): boolean {
  const { code, message } = error as { code?: unknown; message?: unknown };
  if (typeof code === 'string' && /^(?!E)[0-9A-Z]{5}$/.test(code)) {
    return /^(08|53|57|40001|40P01|55P03|25006|58)/.test(code);
  }
  // Those of the system (ECONNRESET, EAI_AGAIN), not those of Node about its arguments (ERR_…).
  if (typeof code === 'string') return /^E(?!RR_)[A-Z0-9_]+$/.test(code);
  return (
    typeof message === 'string' &&
    /timeout|terminated|closed|ended unexpectedly|not queryable/i.test(message)
  );
}

/** A store that answered at first and then did not: no bug, and nothing that a flag would mend. */
export function isServerAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error.name === 'MaxRetriesPerRequestError') return true;
  const { code } = error as NodeJS.ErrnoException;
  // Codes of files begin with E too, and are about this machine.
  const isSystem = code !== undefined && /^E[A-Z_]+$/.test(code);
  if (isSystem) return /^E(CONN|PIPE|TIMEDOUT|HOST|NET|NOTFOUND|AI_)/.test(code);
  return isPassing(error);
}

/**
 * How long a start waits for a database that was there a moment ago, in milliseconds: it may be
 * restarting, and the embedded one changes hands when the process that runs it ends.
 */
export const startPatienceMs = 15_000;

/**
 * How long the embedded database may be away, in milliseconds: the process that ran it has ended,
 * another takes it over, and opens it again from what a killed one left.
 */
export const takeOverMs = 60_000;

/**
 * For statements on the embedded database. One that was cut off may have been done, as with Redis,
 * where the driver sends it again too. One that took too long would again.
 */
export const takeOverPatience: Patience = {
  forMs: takeOverMs,
  passes: (error) => isPassing(error) && !/^Query read timeout/.test((error as Error).message),
};

export interface Patience {
  /** For how long another try may begin, in milliseconds; default: for good. */
  forMs?: number;
  /** Tries in all; default: any number. */
  tries?: number;
  /** Between two tries, in milliseconds, by how many have failed so far; default: 250. */
  pauseMs?: (failures: number) => number;
  /** Whether it may succeed later; default: {@link isPassing}. */
  passes?: (error: unknown) => boolean;
  /** No other try begins once it aborts, and no pause lasts longer. */
  signal?: AbortSignal;
  /** Told of each failure after which it is tried again, and of nothing (undefined) once it succeeds then. */
  onTrouble?: (error: Error | undefined) => void;
}

/** Pauses that double from 50 ms up to two seconds: soon where it was a hiccup, seldom where it lasts. */
export const doublingPauseMs = (failures: number) => Math.min(25 * 2 ** failures, 2_000);

/**
 * Tries again while it fails for a passing reason: the one loop for that.
 *
 * @param patience - as a number: for how long, in milliseconds.
 * @param attempt - may have been done without an answer, and must stand being done again.
 * @throws what the last attempt threw.
 */
export async function patiently<R>(
  patience: number | Patience,
  attempt: () => Promise<R>,
): Promise<R> {
  const {
    forMs = Number.POSITIVE_INFINITY,
    tries = Number.POSITIVE_INFINITY,
    pauseMs = () => 250,
    passes = isPassing,
    signal,
    onTrouble = () => undefined,
  } = typeof patience === 'number' ? { forMs: patience } : patience;
  const giveUpAt = performance.now() + forMs;
  for (let failures = 0; ;) {
    try {
      const result = await attempt();
      if (failures > 0) onTrouble(undefined);
      return result;
    } catch (error) {
      failures += 1;
      const pause = pauseMs(failures);
      const isOver = failures >= tries || performance.now() + pause > giveUpAt;
      if (isOver || signal?.aborted || !passes(error)) throw error;
      onTrouble(error as Error);
      await sleep(pause, undefined, { signal }).catch(() => {
        throw error;
      });
    }
  }
}
