import { readConfig, type Config } from '../config.js';
import { openService, type Service } from '../operations/service.js';
import { say, type Io } from './io.js';

export interface OpenOptions {
  /** Told of trouble with the connection to the queue; by default that is said. */
  onQueueError?: (error: Error) => void;
  /** It only reads. */
  readOnly?: boolean;
  /** It asks for nothing new, so it makes no database. */
  mustBeMade?: boolean;
}

/**
 * Lends the service to `use`, and closes it however that ends.
 *
 * @throws ReaperError `UNAVAILABLE` where a store cannot be reached.
 */
export async function withService<R>(
  config: Config,
  io: Io,
  use: (service: Service) => Promise<R>,
  options: OpenOptions = {},
): Promise<R> {
  const onNotice = (message: string) => say(io, message);
  const onQueueError = sayQueueAway(io, config.queueUrl);
  const service = await openService(config, { onNotice, onQueueError, ...options });
  try {
    return await use(service);
  } finally {
    await service.close();
  }
}

/** The same for the service of the environment, for what only looks after what is there: it needs no key. */
export function withOwnService<R>(
  io: Io,
  use: (service: Service) => Promise<R>,
  options?: OpenOptions,
): Promise<R> {
  const config = readConfig(io.env, { app: true, credentials: false });
  return withService(config, io, use, { mustBeMade: true, ...options });
}

/** How often it is said, at most, in milliseconds: each try to connect fails with an error. */
const sayEveryMs = 30_000;

/**
 * Commands wait for a Redis that goes away under them: says so, as the error listener of a
 * queue. A Postgres that goes away ends them with an error.
 */
function sayQueueAway(io: Io, queueUrl: string): (error: Error) => void {
  if (!queueUrl.startsWith('redis')) return () => undefined;
  let saidAt = Number.NEGATIVE_INFINITY;
  return (error) => {
    const { code, message } = error as NodeJS.ErrnoException;
    // What Redis answers is no reason to wait, other than a failover that is under way.
    if (error.name === 'ReplyError' && !/READONLY/.test(message)) return;
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
