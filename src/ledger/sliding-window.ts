/**
 * The fullest sliding window over instants that come in order. Pure; it remembers the
 * instants of one window, whatever their number.
 */

export interface WorstWindow {
  /** Most instants in any window. */
  requests: number;
  /** The first and the last of them, in microseconds since the epoch; 0 where there were none. */
  fromUs: number;
  toUs: number;
}

export interface SlidingWindow {
  /** @param atUs - microseconds since the epoch, not before the one added last. */
  add(atUs: number): void;
  readonly worst: Readonly<WorstWindow>;
}

/** The API's window, in microseconds. */
const windowUs = 1_000_000;

/** Two instants exactly a window apart are never in one. */
export function createSlidingWindow(lengthUs = windowUs): SlidingWindow {
  let instants: number[] = [];
  let first = 0;
  let worst: WorstWindow = { requests: 0, fromUs: 0, toUs: 0 };
  return {
    add(atUs) {
      instants.push(atUs);
      while ((instants[first] ?? atUs) <= atUs - lengthUs) first += 1;
      // What has left the window is let go in large pieces: moving the rest costs little then.
      if (first > 1_000 && first > instants.length / 2) {
        instants = instants.slice(first);
        first = 0;
      }
      const requests = instants.length - first;
      if (requests > worst.requests)
        worst = { requests, fromUs: instants[first] ?? atUs, toUs: atUs };
    },
    get worst() {
      return worst;
    },
  };
}
