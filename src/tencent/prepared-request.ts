/**
 * One request, prepared before its slot and released at it.
 *
 * Between "go" and the socket write, an HTTP client works for milliseconds, and on a
 * busy machine for more: enough to break the quota at the API's door although every
 * "go" was on time. So the request is built and its socket is in hand beforehand; only
 * the body waits. Node sends the headers together with the first byte of the body, so
 * nothing of the request reaches the API before `release`. What arrives before that is no
 * answer to it (src/tencent/kept-connections.ts), and ends it unsent.
 */
import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { TLSSocket } from 'node:tls';
import type { Got } from 'got';
import type { Answer } from './answer.js';
import { maximumBodyBytes, textOf } from './body-text.js';
import type { RepeatedAnswers } from './kept-connections.js';
import { refusalOf } from './proxy-agent.js';
import { isCutShort, rawOf, readReply } from './response.js';
import { salvage } from './salvage.js';
import type { Hide } from './user-sig.js';

/** Longest answer read, with its head and the sizes of its chunks, and as much of it as the record needs, in bytes. */
const maximumReceivedBytes = 2 * maximumBodyBytes;
const maximumRecordedBytes = 65_536;

/**
 * An answer that has begun, has not ended as its framing says, and is silent for so long, in
 * milliseconds, is read as it is.
 */
const silenceMs = 250;

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
 * @param url - without its query.
 * @param query - with the signature: never to be logged. Whoever watches the HTTP calls of this
 *   process (OpenTelemetry and its like) notes their URLs, so only what goes out has it.
 * @param options.timeoutMs - one attempt, whole, counted from its release. A connection may take
 *   four seconds of it at most.
 * @param options.repeated - shared by all requests whose connections are kept.
 * @param options.hide - takes the signature out of a text.
 * @param options.onHeaders - told the headers of the reply.
 */
