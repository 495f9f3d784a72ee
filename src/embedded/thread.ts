/**
 * The worker thread of the embedded database (started by thread-host.ts). It has a
 * thread of its own because Postgres in WebAssembly runs its statements
 * synchronously: on the main thread every statement would hold up the slots.
 */
import { once } from 'node:events';
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';
import { serveClient } from './client-connection.js';
import { syncTree } from './durable.js';
import { startMaintenance } from './maintenance.js';
import { openPostgres } from './pglite.js';
import { unpackPrepared } from './prepared.js';
import { createSharedSession } from './shared-session.js';
import type { FromThread, ThreadTask } from './thread-host.js';
import { startupMessage } from './wire.js';

function tell(message: FromThread): void {
  parentPort?.postMessage(message);
}

function broken(reason: string): never {
  tell({ kind: 'broken', reason });
  // Ends this thread only, and its sockets: clients see a lost connection instead of waiting.
  process.exit(1);
}

/** Makes a database: initdb leaves another 500 MB to this thread, which ends then. */
async function create(directory: string): Promise<void> {
  if (!unpackPrepared(directory)) await (await openPostgres(directory, broken)).close();
  syncTree(directory);
}

async function serve(task: Extract<ThreadTask, { kind: 'serve' }>): Promise<void> {
  const postgres = await openPostgres(task.directory, broken);
  const hello = { startupReply: postgres.execute(startupMessage()), password: task.password };
  const session = createSharedSession({ execute: (bytes) => postgres.execute(bytes), broken });
  const server = createServer((socket) => serveClient(socket, session, hello));
  const stopMaintenance = startMaintenance(session);

  parentPort?.once('message', () => {
    stopMaintenance();
    server.close();
    session.close();
    postgres.close().then(
      () => {
        tell({ kind: 'closed' });
        process.exit(0);
      },
      (error: unknown) => broken(String(error)),
    );
  });

  if ('path' in task.listen) {
    const { path } = task.listen;
    rmSync(path, { force: true }); // Left by an owner that was killed; the claim says that it is gone.
    await once(server.listen({ path }), 'listening');
    chmodSync(path, 0o600);
    tell({ kind: 'ready', port: undefined });
  } else {
    const host = '127.0.0.1';
    // The port of the owner before, so that joined processes find the database again.
    await once(server.listen({ host, port: task.listen.port }), 'listening').catch(() =>
      once(server.listen({ host, port: 0 }), 'listening'),
    );
    tell({ kind: 'ready', port: (server.address() as AddressInfo).port });
  }
}

const task = workerData as ThreadTask;
(task.kind === 'create' ? create(task.directory) : serve(task)).then(
  () => {
    if (task.kind === 'create') process.exit(0);
  },
  (error: unknown) => broken(error instanceof Error ? error.message : String(error)),
);
