/** The way to the API: name, connection, certificate, and one signed call that changes nothing. */
import { randomUUID } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import net from 'node:net';
import tls from 'node:tls';
import { proxyRefused, type Answer } from '../tencent/answer.js';
import { createApiClient } from '../tencent/client.js';
import type { Credentials } from '../tencent/credentials.js';
import { hostOf } from '../tencent/endpoint.js';
import type { Proxy } from '../tencent/proxy.js';
import { openTunnel } from '../tencent/proxy-agent.js';
import { createSigner } from '../tencent/user-sig.js';
import { judge } from '../tencent/verdicts.js';
import { offsetOfDate } from './clock.js';
import { ok, problem, warning, type Finding } from './finding.js';
import { checkLimitMs, reasonOf, within } from '../time-limit.js';

export interface Certificate {
  /** Milliseconds since the epoch. */
  validToMs: number;
  /** Why Node does not trust it; undefined: it does. */
  distrust: string | undefined;
}

export interface Reached {
  /** How long the TCP connection took, in milliseconds. */
  connectMs: number;
  /** undefined for plain http on loopback. */
  certificate: Certificate | undefined;
}

/**
 * Connects and looks at the certificate. Not one byte of a request is sent.
 *
 * @throws the error of Node, with its code.
 */
export async function reach(endpoint: string, proxy: Proxy | undefined): Promise<Reached> {
  const url = new URL(endpoint);
  const host = hostOf(endpoint);
  const port = Number(url.port) || (url.protocol === 'https:' ? 443 : 80);
  await within(checkLimitMs, lookup(proxy?.host ?? host));
  const from = performance.now();
  const closing = new AbortController();
  const { signal } = closing;
  try {
    const opening =
      proxy === undefined
        ? openSocket({ host, port, signal })
        : openTunnel(proxy, { host, port }, signal);
    const socket = await within(checkLimitMs, opening);
    const connectMs = performance.now() - from;
    if (url.protocol !== 'https:') return { connectMs, certificate: undefined };
    // Distrust is the finding here and not the end: this connection carries no request.
    const secure = tls.connect({
      socket,
      host,
      ...(net.isIP(host) === 0 ? { servername: host } : {}),
      rejectUnauthorized: false,
    });
    await within(checkLimitMs, occurs(secure, 'secureConnect'));
    const { valid_to: validTo } = secure.getPeerCertificate();
    const distrust = secure.authorized ? undefined : reasonOf(authorizationError(secure));
    secure.destroy();
    return { connectMs, certificate: { validToMs: Date.parse(validTo), distrust } };
  } finally {
    closing.abort();
  }
}

async function openSocket(options: net.NetConnectOpts): Promise<net.Socket> {
  const socket = net.connect(options);
  await occurs(socket, 'connect');
  return socket;
}

/** Node's types say Error; what comes is its code as text. */
function authorizationError(socket: tls.TLSSocket): unknown {
  const { authorizationError: error } = socket as { authorizationError: unknown };
  return typeof error === 'string' ? { code: error } : error;
}

function occurs(socket: net.Socket, event: 'connect' | 'secureConnect'): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once(event, resolve);
    socket.on('error', reject);
    socket.once('close', () => reject(Object.assign(new Error('closed'), { code: 'ECONNRESET' })));
  });
}

/** So long before its end a certificate should be renewed, in milliseconds. */
const renewalMs = 14 * 86_400_000;

export function judgeReached(
  reached: Reached,
  endpoint: string,
  nowMs: number,
  proxy?: Proxy,
): Finding[] {
  const { connectMs, certificate } = reached;
  const connected = ok(`${endpoint} is reached in ${connectMs.toFixed(1)} ms${through(proxy)}`);
  return certificate === undefined
    ? [connected]
    : [connected, judgeCertificate(certificate, nowMs)];
}

