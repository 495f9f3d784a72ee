/** Answers: JSON, and what is the same as before. */
import { stringify } from 'lossless-json';
import type { Reply } from './route.js';
import type { Seen } from './snapshot.js';

/** 304 where the client has it already. */
export function answerSeen({ json, etag }: Seen, request: Request): Reply {
  const known = request.headers.get('If-None-Match')?.split(',') ?? [];
  const isKnown = known.some((each) => [etag, `W/${etag}`, '*'].includes(each.trim()));
  return { headers: { ETag: etag }, ...(isKnown ? { status: 304 } : { text: json }) };
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
