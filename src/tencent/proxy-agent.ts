/** Connections to the API through a proxy's tunnel. */
import { EventEmitter } from 'node:events';
import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { checkServerIdentity as checkIdentity, type PeerCertificate } from 'node:tls';
import { HttpsProxyAgent } from 'https-proxy-agent';
import { proxyRefused } from './answer.js';
import type { Proxy } from './proxy.js';

/**
 * @param options - of its connections: of those to the proxy, and of those through it.
 * @param options.host - of the API.
 * @param options.signal - ends them all, those too whose way the proxy has not given yet.
 */
export function createProxyAgent(
  { shown, authorization }: Proxy,
  options: {
    host: string;
    keepAlive: boolean;
    timeout?: number;
    rejectUnauthorized: boolean;
    signal: AbortSignal;
  },
): HttpsProxyAgent<string> {
  // Not in its URL: the package tells debug logs of that.
  const headers = authorization === undefined ? {} : { 'Proxy-Authorization': authorization };
  const { host, ...ofProxy } = options;
  const agent = new HttpsProxyAgent(shown, { ...ofProxy, headers });
  const { keepAlive, timeout, rejectUnauthorized } = options;
  // The package forgets them, and of an address whose the certificate must be.
  const checkServerIdentity = (_host: string, certificate: PeerCertificate) =>
    checkIdentity(host, certificate);
  Object.assign(agent.options, { keepAlive, timeout, rejectUnauthorized, checkServerIdentity });
  return agent;
}

/** The code of an attempt to which the proxy gave no way; undefined: it did. */
export function refusalOf({ statusCode }: Pick<IncomingMessage, 'statusCode'>): string | undefined {
  return statusCode === 200 ? undefined : `${proxyRefused}${statusCode}`;
}

/**
 * A connection through the proxy on which nothing was sent.
 *
 * @throws the error of Node, or one with the code of {@link refusalOf}.
 */
export async function openTunnel(
  proxy: Proxy,
  target: { host: string; port: number },
  signal: AbortSignal,
): Promise<Socket> {
  const agent = createProxyAgent(proxy, {
    ...{ host: target.host, keepAlive: false, rejectUnauthorized: true, signal },
  });
  const request = new EventEmitter();
  let refusal: string | undefined;
  request.once('proxyConnect', (answer: IncomingMessage) => (refusal = refusalOf(answer)));
  // It is only told of events.
  const socket = await agent.connect(request as ClientRequest, {
    ...target,
    secureEndpoint: false,
  });
  if (refusal !== undefined) throw Object.assign(new Error('the proxy refused'), { code: refusal });
  return socket;
}
