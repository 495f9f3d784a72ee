import { once } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { ReaperError } from '../errors.js';

/**
 * Starts `server`.
 *
 * @returns the URL under which this machine reaches it.
 * @throws ReaperError `INVALID` where it cannot listen there.
 */
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

/**
 * The body as text; undefined when the sender left before its end.
 *
 * @param longest - characters; what is longer is read to its end and dropped, and '' given for
 *   it. The default is far above any destroy_room body.
 */
export function readBody(request: IncomingMessage, longest = 65_536): Promise<string | undefined> {
  return new Promise((resolve) => {
    let text = '';
    request.setEncoding('utf8');
    request.on('data', (chunk: string) => {
      if (text.length <= longest) text += chunk;
    });
    request.on('end', () => resolve(text.length > longest ? '' : text));
    request.on('error', () => resolve(undefined));
    request.on('close', () => resolve(undefined));
  });
}

export function sendJson(response: ServerResponse, value: unknown): void {
  send(response, 200, 'application/json', JSON.stringify(value));
}

export function send(response: ServerResponse, status: number, type: string, text: string): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text) });
  response.end(text);
}
