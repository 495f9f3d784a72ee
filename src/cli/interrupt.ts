import type { Io } from './io.js';

const orderlyEnds = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * SIGINT, SIGTERM and SIGHUP: the first asks for an orderly end, a second one exits at once.
 * A terminal that is closed sends SIGHUP twice, by the shell and by the system: a second one is
 * nobody's impatience.
 */
export interface Interrupt {
  /** Aborts at the first signal. */
  readonly signal: AbortSignal;
  /** Resolves at the first signal. */
  readonly interrupted: Promise<void>;
  /** Stops listening. */
  dispose(): void;
}

export function onInterrupt({ signals }: Pick<Io, 'signals'>): Interrupt {
  const controller = new AbortController();
  const interrupted = new Promise<void>((resolve) => {
    controller.signal.addEventListener('abort', () => resolve(), { once: true });
  });
  const handle = (signal: NodeJS.Signals) => {
    if (controller.signal.aborted && signal !== 'SIGHUP') process.exit(130);
    controller.abort();
  };
  for (const signal of orderlyEnds) signals.on(signal, handle);
  return {
    signal: controller.signal,
    interrupted,
    dispose() {
      for (const signal of orderlyEnds) signals.off(signal, handle);
    },
  };
}
