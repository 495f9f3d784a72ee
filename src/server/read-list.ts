/** A list in the body of a request, read as it comes: its memory does not grow. */
import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { ReaperError } from '../errors.js';
import type { RoomListFormat } from '../operations/lists.js';
import { TooSlow, within } from '../time-limit.js';
import type { Limits } from './limits.js';
import { HttpProblem } from './problem.js';

export const listFormats: Readonly<Record<string, RoomListFormat>> = {
  'text/plain': 'lines',
  'text/csv': 'csv',
  'application/x-ndjson': 'ndjson',
};

/** @throws HttpProblem 415 where it is of no such type, or packed otherwise than by gzip. */
export function listFormatOf(incoming: IncomingMessage): RoomListFormat {
  const [type = '', ...parameters] = (incoming.headers['content-type'] ?? '').split(';');
  const format = listFormats[type.trim().toLowerCase()];
  const charset = /charset\s*=\s*"?([\w-]+)/i.exec(parameters.join(';'))?.[1]?.toLowerCase();
  const isUtf8 = charset === undefined || charset === 'utf-8' || charset === 'us-ascii';
  const encoding = incoming.headers['content-encoding']?.toLowerCase() ?? 'identity';
  if (format !== undefined && isUtf8 && ['identity', 'gzip'].includes(encoding)) return format;
  throw new HttpProblem(
    'WRONG_MEDIA_TYPE',
    `a list must be application/json, ${Object.keys(listFormats).join(', ')}, in UTF-8, and packed by gzip at most`,
  );
}

/**
 * The body's bytes, unpacked.
 *
 * @param closing - the server is about to end: nothing more is read.
 * @throws HttpProblem where it is too large, too slow or packed wrongly; ReaperError `UNAVAILABLE`
 *   where the server is about to end; the connection's error where the client went away.
 */
export async function* readListBody(
  incoming: IncomingMessage,
  { listIdleMs, listMs, listBytes }: Limits,
  closing: AbortSignal,
): AsyncGenerator<Uint8Array> {
  if (Number(incoming.headers['content-length'] ?? 0) > listBytes) throw tooLarge(listBytes);
  const startedAt = performance.now();
  const source = unpacked(incoming);
  // The connection stays: what is wrong is answered on it.
  const chunks = source.iterator({ destroyOnReturn: false });
  let bytes = 0;
  try {
    for (;;) {
      const chunk = await next(chunks, listIdleMs, closing);
      if (chunk === undefined) return;
      bytes += chunk.length;
      if (bytes > listBytes) throw tooLarge(listBytes);
      if (performance.now() - startedAt > listMs)
        throw tooSlow(`the body must come within ${listMs / 60_000} min`);
      yield chunk;
    }
  } finally {
    // Else it would hold back what is thrown away.
    chunks.return?.().catch(() => undefined);
    incoming.unpipe();
    if (source !== incoming) source.destroy();
  }
}

function unpacked(incoming: IncomingMessage): Readable {
  if (incoming.headers['content-encoding']?.toLowerCase() !== 'gzip') return incoming;
  const gunzip = createGunzip();
  // The client went away in the middle.
  incoming.on('error', (error) => gunzip.destroy(error));
  return incoming.pipe(gunzip);
}

async function next(
  chunks: AsyncIterator<unknown>,
  idleMs: number,
  closing: AbortSignal,
): Promise<Uint8Array | undefined> {
  try {
    const chunk = await within(closing, within(idleMs, chunks.next()));
    return chunk.done === true ? undefined : (chunk.value as Uint8Array);
  } catch (error) {
    if (closing.aborted) {
      throw new ReaperError('UNAVAILABLE', 'the server is about to end; send the list again');
    }
    if (error instanceof TooSlow)
      throw tooSlow(`something of the body must come every ${error.seconds} s`);
    const { code } = error as { code?: unknown };
    if (typeof code === 'string' && /^Z_/.test(code))
      throw new HttpProblem('MALFORMED', `the body must be gzip, as it says, got ${code}`);
    throw error;
  }
}

function tooLarge(listBytes: number): HttpProblem {
  return new HttpProblem(
    'TOO_LARGE',
    `a list must have at most ${listBytes / 1024 ** 2} MB, also unpacked; send it in parts`,
  );
}

function tooSlow(detail: string): HttpProblem {
  return new HttpProblem('TOO_SLOW', detail, { headers: { Connection: 'close' } });
}
