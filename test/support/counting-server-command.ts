/** One command of a counting server: its arrivals, its quota, and who is answered what. */
import type { CommandOptions, CommandReport, ScriptedAnswer } from './counting-server.js';
import { isUsual } from './counting-server-answer.js';
import { faultFor, type FaultShares } from './counting-server-faults.js';

export type CommandState = ReturnType<typeof createCommand>;

export function createCommand(options: CommandOptions) {
  const scripts = new Map(Object.entries(options.scripts ?? {}));
  const requests: CommandReport['requests'] = [];
  /** How often a room was asked for. */
  const asked = new Map<string, number>();
  /** When the requests of the last second were let through. */
  const letThrough: number[] = [];
  const waiters: { count: number; reached: () => void }[] = [];
  let quotaPerSecond = options.quotaPerSecond ?? Number.POSITIVE_INFINITY;
  let faults: FaultShares | undefined;

  return {
    requests,
    latencyMs: options.latencyMs ?? 0,
    arrived(entry: CommandReport['requests'][number]): void {
      requests.push(entry);
      for (const waiter of waiters.filter(({ count }) => count <= requests.length)) {
        waiters.splice(waiters.indexOf(waiter), 1);
        waiter.reached();
      }
    },
    /** Calls `reached` once so many requests have arrived, in all. */
    whenReached(count: number, reached: () => void): void {
      if (requests.length >= count) reached();
      else waiters.push({ count, reached });
    },
    setQuota(perSecond: number): void {
      quotaPerSecond = perSecond;
    },
    setFaults(shares: FaultShares | undefined): void {
      faults = shares;
    },
    /** Whether a request that arrived then is within the quota; what is not takes none of it. */
    letsThrough(atMs: number): boolean {
      while (atMs - (letThrough[0] ?? atMs) >= 1000) letThrough.shift();
      if (letThrough.length >= quotaPerSecond) return false;
      letThrough.push(atMs);
      return true;
    },
    /**
     * A script has the first word, then what is so for good, then chance.
     *
     * @param roomId - '' for a page of get_room_list.
     */
    answerFor(roomId: string): ScriptedAnswer {
      const before = asked.get(roomId) ?? 0;
      asked.set(roomId, before + 1);
      const permanent = options.permanent?.find(({ prefix }) => roomId.startsWith(prefix))?.answer;
      const fault = faults && faultFor(faults, roomId, before);
      return (
        scripts.get(roomId)?.shift() ??
        // What is never destroyed cannot be answered as if it had been.
        (permanent !== undefined && isUsual(fault) ? permanent : fault) ??
        permanent ?? { kind: 'usual' }
      );
    },
    /** Most arrivals in any 1,000 ms, both ends counted in only once: [t, t + 1000). */
    worstWindow(): number {
      let worst = 0;
      for (let first = 0, last = 0; last < requests.length; last++) {
        while ((requests[last]?.atMs ?? 0) - (requests[first]?.atMs ?? 0) >= 1000) first += 1;
        worst = Math.max(worst, last - first + 1);
      }
      return worst;
    },
  };
}
