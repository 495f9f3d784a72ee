/**
 * The API client: signed requests over kept-alive connections.
 * Source: https://trtc.io/document/63398 (keep-alive and a connection pool are recommended).
 */
import { randomInt } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import got from 'got';
import type { Credentials } from './credentials.js';
import {
  destroyRoomCommand,
  hostOf,
  roomInfoCommand,
  roomListCommand,
  roomsPerPage,
  roomStatsCommand,
} from './endpoint.js';
import { closingOnBytes, createRepeatedAnswers } from './kept-connections.js';
import { prepareRequest, type PreparedRequest } from './prepared-request.js';
import type { Proxy } from './proxy.js';
import { createProxyAgent } from './proxy-agent.js';
import { hideSignature, type Hide, type Signer, type UserSig } from './user-sig.js';

export interface SignedRequest extends PreparedRequest {
  /** Where it goes, without the query: that holds the signature. */
  readonly url: string;
  /** The signature it carries. */
  readonly sig: UserSig;
}

export interface ApiClient {
  /** Builds a request for one room and takes a connection for it; sends nothing yet. */
  prepareDestroy(roomId: string): SignedRequest;
  /** The same for requests that only read: one room, its totals, a page of those that are live. */
  prepareRoomInfo(roomId: string): SignedRequest;
  prepareRoomStats(roomId: string): SignedRequest;
  /** @param next - where the page begins, from the one before it; empty: the first. */
  prepareRoomList(next: string): SignedRequest;
  /** Closes the connections that are kept. */
  close(): void;
}

export interface ApiClientOptions {
  credentials: Credentials;
  /** Base URL, without a trailing slash. */
  endpoint: string;
  signer: Signer;
  /** Through which the API is reached; default: directly. */
  proxy?: Proxy | undefined;
  requestTimeoutMs: number;
  /** Told the headers of each reply. */
  onHeaders?: (headers: http.IncomingHttpHeaders) => void;
  /** How long a connection is kept without a request, in milliseconds. Default 15,000. */
  idleLimitMs?: number;
}

/**
 * Whether the other end of an idle connection is still there, nobody knows. Node keeps one
 * for good, and by itself ignores the time that the server says it keeps it: after something
 * on the way has forgotten them, each dead one costs a whole attempt, that is a timeout and
 * a retry.
 */
const defaultIdleLimitMs = 15_000;

export function createApiClient(options: ApiClientOptions): ApiClient {
  const { credentials, endpoint, signer, idleLimitMs = defaultIdleLimitMs } = options;
  const { onHeaders, proxy, requestTimeoutMs: timeoutMs } = options;
  // The agent closes what was idle for that long; a request that waits is not idle to it.
  // Whatever NODE_TLS_REJECT_UNAUTHORIZED says: a request carries the signature.
  const kept = { keepAlive: true, timeout: idleLimitMs, rejectUnauthorized: true };
  const closing = new AbortController();
  setMaxListeners(0, closing.signal);
  const agent = {
    http: closingOnBytes(new http.Agent(kept)),
    https: closingOnBytes(
      proxy === undefined
        ? new https.Agent(kept)
        : createProxyAgent(proxy, { ...kept, host: hostOf(endpoint), signal: closing.signal }),
    ),
  };
  const repeated = createRepeatedAnswers();
  const client = got.extend({
    agent,
    headers: { 'content-type': 'application/json', 'user-agent': 'room-reaper' },
    // Attempts are ours to count, each with its own slot.
    retry: { limit: 0 },
    // A redirect would carry the signature to another host.
    followRedirect: false,
    throwHttpErrors: false,
    // Nobody asks for an encoding, and what comes packed all the same is unpacked here.
    decompress: false,
  });
  const fixed = new URLSearchParams({
    sdkappid: String(credentials.sdkAppId),
    identifier: credentials.adminIdentifier,
    contenttype: 'json',
  }).toString();

  let hidden: { sig: UserSig; hide: Hide } | undefined;

  /** Whatever answers may repeat the request's URL; what it says reaches logs and the ledger. */
  function hiding(sig: UserSig): Hide {
    if (hidden?.sig !== sig) hidden = { sig, hide: hideSignature(sig.text) };
    return hidden.hide;
  }

  function prepare(command: string, asked: Record<string, unknown>): SignedRequest {
    const sig = signer.current();
    // A new random for each attempt, an unsigned 32-bit integer.
    const random = randomInt(0, 2 ** 32);
    const query = `${fixed}&usersig=${encodeURIComponent(sig.text)}&random=${random}`;
    const body = JSON.stringify(asked);
    const url = `${endpoint}/${command}`;
    const prepared = prepareRequest(client, url, query, body, {
      ...{ timeoutMs, repeated, onHeaders },
      hide: hiding(sig),
    });
    return { ...prepared, url, sig };
  }

  return {
    prepareDestroy: (roomId) => prepare(destroyRoomCommand, { RoomId: roomId }),
    prepareRoomInfo: (roomId) => prepare(roomInfoCommand, { RoomId: roomId }),
    prepareRoomStats: (roomId) => prepare(roomStatsCommand, { RoomId: roomId }),
    prepareRoomList: (next) => prepare(roomListCommand, { Next: next, Count: roomsPerPage }),
    close() {
      agent.http.destroy();
      agent.https.destroy();
      closing.abort();
    },
  };
}
