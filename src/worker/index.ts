/**
 * The worker as a library, for services that run it in their own process.
 *
 * @example
 * ```ts
 * import { readConfig, startWorker } from 'room-reaper/worker';
 *
 * const worker = await startWorker(readConfig(process.env));
 * process.once('SIGTERM', () => void worker.close());
 * ```
 */
import type { Logger } from 'pino';
import { readConfig as readFullConfig, type Config } from '../config.js';
import { createLog } from '../log.js';
import { openStores } from '../stores.js';
import { nearMisses } from '../variable-names.js';
import {
  startWorker as startOnStores,
  type RunningWorker,
  type StartWorkerOptions,
} from './worker.js';

export type { Config } from '../config.js';
export type { Credentials } from '../tencent/credentials.js';
export { ReaperError, type ErrorCode } from '../errors.js';
export type { StoppedLine } from '../ledger/grant.js';
export type { EndedDestruction, Outcome, Statistics } from '../destruction.js';
export type { RunningWorker } from './worker.js';

/**
 * Reads a worker's configuration from environment variables (docs/operations.md), and warns
 * (`process.emitWarning`) of names that are nearly one of them.
 *
 * @throws ReaperError `INVALID` that lists every problem at once.
 */
export function readConfig(
  environment: Readonly<Record<string, string | undefined>>,
): Readonly<Config> {
  for (const { problem } of nearMisses(environment)) process.emitWarning(problem);
  return readFullConfig(environment, { app: true, credentials: true });
}

export interface WorkerOptions extends Pick<
  StartWorkerOptions,
  'onEnded' | 'onLineStopped' | 'onOutage'
> {
  /** Default: JSON on stderr at the configuration's level. */
  log?: Logger;
}

/**
 * Starts a worker. It shares one rate with all workers of the same app and ledger.
 *
 * @throws ReaperError `UNAVAILABLE` where the queue or the ledger cannot be reached.
 */
export async function startWorker(
  config: Readonly<Config>,
  options: WorkerOptions = {},
): Promise<RunningWorker> {
  const log = options.log ?? createLog({ level: config.logLevel, readable: false, colour: false });
  const stores = await openStores(config, (message) => log.info(message));
  try {
    const worker = await startOnStores(config, {
      ...options,
      ...{ stores, log, metricsPort: config.metricsPort },
    });
    const ended = worker.ended.then(async (reason) => {
      await stores.close();
      return reason;
    });
    return {
      ended,
      async close() {
        await worker.close();
        await ended;
      },
    };
  } catch (error) {
    await stores.close();
    throw error;
  }
}
