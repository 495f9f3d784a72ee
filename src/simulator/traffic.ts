import { createArrivals } from './arrivals.js';
import { wordOf, type Answer } from './send-answer.js';

/** What has arrived of one command. */
export interface TrafficReport {
  /** Every request that arrived, refused ones included. */
  requests: number;
  /** Most requests that arrived in any sliding 1,000 ms. */
  worstWindow: number;
  /** Requests that were over the quota (answered 60007; faults of that code not counted). */
  overQuota: number;
  /** Requests by ErrorCode, HTTP status or fault word; `aborted`: the sender left before its body was read. */
  codes: Record<string, number>;
}

/**
 * Counts the requests of one command: each has a quota of its own.
 *
 * @param quotaPerSecond - in any sliding 1,000 ms; Infinity: none.
 * @param keep - how many of the newest arrivals can be had for a plot.
 */
export function createTraffic(quotaPerSecond: number, keep?: number) {
  const arrivals = createArrivals(1_000, keep);
  const codes = new Map<string, number>();
  let overQuota = 0;

  function count(word: string): void {
    codes.set(word, (codes.get(word) ?? 0) + 1);
  }

  return {
    /** Takes an arrival at `now` (ms, never going back). @returns whether it is over the quota. */
    arrive(now: number): boolean {
      const isOver = arrivals.record(now) > quotaPerSecond;
      if (isOver) overQuota++;
      return isOver;
    },
    answered: (answer: Answer) => count(wordOf(answer)),
    aborted: () => count('aborted'),
    report: (): TrafficReport => ({
      requests: arrivals.count(),
      worstWindow: arrivals.worstWindow(),
      overQuota,
      codes: Object.fromEntries(codes),
    }),
    /** From the first arrival to the last. */
    seconds: () => arrivals.spanMs() / 1_000,
    times: () => arrivals.times(),
  };
}
