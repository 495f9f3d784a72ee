/**
 * One request, prepared before its slot and released at it.
 *
 * Between "go" and the socket write, an HTTP client works for milliseconds, and on a
 * busy machine for more: enough to break the quota at the API's door although every
 * "go" was on time. So the request is built and its socket is in hand beforehand; only
 * the body waits. Node sends the headers together with the first byte of the body, so
 * nothing of the request reaches the API before `release`.
 */
import type { ClientRequest } from 'node:http';
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { TLSSocket } from 'node:tls';
import type { Got, Response } from 'got';
import type { Answer } from './answer.js';
import { readReply } from './response.js';

/** Longest body read, in bytes. A documented one has about 300. */
const maximumBodyBytes = 1_048_576;

/** Longest wait for a connection, in milliseconds: a shorter one sees sooner that a network is back. */
const connectTimeoutMs = 4_000;

/**
 * A timeout reads once more before it gives up, in milliseconds: where the process was busy or
 * stopped, the answer may lie in its socket already, with statistics that come only once.
 */
const lastLookMs = 20;
const lastLookAfterStallMs = 1_000;

export type PreparedRequest = ReturnType<typeof prepareRequest>;

/**
 * @param client - got, without retries, redirects or timeouts of its own.
 * @param url - whole, with the signature in its query: never to be logged.
 * @param timeoutMs - one attempt, whole, counted from its release. A connection may take
 *   four seconds of it at most.
 */
export function prepareRequest(client: Got, url: string, body: string, timeoutMs: number) {
  const gate = new Readable({ read: () => undefined });
  const abort = new AbortController();
  const connected = deferred();
  let socket: Socket | undefined;
  let answer: Answer | undefined;
  let written = false;
  let httpStatus = 200;
  let timer: NodeJS.Timeout | undefined;
  let abortedBy: 'timeout' | 'size' | undefined;

  function startTimer(ms: number): void {
    clearTimeout(timer);
    const dueAt = performance.now() + ms;
    timer = setTimeout(() => {
      const stalled = performance.now() - dueAt > lastLookMs;
      timer = setTimeout(giveUp, stalled ? lastLookAfterStallMs : lastLookMs);
    }, ms);
  }

  function giveUp(): void {
    abortedBy = 'timeout';
    abort.abort();
  }

  function onConnected(): void {
    // From here to the release it waits for its slot, however long that takes.
    clearTimeout(timer);
    connected.resolve();
  }

  const response = client.post(url, {
    body: gate,
    headers: { 'content-length': String(Buffer.byteLength(body)) },
    signal: abort.signal,
  });
  startTimer(Math.min(timeoutMs, connectTimeoutMs));
  void response.on('request', (request: ClientRequest) => {
    request.once('response', ({ statusCode }) => {
      httpStatus = statusCode ?? httpStatus;
    });
    request.once('socket', (assigned) => {
      socket = assigned;
      if (!assigned.connecting) onConnected();
      else assigned.once(assigned instanceof TLSSocket ? 'secureConnect' : 'connect', onConnected);
    });
  });
  void response.on('downloadProgress', ({ transferred }) => {
    if (transferred <= maximumBodyBytes || abortedBy !== undefined) return;
    abortedBy = 'size';
    abort.abort();
  });

  const settled: Promise<Answer> = response
    .then(
      ({ statusCode, body: text }: Response<string>) => readReply(statusCode, text),
      (error: unknown): Answer => {
        if (abortedBy === 'size') return { kind: 'unreadable', httpStatus };
        if (abortedBy === 'timeout' && written) return { kind: 'timeout' };
        return { kind: 'network', code: abortedBy ? 'ETIMEDOUT' : codeOf(error), written };
      },
    )
    .then((result) => {
      clearTimeout(timer);
      gate.destroy();
      answer = result;
      connected.resolve();
      return result;
    });

  return {
    /** Resolves when the socket is connected, or cannot be: then `release` answers with the reason. */
    ready: connected.promise,

    /** False where waiting ended it: no connection came, or the other side closed it meanwhile. */
    isUsable(): boolean {
      return answer === undefined && socket !== undefined && socket.writable;
    },

    /** Sends the request now. Never rejects: every end is an answer. */
    release(): Promise<Answer> {
      if (answer === undefined) {
        written = true;
        startTimer(timeoutMs);
        gate.push(body);
        gate.push(null);
      }
      return settled;
    },

    /** Gives the request up: unsent, or without waiting for the answer any longer. */
    abandon(): void {
      if (answer === undefined) abort.abort();
    },
  };
}

/** Node's error code. Messages are not used: those of an HTTP client may hold the URL. */
function codeOf(error: unknown): string {
  const { code, cause } = error as { code?: unknown; cause?: unknown };
  const inner = (cause as { code?: unknown } | undefined)?.code;
  for (const candidate of [inner, code]) {
    if (typeof candidate === 'string' && candidate !== 'ERR_GOT_REQUEST_ERROR') return candidate;
  }
  return 'UNKNOWN';
}

function deferred() {
  let resolve!: () => void;
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
