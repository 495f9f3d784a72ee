/**
 * Waiting for slots: one timer for the next of them, however many wait.
 */
export interface SlotTimer {
  /**
   * Resolves at the instant, or at once if it is over.
   *
   * @param at - monotonic milliseconds.
   * @param signal - its abort rejects with its reason.
   */
  until(at: number, signal: AbortSignal): Promise<void>;
}

interface Waiter {
  at: number;
  resolve: () => void;
}

/** Timers fire on whole milliseconds: one this close to its slot is on time. */
const earlyMs = 0.5;

export function createSlotTimer(monotonic: () => number): SlotTimer {
  /** In the order of their instants. */
  const waiting: Waiter[] = [];
  let timer: NodeJS.Timeout | undefined;

  function arm(): void {
    clearTimeout(timer);
    const next = waiting[0];
    timer = next && setTimeout(fire, Math.max(0, Math.ceil(next.at - monotonic())));
  }

  function fire(): void {
    const now = monotonic();
    while (waiting[0] !== undefined && waiting[0].at - now <= earlyMs) waiting.shift()?.resolve();
    arm();
  }

  return {
    until(at, signal) {
      return new Promise<void>((resolve, reject) => {
        if (signal.aborted) {
          reject(signal.reason as Error);
          return;
        }
        const waiter: Waiter = {
          at,
          resolve: () => {
            signal.removeEventListener('abort', onAbort);
            resolve();
          },
        };
        const onAbort = () => {
          waiting.splice(waiting.indexOf(waiter), 1);
          arm();
          reject(signal.reason as Error);
        };
        signal.addEventListener('abort', onAbort, { once: true });
        // Slots are granted in order, so a new one nearly always goes last.
        let position = waiting.length;
        while (position > 0 && (waiting[position - 1]?.at ?? 0) > at) position -= 1;
        waiting.splice(position, 0, waiter);
        if (position === 0) arm();
      });
    },
  };
}
