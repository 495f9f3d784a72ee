/** `room-reaper worker`. */
import { Command } from 'commander';
import { readConfig } from '../config.js';
import { logOn } from '../log.js';
import { openStores } from '../stores.js';
import { onInterrupt } from './interrupt.js';
import { say, type Io } from './io.js';

const help = `
Examples:
  room-reaper worker
  QUEUE_URL=redis://redis DATABASE_URL=postgres://ledger room-reaper worker

Any number of workers, on any number of machines, share one rate as long as they share
the ledger (DATABASE_URL). SIGTERM, SIGINT or SIGHUP: what is in flight is finished within ten
seconds, the rest stays on the queue, exit 0. A second signal exits at once.`;

export function workerCommand(io: Io): Command {
  return new Command('worker').addHelpText('after', help).action(async () => {
    const config = readConfig(io.env, { app: true, credentials: true });
    // With its HTTP client: other commands go without its memory.
    const { startWorker } = await import('../worker/worker.js');
    const log = logOn(io.stderr, config.logLevel, io.env);
    // Of `serve --with-worker`: it ends with the server, also where that is killed.
    const orphaned = () => process.kill(process.pid, 'SIGTERM');
    io.signals.once('disconnect', orphaned);
    const interrupt = onInterrupt(io);
    const stores = await openStores(config, (message) => say(io, message));
    try {
      const { metricsPort } = config;
      const worker = await startWorker(config, { stores, log, metricsPort });
      const reason = await Promise.race([
        interrupt.interrupted.then(() => undefined),
        worker.ended,
      ]);
      if (reason !== undefined) throw reason;
      log.info('stopping: finishing what is in flight');
      await worker.close();
    } finally {
      await stores.close();
      interrupt.dispose();
      io.signals.off('disconnect', orphaned);
    }
  });
}
