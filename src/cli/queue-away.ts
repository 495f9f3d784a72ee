import { say, type Io } from './io.js';

/** How often it is said, at most, in milliseconds: each try to connect fails with an error. */
const sayEveryMs = 30_000;

/**
 * Commands wait for a Redis that goes away under them: says so, as the error listener of a
 * queue. A Postgres that goes away ends them with an error.
 */
export function sayQueueAway(io: Io, queueUrl: string): (error: Error) => void {
  if (!queueUrl.startsWith('redis')) return () => undefined;
  let saidAt = Number.NEGATIVE_INFINITY;
  return (error) => {
    const { code, message } = error as NodeJS.ErrnoException;
    // What Redis answers is no reason to wait.
    if (error.name === 'ReplyError') return;
    if (performance.now() - saidAt < sayEveryMs) return;
    saidAt = performance.now();
    // A line of progress may stand there.
    const start = io.stderr.isTTY ? '\n' : '';
    say(
      io,
      `${start}Redis went away (${code ?? message}); this goes on when it is back. Ctrl-C gives up, twice where once is not enough`,
    );
  };
}
