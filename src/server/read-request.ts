/** What a request asks for, checked by the schemas of its route. */
import type { z } from '@hono/zod-openapi';
import type { IncomingMessage } from 'node:http';
import { ReaperError } from '../errors.js';
import { printable } from '../redact.js';
import { TooSlow, within } from '../time-limit.js';
import type { Limits } from './limits.js';
import { HttpProblem } from './problem.js';

/** Largest JSON body, in bytes. A thousand RoomIds of any form are less. */
const largestJson = 1024 ** 2;

/** @throws ReaperError `INVALID` where a parameter is wrong, unknown or given twice. */
export function readQuery<Query>(url: URL, schema: z.ZodType<Query> | undefined): Query {
  const values: Record<string, string> = {};
  for (const [name, value] of url.searchParams) {
    if (Object.hasOwn(values, name)) throw wrong(`${printable(name)} must be given once`);
    values[name] = value;
  }
  if (schema === undefined) {
    const [name] = Object.keys(values);
    if (name === undefined) return undefined as Query;
    throw wrong(`the request must have no query parameters, got ${printable(name)}; leave it out`);
  }
  return check(schema, values);
}

/**
 * @throws HttpProblem where the body is no JSON, too large or too slow; ReaperError `INVALID` where
 *   it is another JSON than is asked for.
 */
export async function readJson<Body>(
  incoming: IncomingMessage,
  schema: z.ZodType<Body>,
  limits: Limits,
  most = largestJson,
): Promise<Body> {
  const type = incoming.headers['content-type'] ?? '';
  const isJson = /^application\/json\s*(;\s*charset\s*=\s*"?utf-8"?\s*)?$/i.test(type);
  if (!isJson || incoming.headers['content-encoding'] !== undefined) {
    throw new HttpProblem('WRONG_MEDIA_TYPE', 'the body must be JSON, not compressed', {
      remedy: 'send it with Content-Type: application/json',
    });
  }
  const text = await readText(incoming, most, limits);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new HttpProblem('MALFORMED', 'the body must be JSON, and cannot be read as such');
  }
  return check(schema, value);
}

/** @throws ReaperError `INVALID` where it is none that could be kept. */
export function readKey(request: Request): string | undefined {
  const key = request.headers.get('Idempotency-Key') ?? undefined;
  if (key === undefined || /^[!-~]{1,255}$/.test(key)) return key;
  throw wrong('Idempotency-Key must be 1–255 characters of ASCII without spaces');
}

/**
 * The text of a body.
 *
 * @param most - bytes.
 * @throws HttpProblem where it is too large, too slow or no UTF-8.
 */
export function readText(
  incoming: IncomingMessage,
  most: number,
  { jsonMs }: Limits,
): Promise<string> {
  return within(jsonMs, collectText(incoming, most)).catch((error: unknown) => {
    if (!(error instanceof TooSlow)) throw error;
    throw new HttpProblem('TOO_SLOW', `the body must come within ${error.seconds} s`);
  });
}

async function collectText(incoming: IncomingMessage, most: number): Promise<string> {
  const tooLarge = new HttpProblem(
    'TOO_LARGE',
    `the body must have at most ${most} bytes; send a long list as text/plain, text/csv or application/x-ndjson`,
  );
  if (Number(incoming.headers['content-length'] ?? 0) > most) throw tooLarge;
  const chunks: Buffer[] = [];
  let bytes = 0;
  // The connection stays: what is wrong is answered on it.
  for await (const chunk of incoming.iterator({ destroyOnReturn: false })) {
    bytes += (chunk as Buffer).length;
    if (bytes > most) throw tooLarge;
    chunks.push(chunk as Buffer);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
  } catch {
    throw new HttpProblem('MALFORMED', 'the body must be UTF-8');
  }
}

/** @throws ReaperError `INVALID` that names the first field that is wrong. */
export function check<Value>(schema: z.ZodType<Value>, value: unknown): Value {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const name = printable(issue?.path.join('.') ?? '') || 'the request';
  throw wrong(`${name}: ${printable(issue?.message ?? 'is not valid')}`);
}

function wrong(message: string): ReaperError {
  return new ReaperError('INVALID', message);
}
