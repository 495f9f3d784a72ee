/** What one client may cost: how long it may take, and how much it may send. */
import type { IncomingMessage } from 'node:http';

/** In milliseconds and bytes. */
export interface Limits {
  mostConnections: number;
  /** How long the headers of a request may take, and a connection on which nothing moves may stay. */
  headersMs: number;
  idleMs: number;
  /** How long a JSON body may take to come. */
  jsonMs: number;
  /** How long nothing of a list may come, and how long all of it may take. */
  listIdleMs: number;
  listMs: number;
  /** Largest list, unpacked too. */
  listBytes: number;
  /** For how long, and how much, is read of a body that was refused. */
  refusedMs: number;
  refusedBytes: number;
}

export const usualLimits: Limits = {
  mostConnections: 2_000,
  headersMs: 20_000,
  idleMs: 120_000,
  jsonMs: 30_000,
  listIdleMs: 30_000,
  listMs: 3_600_000,
  listBytes: 128 * 1024 ** 2,
  // As nginx's lingering_time.
  refusedMs: 30_000,
  refusedBytes: 128 * 1024 ** 2,
};

/**
 * Reads what is left of a body, and throws it away: the answer is made already, and whoever is still
 * sending would meet a closed connection and lose it (a proxy says 502 then). Call it before the
 * answer is sent. Where it takes too long or is too much, the connection is closed.
 *
 * @param closing - the server is about to end: it waits for nobody.
 */
export function throwAwayRest(
  incoming: IncomingMessage,
  { refusedMs, refusedBytes }: Limits,
  closing: AbortSignal,
): void {
  if (incoming.complete || incoming.destroyed) return;
  // With what was written to it, as far as it is taken.
  const close = () => incoming.socket.destroySoon();
  const timer = setTimeout(close, refusedMs);
  closing.addEventListener('abort', close, { once: true });
  let bytes = 0;
  incoming.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > refusedBytes) close();
  });
  incoming.on('error', () => undefined);
  incoming.once('close', () => {
    clearTimeout(timer);
    closing.removeEventListener('abort', close);
  });
  incoming.resume();
}
