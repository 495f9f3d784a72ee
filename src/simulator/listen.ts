import { once } from 'node:events';
import type { Server } from 'node:http';
import { ReaperError } from '../errors.js';

/** Starts `server`; the URL under which this machine reaches it. */
export async function listen(server: Server, host: string, port: number): Promise<string> {
  try {
    await once(server.listen(port, host), 'listening');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const got = `host and port must be free to listen on, got ${reason}`;
    throw new ReaperError('INVALID', `${got}; choose another --port or --host`, { cause });
  }
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port to listen on');
  const everywhere = host === '0.0.0.0' || host === '::';
  const reachable = everywhere ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host;
  return `http://${reachable}:${address.port}`;
}

/** Stops listening and cuts every connection, hanging ones too. Harmless when called again. */
export async function stop(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
