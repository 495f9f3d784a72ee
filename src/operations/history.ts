/** What was sent, minute by minute. */
import type { Logger } from 'pino';
import { ReaperError } from '../errors.js';
import { countedUntil, fillMinutes, readMinutes, type Minute } from '../ledger/minutes.js';
import { isoTime } from '../text.js';
import { reasonOf } from '../time-limit.js';
import type { Service } from './service.js';

/** Longest time that is told at once, in milliseconds. */
const longestMs = 2 * 24 * 3_600_000;

export interface History {
  minutes: Minute[];
  /** What came later is not counted yet, in milliseconds since the epoch; undefined: nothing is. */
  countedUntilMs: number | undefined;
}

/**
 * @param time - of the beginnings of the minutes, in milliseconds since the epoch.
 * @throws ReaperError `INVALID` where the time is too long, or ends before it begins.
 */
export async function readHistory(
  { database, config: { sdkAppId } }: Pick<Service, 'database' | 'config'>,
  time: { fromMs: number; toMs: number },
): Promise<History> {
  const length = time.toMs - time.fromMs;
  if (length < 0 || length > longestMs) {
    throw new ReaperError(
      'INVALID',
      `from and to must be at most two days apart, and in this order, got ${isoTime(time.fromMs)} and ${isoTime(time.toMs)}`,
    );
  }
  const [minutes, countedUntilMs] = await Promise.all([
    readMinutes(database, { sdkAppId, ...time }),
    countedUntil(database, sdkAppId),
  ]);
  return { minutes, countedUntilMs };
}

export function historyJson({ minutes, countedUntilMs }: History): object {
  return {
    countedUntil: isoTime(countedUntilMs) ?? null,
    minutes: minutes.map(({ atMs, ...minute }) => ({ at: isoTime(atMs), ...minute })),
  };
}

/** How often it is looked for minutes that have ended, in milliseconds. */
const fillEveryMs = 20_000;

/** Counts minutes as they end, until it is closed. */
export function startHistory(
  { database, config: { sdkAppId } }: Pick<Service, 'database' | 'config'>,
  log: Logger,
): { close(): Promise<void> } {
  const closing = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let filling: Promise<void> = Promise.resolve();
  function fill(): void {
    filling = fillMinutes(database, sdkAppId, closing.signal)
      .catch((error: unknown) => log.warn({ reason: reasonOf(error) }, 'minutes cannot be counted'))
      .finally(() => {
        if (!closing.signal.aborted) timer = setTimeout(fill, fillEveryMs);
      });
  }
  fill();
  return {
    async close() {
      closing.abort();
      clearTimeout(timer);
      await filling;
    },
  };
}
