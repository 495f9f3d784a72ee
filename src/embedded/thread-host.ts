import { Worker } from 'node:worker_threads';
import { compiledFile } from '../own-file.js';

export type ThreadTask =
  | { kind: 'create'; directory: string }
  | {
      kind: 'serve';
      directory: string;
      /** A Unix socket's path, or the loopback port to prefer (0: any). */
      listen: { path: string } | { port: number };
      password: string | undefined;
    };

export type FromThread =
  | { kind: 'ready'; port: number | undefined }
  | { kind: 'closed' }
  | { kind: 'broken'; reason: string };

export interface DatabaseThread {
  /** The loopback port, undefined on a Unix socket. */
  readonly port: number | undefined;
  /** Resolves when the thread has ended: undefined after `close`, else why it broke. */
  readonly ended: Promise<string | undefined>;
  /** Ends the connections, writes a checkpoint and ends the thread. */
  close(): Promise<void>;
}

/** A closing thread that takes longer is ended as if the process were killed: nothing committed is lost. */
const closeMs = 10_000;

/**
 * Makes a new database in `directory`.
 *
 * @throws Error with the reason in the words of Postgres.
 */
export async function createDatabase(directory: string): Promise<void> {
  const { ended } = start({ kind: 'create', directory });
  const reason = await ended;
  if (reason !== undefined) throw new Error(reason);
}

/**
 * Opens the database and serves it.
 *
 * @throws Error with the reason in the words of Postgres.
 */
export async function serveDatabase(
  task: Omit<Extract<ThreadTask, { kind: 'serve' }>, 'kind'>,
): Promise<DatabaseThread> {
  const { worker, ready, ended } = start({ kind: 'serve', ...task });
  const port = await Promise.race([
    ready,
    ended.then((reason) => {
      throw new Error(reason ?? 'the thread of the embedded database ended');
    }),
  ]);
  // From here on what keeps the process running are its own connections, not the server.
  worker.unref();
  return {
    port,
    ended,
    async close() {
      worker.ref();
      worker.postMessage('close');
      const timer = setTimeout(() => void worker.terminate(), closeMs);
      await ended;
      clearTimeout(timer);
    },
  };
}

function start(task: ThreadTask) {
  // Loaders and flags of the parent (a test runner's) are not for this thread.
  const worker = new Worker(compiledFile('embedded/thread.js', import.meta.url), {
    workerData: task,
    execArgv: [],
    env: {},
  });
  let reason = task.kind === 'serve' ? 'the thread ended unexpectedly' : undefined;
  const ready = new Promise<number | undefined>((resolve) => {
    worker.on('message', (message: FromThread) => {
      if (message.kind === 'ready') resolve(message.port);
      else reason = message.kind === 'broken' ? message.reason : undefined;
    });
  });
  const ended = new Promise<string | undefined>((resolve) => {
    worker.on('error', (error) => {
      reason = error instanceof Error ? error.message : String(error);
    });
    worker.once('exit', () => resolve(reason));
  });
  return { worker, ready, ended };
}
