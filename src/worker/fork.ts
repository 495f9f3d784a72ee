/** A worker in a process of its own: slots are 5 ms apart, and whatever else a process does makes them late. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { compiledFile } from '../own-file.js';

export interface WorkerProcess {
  /** Its exit code, once it has ended; a number above 0 where a signal ended it. */
  readonly ended: Promise<number>;
  /** Tells it to end in order, and waits until it has. */
  end(): Promise<void>;
}

/**
 * It ends with this process too, also where that is killed: then the channel between them closes.
 *
 * @param metricsPort - where it tells what it did; undefined: nowhere.
 */
export function forkWorker(env: NodeJS.ProcessEnv, metricsPort: number | undefined): WorkerProcess {
  const main = fileURLToPath(compiledFile('cli/main.js', import.meta.url));
  const stdio = ['ignore', 'ignore', 'inherit', 'ipc'] as const;
  // METRICS_PORT is this process's.
  const own = { ...env, METRICS_PORT: String(metricsPort ?? ''), WORKER_METRICS_PORT: '' };
  const child = fork(main, ['worker'], { env: own, execArgv: [], stdio: [...stdio] });
  const ended = once(child, 'exit').then(([code]) => (code as number | null) ?? 1);
  return {
    ended,
    async end() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}
