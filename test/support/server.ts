/** A server that belongs to one test, which may do what it likes with it. */
export interface OwnServer {
  /** Stays the same over `kill` and `restart`. */
  readonly url: string;
  /**
   * Sends a signal, by default SIGKILL. After a signal that ends the server it resolves
   * when the server is gone; after SIGSTOP or SIGCONT, at once.
   */
  kill: (signal?: NodeJS.Signals) => Promise<void>;
  /** Starts the server again on its data, after an orderly stop if it runs; resolves when it answers. */
  restart: () => Promise<void>;
  /** Ends the server and removes its data. May be called twice. */
  stop: () => Promise<void>;
}

/** Asks a server until it answers, for at most half a minute. */
export async function untilItAnswers(
  what: string,
  ask: () => Promise<void>,
  isDead: () => string | undefined = () => undefined,
): Promise<void> {
  const giveUpAt = Date.now() + 30_000;
  for (;;) {
    try {
      await ask();
      return;
    } catch (error) {
      const reason = isDead();
      if (reason !== undefined) throw new Error(`${what} ended at its start: ${reason}`);
      if (Date.now() > giveUpAt) {
        throw new Error(`${what} did not answer within 30 s`, { cause: error });
      }
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
}
