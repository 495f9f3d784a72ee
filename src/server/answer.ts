/** Answers: JSON, what is the same as before, and what is sent as it comes. */
import { stringify } from 'lossless-json';
import type { Reply } from './route.js';
import type { Seen } from './snapshot.js';

/** Whether the client has it already. */
export function isKnown(etag: string, request: Request): boolean {
  const known = request.headers.get('If-None-Match')?.split(',') ?? [];
  return known.some((each) => [etag, `W/${etag}`, '*'].includes(each.trim()));
}

/** 304 where the client has it already. */
export function answerSeen({ json, etag }: Seen, request: Request): Reply {
  const headers = { ETag: etag };
  return isKnown(etag, request) ? { headers, status: 304 } : { headers, text: json };
}

export function toResponse(reply: Reply | Response): Response {
  if (reply instanceof Response) return reply;
  const { status = 200, json, text, headers = {} } = reply;
  // Whole numbers keep all their digits, beyond 2⁵³ too.
  const body = json === undefined ? text : stringify(json);
  return body === undefined
    ? new Response(null, { status, headers })
    : new Response(body, {
        status,
        headers: { 'Content-Type': 'application/json; charset=utf-8', ...headers },
      });
}

/**
 * An answer that is sent as it comes.
 *
 * @throws what the first of it throws: what fails before anything was sent is a problem, and not half
 *   an answer.
 */
export async function streamed(
  chunks: AsyncGenerator<Uint8Array, void>,
  headers: Readonly<Record<string, string>>,
): Promise<Response> {
  const first = await chunks.next();
  return new Response(ReadableStream.from<Uint8Array>(startingWith(first, chunks)), { headers });
}

/** No generator: one that is left before its first value runs nothing, and would end nothing either. */
function startingWith<T>(
  first: IteratorResult<T, void>,
  rest: AsyncGenerator<T, void>,
): AsyncIterableIterator<T, void> {
  let isGiven = false;
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    next() {
      if (isGiven) return rest.next();
      isGiven = true;
      return Promise.resolve(first);
    },
    return: () => rest.return(),
  };
}