export function prepareRequest(
  client: Got,
  url: string,
  query: string,
  body: string,
  options: {
    timeoutMs: number;
    repeated: RepeatedAnswers;
    hide: Hide;
    onHeaders?: ((headers: IncomingHttpHeaders) => void) | undefined;
  },
) {
  const { timeoutMs, repeated, hide, onHeaders } = options;
  const connected = deferred<undefined>();
  const settled = deferred<Answer>();
  /** The body, and all that came on the connection. */
  const chunks: Buffer[] = [];
  const received: Buffer[] = [];
  let bodyBytes = 0;
  let receivedBytes = 0;
  let native: ClientRequest | undefined;
  let socket: Socket | undefined;
  let answer: Answer | undefined;
  let isReleased = false;
  let written = false;
  let httpStatus = 200;
  let headers: IncomingHttpHeaders = {};
  let hasHead = false;
  /** What a whole answer that could not be read would be. */
  let framed: Answer | undefined;
  const deadline = createAlarm(giveUp);
  const silence = createAlarm(onSilence);

  function giveUp(): void {
    fail(written ? { kind: 'timeout' } : { kind: 'network', code: 'ETIMEDOUT', written });
  }

  function onConnected(): void {
    // From here to the release it waits for its slot, however long that takes.
    deadline.stop();
    connected.resolve(undefined);
  }

  function onBytes(chunk: Buffer): void {
    if (!written) {
      // Nothing was asked yet: this belongs to a request before this one.
      settle({ kind: 'network', code: 'ERR_UNASKED_ANSWER', written });
      return;
    }
    received.push(chunk);
    receivedBytes += chunk.length;
    if (receivedBytes > maximumReceivedBytes) {
      settle({ kind: 'unreadable', httpStatus, ...rawAnswer() });
      return;
    }
    silence.set(silenceMs);
  }

  /** Its framing says that it is whole. */
  function onEnd(): void {
    const text = textOf(Buffer.concat(chunks), headers);
    const read = readReply(httpStatus, text ?? '', hide);
    if (read.kind === 'reply') {
      take(read);
      return;
    }
    framed = { kind: 'unreadable', httpStatus, ...rawAnswer() };
    // Where its length is wrong, the rest of it comes now, unless Node closes the connection for it
    // (22 and later do, once the answer has ended as its head says).
    if (!settleAsItIs() && !isCutShort(text ?? '')) settle(framed);
  }

  function onSilence(): void {
    if (!settleAsItIs() && framed !== undefined) settle(framed);
  }

  /** The end that the connection or the clock brings, unless the answer can be read all the same. */
  function fail(end: Answer): void {
    if (answer === undefined && !settleAsItIs()) settle(framed ?? { ...end, ...rawAnswer() });
  }

  /** Reads what has come, whatever its framing says. @returns whether it is an answer. */
  function settleAsItIs(): boolean {
    const found = salvage(Buffer.concat(received));
    for (const body of found?.bodies ?? []) {
      const text = textOf(body, found?.headers ?? {});
      const read = readReply(found?.httpStatus ?? httpStatus, text ?? '', hide);
      if (read.kind !== 'reply') continue;
      // Whatever else comes on it, nobody knows whose it is.
      socket?.destroy();
      take(read);
      return true;
    }
    return false;
  }

  /** What has come of the body, for the record; all that came where it had no head. */
  function rawAnswer(): { raw?: string } {
    const bytes = Buffer.concat(hasHead ? chunks : received).subarray(0, maximumRecordedBytes);
    return rawOf(textOf(bytes, headers) ?? '', hide);
  }

  function take(reply: Extract<Answer, { kind: 'reply' }>): void {
    if (socket === undefined || !repeated.isRepeat(socket, reply.requestId)) {
      settle(reply);
      return;
    }
    // Its own answer may follow, but nothing would tell it from that of the next request.
    socket.destroy();
    settle({ kind: 'network', code: 'ERR_REPEATED_ANSWER', written });
  }

  /** The first end counts: what is destroyed here may still report errors. */
  function settle(result: Answer): void {
    if (answer !== undefined) return;
    answer = result;
    deadline.stop();
    silence.stop();
    socket?.off('data', onBytes);
    request.destroy();
    connected.resolve(undefined);
    settled.resolve(result);
  }

  function write(onWritten: () => void): void {
    if (answer !== undefined || native === undefined) return;
    written = true;
    deadline.set(timeoutMs);
    const { path } = native;
    // Node makes the head of the request of it with the first byte of the body.
    native.path = `${path}?${query}`;
    request.end(body);
    native.path = path;
    // Node writes to the socket in this very queue.
    process.nextTick(onWritten);
  }

  // A stream, because it sends nothing until something is written to it, and because got's
  // promise costs more CPU.
  const request = client.stream.post(url, {
    headers: { 'content-length': String(Buffer.byteLength(body)) },
  });
  deadline.set(Math.min(timeoutMs, connectTimeoutMs));
  request.once('request', (made: ClientRequest) => {
    native = made;
    made.once('response', (response) => {
      httpStatus = response.statusCode ?? httpStatus;
      headers = response.headers;
      hasHead = true;
      onHeaders?.(headers);
    });
    made.once('proxyConnect', (reply: IncomingMessage) => {
      const code = refusalOf(reply);
      if (code !== undefined) settle({ kind: 'network', code, written });
    });
    made.once('socket', (assigned) => {
      socket = assigned;
      assigned.on('data', onBytes);
      // Through a proxy the connection is there before its TLS.
      const isReady =
        assigned instanceof TLSSocket ? assigned.alpnProtocol !== null : !assigned.connecting;
      if (isReady) onConnected();
      else assigned.once(assigned instanceof TLSSocket ? 'secureConnect' : 'connect', onConnected);
    });
  });
  request.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    bodyBytes += chunk.length;
    if (bodyBytes > maximumBodyBytes) settle({ kind: 'unreadable', httpStatus, ...rawAnswer() });
  });
  request.once('end', onEnd);
  request.on('error', (error) => fail({ kind: 'network', code: codeOf(error), written }));

  return {
    /** Resolves when the socket is connected, or cannot be: then `release` answers with the reason. */
    ready: connected.promise,

    /** False where waiting ended it: no connection came, or the other side closed it meanwhile. */
    isUsable(): boolean {
      return answer === undefined && socket !== undefined && socket.writable;
    },

    /**
     * Resolves when its socket was read once more, right before it is released: an answer that
     * lies there unread is none to it, and makes it unusable.
     */
    async readOnceMore(): Promise<void> {
      // One turn of the event loop may end without a look at the sockets, two do not.
      await nextTurn();
      await nextTurn();
    },

    /**
     * Sends the request: where it is connected, in this very turn of the event loop, so that whoever
     * looked at the time before knows when it was sent. Never rejects: every end is an answer.
     *
     * @param onWritten - told when it was written to its socket.
     */
    release(onWritten: () => void = () => undefined): Promise<Answer> {
      if (!isReleased) {
        isReleased = true;
        void connected.promise.then(() => write(onWritten));
      }
      return settled.promise;
    },

    /** Gives the request up: unsent, or without waiting for the answer any longer. */
    abandon(): void {
      settle({ kind: 'network', code: 'ERR_ABORTED', written });
    },
  };
}

/** Rings after so long, but not before what arrived while this process stood still was read. */
function createAlarm(ring: () => void) {
  let timer: NodeJS.Timeout | undefined;
  return {
    /** @param ms - from now; the time before is forgotten. */
    set(ms: number): void {
      clearTimeout(timer);
      const dueAt = performance.now() + ms;
      timer = setTimeout(() => {
        const stalled = performance.now() - dueAt > lastLookMs;
        timer = setTimeout(ring, stalled ? lastLookAfterStallMs : lastLookMs);
      }, ms);
    },
    stop: () => clearTimeout(timer),
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

function deferred<T>() {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