function judgeCertificate({ validToMs, distrust }: Certificate, nowMs: number): Finding {
  const until = new Date(validToMs).toISOString().slice(0, 10);
  const days = Math.floor((validToMs - nowMs) / 86_400_000);
  if (validToMs < nowMs) {
    return problem(
      `its certificate expired on ${until}`,
      'check the clock of this machine; else renew it, or have its owner do so',
    );
  }
  if (distrust !== undefined) {
    return problem(
      `its certificate is not trusted: ${distrust}`,
      'check TENCENT_ENDPOINT and any proxy on the way; a private authority is made known to Node with NODE_EXTRA_CA_CERTS',
    );
  }
  if (validToMs - nowMs < renewalMs) {
    return warning(
      `its certificate expires in ${days} days, on ${until}`,
      'renew it, or have its owner do so',
    );
  }
  return ok(`its certificate is trusted, for ${days} more days`);
}

function through(proxy: Proxy | undefined): string {
  return proxy === undefined ? '' : ` through the proxy ${proxy.shown}`;
}

export function judgeUnreached(error: unknown, endpoint: string, proxy?: Proxy): Finding {
  const reason = reasonOf(error);
  return problem(
    `${endpoint} cannot be reached${through(proxy)}: ${reason}`,
    remedyOf(reason, proxy),
  );
}

function remedyOf(reason: string, proxy: Proxy | undefined): string {
  if (reason === `${proxyRefused}407`) return 'check the user and the password in HTTPS_PROXY';
  if (proxy !== undefined) {
    return 'check HTTPS_PROXY, and whether the proxy lets this machine reach that host; NO_PROXY names hosts that are reached without it';
  }
  return /^(ENOTFOUND|EAI_AGAIN|EAI_FAIL|EAI_NODATA)$/.test(reason)
    ? 'check TENCENT_ENDPOINT, and the name servers of this machine'
    : 'check TENCENT_ENDPOINT or TENCENT_REGION, and firewalls on the way';
}

export interface SignedCall {
  answer: Answer;
  tookMs: number;
  /** The endpoint's clock minus this machine's, in milliseconds. */
  clockOffsetMs: number | undefined;
}

/**
 * Asks, signed, about a room that cannot exist. get_room_info reads and never changes a room,
 * and has a quota of its own, so this takes no slot and destroys nothing.
 */
export async function callSigned(
  endpoint: string,
  credentials: Credentials,
  requestTimeoutMs: number,
  proxy: Proxy | undefined,
): Promise<SignedCall> {
  let date: string | undefined;
  const client = createApiClient({
    ...{ credentials, endpoint, proxy, signer: createSigner(credentials) },
    requestTimeoutMs: Math.min(requestTimeoutMs, checkLimitMs - 1_000),
    onHeaders: (headers) => {
      date = headers.date;
    },
  });
  try {
    const request = client.prepareRoomInfo(`doctor-${randomUUID()}`);
    await request.ready;
    await request.readOnceMore();
    const sentAtMs = Date.now();
    const from = performance.now();
    const answer = await request.release();
    const tookMs = performance.now() - from;
    return { answer, tookMs, clockOffsetMs: offsetOfDate(date, sentAtMs, sentAtMs + tookMs) };
  } finally {
    client.close();
  }
}

/** The text of a reply is not shown: an endpoint that is not the API's could repeat the signature in it. */
export function judgeCall({ answer, tookMs }: SignedCall): Finding {
  const verdict = judge(answer);
  const code = answer.kind === 'reply' ? ` (${answer.errorCode})` : '';
  const told = `${verdict.reason}${code}`;
  switch (verdict.word) {
    case 'gone':
    case 'destroyed':
      return ok(
        `the API took the signature in ${tookMs.toFixed(1)} ms: app, key, account and region are right`,
      );
    case 'rejected':
      return warning(
        `the API took the signature, and refused to tell about a room: ${told}`,
        'see whether Live is enabled for the app in the console',
      );
    case 'over_quota':
      return warning(
        `not tried: ${told}`,
        'run doctor again; if it stays, other programs use up the quota',
      );
    case 'stale_signature':
    case 'stop_line':
      return problem(`the API refused: ${told}`, verdict.remedy);
    case 'transient':
      return problem(
        `the API gave no usable answer: ${told}`,
        'run doctor again; if it stays, check TENCENT_ENDPOINT and any proxy on the way, or the status page of the API',
      );
    default:
      return verdict.word satisfies never;
  }
}
