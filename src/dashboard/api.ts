/** The public API, as a page asks it. Whole numbers keep all their digits. */
import { parse, isInteger, isSafeNumber } from 'lossless-json';

/** A whole number of any size. */
export type Whole = number | bigint;

/** An error of the API (RFC 9457), or why there was no answer. */
export class Problem extends Error {
  override readonly name = 'Problem';
  /** 0: there was no answer. */
  readonly status: number;
  readonly code: string;
  readonly remedy: string | undefined;
  readonly errors: readonly { line?: number; detail: string }[];
  readonly facts: Readonly<Record<string, unknown>>;

  constructor(status: number, facts: Record<string, unknown>) {
    super(typeof facts.detail === 'string' ? facts.detail : `HTTP ${status}`);
    this.status = status;
    this.code = typeof facts.code === 'string' ? facts.code : '';
    this.remedy = typeof facts.remedy === 'string' ? facts.remedy : undefined;
    this.errors = Array.isArray(facts.errors) ? (facts.errors as Problem['errors']) : [];
    this.facts = facts;
  }
}

const noAnswer = 'the server does not answer';

function readJson(text: string): unknown {
  return parse(text, undefined, (digits) =>
    isInteger(digits) && !isSafeNumber(digits) ? BigInt(digits) : Number(digits),
  );
}

function problemOf(status: number, text: string): Problem {
  try {
    return new Problem(status, readJson(text) as Record<string, unknown>);
  } catch {
    // A proxy in between has pages of its own.
    return new Problem(status, { detail: `${noAnswer} as it should: HTTP ${status}` });
  }
}

export interface Answer<T> {
  value: T;
  etag: string | undefined;
}

export interface Asking {
  method?: 'GET' | 'POST' | 'DELETE';
  /** Sent as JSON. */
  body?: unknown;
  /** Makes one of what is sent twice. */
  key?: string;
  /** Of what is known already. */
  etag?: string | undefined;
  signal?: AbortSignal;
}

/** @throws Problem where nothing answers, or what `signal` aborts with. */
async function fetchAnswer(
  path: string,
  { method = 'GET', body, key, etag, signal }: Asking,
): Promise<Response> {
  try {
    return await fetch(path, {
      ...{ method, credentials: 'same-origin', redirect: 'error', cache: 'no-store' },
      headers: {
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...(key === undefined ? {} : { 'Idempotency-Key': key }),
        ...(etag === undefined ? {} : { 'If-None-Match': etag }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal && { signal }),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(0, { detail: noAnswer });
  }
}

/**
 * @param path - below the page, such as `v1/status`.
 * @returns undefined where nothing changed since `etag`, or nothing is told.
 * @throws Problem
 */
export async function ask<T>(path: string, asking: Asking = {}): Promise<Answer<T> | undefined> {
  const response = await fetchAnswer(path, asking);
  const text = await response.text().catch((error: unknown) => {
    if (asking.signal?.aborted) throw error;
    throw new Problem(0, { detail: noAnswer });
  });
  if (response.status === 304 || response.status === 204) return undefined;
  if (!response.ok) throw problemOf(response.status, text);
  return { value: readJson(text) as T, etag: response.headers.get('ETag') ?? undefined };
}

/**
 * An answer of NDJSON as it comes, some lines at a time.
 *
 * @throws Problem, also where it breaks off; what `signal` aborts with.
 */
export async function* askLines<T>(path: string, signal: AbortSignal): AsyncGenerator<T[]> {
  const response = await fetchAnswer(path, { signal });
  if (!response.ok || response.body === null)
    throw problemOf(response.status, await response.text());
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  for (;;) {
    const { value, done } = await reader.read().catch((error: unknown) => {
      if (signal.aborted) throw error;
      throw new Problem(0, { detail: 'the answer broke off; there may be more' });
    });
    if (done) return;
    const lines = (rest + decoder.decode(value, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    if (lines.length > 0) yield lines.map((line) => readJson(line) as T);
  }
}

/** What is sent is answered. @throws Problem */
export async function send<T>(path: string, body: unknown, key?: string): Promise<T> {
  const answer = await ask<T>(path, { method: 'POST', body, ...(key && { key }) });
  return answer?.value as T;
}

/**
 * Sends a list, and tells how much of it is on its way: `fetch` does not.
 *
 * @param onSent - a part, from 0 to 1.
 * @throws Problem
 */
export function sendList<T>(
  path: string,
  list: { body: Blob | string; type: string; key?: string; signal?: AbortSignal },
  onSent: (part: number) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', path);
    request.setRequestHeader('Content-Type', list.type);
    if (list.key !== undefined) request.setRequestHeader('Idempotency-Key', list.key);
    request.upload.onprogress = ({ loaded, total }) => onSent(total === 0 ? 1 : loaded / total);
    request.onerror = () => reject(new Problem(0, { detail: noAnswer }));
    request.onabort = () => reject(new Problem(0, { detail: 'it was stopped; nothing was done' }));
    request.onload = () => {
      const { status, responseText } = request;
      if (status >= 300) reject(problemOf(status, responseText));
      else resolve(readJson(responseText) as T);
    };
    list.signal?.addEventListener('abort', () => request.abort());
    request.send(list.body);
  });
}

/**
 * Keys for what is asked for: the same however often the same is sent, and another where it has
 * changed, so that an answer that was lost makes nothing twice and bars nothing.
 */
export function createKeys(): (request: string) => string {
  let last: { request: string; key: string } | undefined;
  return (request) => {
    if (last?.request !== request) last = { request, key: newKey() };
    return last.key;
  };
}

/** `crypto.randomUUID` wants https. */
function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** `?a=b` of what is given; empty where nothing is. */
export function query(values: Readonly<Record<string, string | number | undefined>>): string {
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined && value !== '') given.set(name, String(value));
  }
  const text = given.toString();
  return text === '' ? '' : `?${text}`;
}
