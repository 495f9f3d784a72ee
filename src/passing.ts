/** Failures of a Postgres that pass by themselves. */
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
    typeof message === 'string' && /timeout|terminated|closed|ended unexpectedly/i.test(message)
  );
}

/**
 * How long a start waits for a database that was there a moment ago, in milliseconds: it may be
 * restarting, and the embedded one changes hands when the process that runs it ends.
 */
export const startPatienceMs = 15_000;

/** Between two tries of {@link patiently}, in milliseconds. */
const tryAgainMs = 250;

/**
 * Tries again while it fails for a passing reason (`isPassing`).
 *
 * @param patienceMs - for how long, in milliseconds.
 * @param attempt - may have been done without an answer, and must stand being done again.
 * @throws what the last attempt threw.
 */
export async function patiently<R>(patienceMs: number, attempt: () => Promise<R>): Promise<R> {
  const giveUpAt = performance.now() + patienceMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!isPassing(error) || performance.now() + tryAgainMs > giveUpAt) throw error;
      await sleep(tryAgainMs);
    }
  }
}
