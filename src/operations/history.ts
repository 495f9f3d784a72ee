/** What was sent, minute by minute. */
import type { Logger } from 'pino';
import { ReaperError } from '../errors.js';
import {
  countedUntil,
  fillMinutes,
  readHalts,
  readMinutes,
  type Halted,
  type Minute,
} from '../ledger/minutes.js';
import { isoTime } from '../text.js';
import { reasonOf } from '../time-limit.js';
import type { Service } from './service.js';

/** Longest time that is told at once, in milliseconds. */
export const longestMs = 2 * 24 * 3_600_000;

export interface History {
  minutes: Minute[];
  /** What came later is not counted yet, in milliseconds since the epoch; undefined: nothing is. */
  countedUntilMs: number | undefined;
  /** When nothing was sent, and why. */
  halts: Halted[];
}

/**
 * @param time - of the beginnings of the minutes, in milliseconds since the epoch.
 * @throws ReaperError `INVALID` where the time is too long, or ends before it begins.
 */
export async function readHistory(
  service: Pick<Service, 'database' | 'config' | 'lineKey' | 'queue'>,
  time: { fromMs: number; toMs: number },
): Promise<History> {
  const { database, lineKey } = service;
  const { sdkAppId } = service.config;
  const length = time.toMs - time.fromMs;
  if (length < 0 || length > longestMs) {
    throw new ReaperError(
      'INVALID',
      `from and to must be at most two days apart, and in this order, got ${isoTime(time.fromMs)} and ${isoTime(time.toMs)}`,
    );
  }
  const [minutes, countedUntilMs, halts] = await Promise.all([
    readMinutes(database, { sdkAppId, ...time }),
    countedUntil(database, sdkAppId),
    readHalts(database, { ...lineKey, ...time }),
  ]);
  return { minutes, countedUntilMs, halts: await withoutOver(service, halts) };
}

/**
 * A pause that lasts by the action log may have been ended by hand, in BullMQ: nobody knows when. Where
 * the queue cannot say, the log is what is known.
 */
async function withoutOver(service: Pick<Service, 'queue'>, halts: Halted[]): Promise<Halted[]> {
  const lasts = ({ state, toMs }: Halted) => state === 'paused' && toMs === undefined;
  if (!halts.some(lasts)) return halts;
  const isPaused = await service
    .queue()
    .then(({ queue }) => queue.isPaused())
    .catch(() => true);
  return isPaused ? halts : halts.filter((each) => !lasts(each));
}

export function historyJson({ minutes, countedUntilMs, halts }: History): object {
  return {
    countedUntil: isoTime(countedUntilMs) ?? null,
    minutes: minutes.map(({ atMs, ...minute }) => ({ at: isoTime(atMs), ...minute })),
    halts: halts.map(({ state, fromMs, toMs, reason }) => ({
      ...{ state, from: isoTime(fromMs), to: isoTime(toMs) ?? null, reason: reason ?? null },
    })),
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
