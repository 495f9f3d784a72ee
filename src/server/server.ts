/**
 * The HTTP server: opens the stores, listens, and ends in order.
 *
 * Told to stop, it answers `/readyz` with 503 and refuses new requests with 503, while those under
 * way come to their end: long polls at once, the others within ten seconds. Then it closes its
 * connections and the stores.
 */
import { getRequestListener } from '@hono/node-server';
import { once, setMaxListeners } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { isIPv6, type AddressInfo, type Socket } from 'node:net';
import type { Logger } from 'pino';
import type { Config, InspectedConfig } from '../config.js';
import { examine, findingsJson } from '../doctor/examine.js';
import { ReaperError } from '../errors.js';
import { readRates } from '../operations/find-batch.js';
import { startHistory } from '../operations/history.js';
import { questionsTo } from '../operations/health.js';
import { startNotifier } from '../operations/notify.js';
import { keepListsGoing, type ListKeeper } from '../operations/list-keeper.js';
import { openService, type Service } from '../operations/service.js';
import { createStatusReader, statusJson, type Status } from '../operations/status.js';
import { sourcesOf } from '../operations/status-sources.js';
import { takeEvents } from '../operations/webhook.js';
import { openSessionBook } from '../operations/sessions.js';
import {
  createSignInLink,
  createToken,
  listTokens,
  openTokenBook,
  revokeToken,
} from '../operations/tokens.js';
import { configuredProtection } from '../protected-rooms.js';
import { within } from '../time-limit.js';
import { openMetricsEndpoint, readinessOf, type MetricsEndpoint } from '../metrics-endpoint.js';
import { createApp } from './app.js';
import type { ServerContext } from './context.js';
import { sessionCookie } from './cookie.js';
import { throwAwayRest, usualLimits, type Limits } from './limits.js';
import { createServerMetrics } from './metrics.js';
import { HttpProblem, problemResponse } from './problem.js';
import { allRoutes } from './routes.js';
import { createSnapshot } from './snapshot.js';

export interface HttpServer {
  /** Where it listens, with the base path and without a slash at the end. */
  readonly url: string;
  /** Of a demo: for whoever tries it. */
  readonly token: string | undefined;
  /** Signs a browser in, once; undefined: there is a token, or nobody may see the link. */
  readonly signInUrl: string | undefined;
  /** Ends in order. @param meanwhile - what must have ended before the stores are closed. */
  close(meanwhile?: Promise<void>): Promise<void>;
}

export interface ServerOptions {
  /** Makes a token that counts for a day: for whoever tries it. */
  makesToken?: boolean;
  /** Somebody sees a sign-in link, and no journal keeps it. */
  showsLink?: boolean;
  /** Of this package. */
  version: string;
  log: Logger;
  /** The configuration as the doctor looks at it. */
  inspected: InspectedConfig;
  /** Told, once, what a user of the embedded default should know. */
  onNotice: (message: string) => void;
  /** Others than usual. */
  limits?: Partial<Limits>;
}

/** Proxies keep connections for 60 s: one that we closed first would be a 502 of theirs. */
const keepAliveMs = 75_000;

/** How long what is under way may take after the server was told to stop, in milliseconds. */
const graceMs = 10_000;

/** How long one look at the status, and at how fast batches move, counts, in milliseconds. */
const lookMs = { servers: 1_000, embedded: 5_000 };

/** How long what the doctor found counts, in milliseconds: it asks the API. */
const doctorMs = 60_000;

/** How long a server is waited for in a status, in milliseconds. */
const storeLimitMs = 3_000;

/**
 * @throws ReaperError `UNAVAILABLE` where the stores cannot be reached, `REFUSED` where there is no
 *   token and others than this machine could ask, `INVALID` where it cannot listen.
 */
export async function startServer(config: Config, options: ServerOptions): Promise<HttpServer> {
  const { log, onNotice } = options;
  const freshMs = config.databaseUrl === 'embedded' ? lookMs.embedded : lookMs.servers;
  const often = { freshMs, staleMs: freshMs };
  const opened = await openService(config, {
    ...{ onNotice, failFast: true },
    onQueueError: (error) => log.warn({ err: error }, 'trouble with the queue'),
  });
  const rates = createSnapshot(often, () => readRates(opened));
  const service = { ...opened, readRates: async () => (await rates()).value };
  let keeper: ListKeeper | undefined;
  let endpoint: MetricsEndpoint | undefined;
  try {
    // Beside a file of tokens it would not count.
    const makesToken = options.makesToken === true && config.serveTokensFile === undefined;
    const token = makesToken ? await makeDemoToken(service) : undefined;
    const tokens = openTokenBook(service, config.serveTokensFile);
    options.inspected.warnings.forEach(onNotice);
    const isNobodys = await tokens.isEmpty();
    if (isNobodys && !isLoopback(config.serveHost)) throw tokenless(config);
    const offersLink = options.showsLink && (isNobodys || token !== undefined);
    const link = offersLink ? await makeLink(service) : undefined;
    if (isNobodys && link === undefined)
      onNotice(`nobody has a token yet, so nobody can ask; ${makeOne(config)}`);
    const closing = new AbortController();
    // Each request that waits listens to it.
    setMaxListeners(0, closing.signal);
    const status = createSnapshot(often, lookAtStatus(service), statusJson);
    const doctor = createSnapshot({ freshMs: doctorMs }, async () =>
      findingsJson(await examine(options.inspected, Date.now)),
    );
    const protection = { rooms: configuredProtection(config.protectedRoomsFile), patterns: [] };
    keeper = keepListsGoing(service, (error) =>
      log.warn({ err: error }, 'a list waits to be put on the queue'),
    );
    const metrics = await createServerMetrics(service, status);
    const readiness = readinessOf(questionsTo(service));
    const basePath = config.serveBasePath.replace(/\/$/, '');
    const context: ServerContext = {
      ...{ service, basePath, protection, keeper, tokens, log, status, doctor },
      ...{ metrics, readiness, limits: { ...usualLimits, ...options.limits } },
      events: takeEvents(service),
      sessions: openSessionBook(service, tokens),
      cookie: sessionCookie(config.sdkAppId, basePath),
      closing: closing.signal,
    };
    endpoint = await openEndpoint(context, config.metricsPort);
    const listener = createListener(context, config, options.version);
    const server = await listen(config, listener, context.limits);
    const minutes = startHistory(service, log);
    const notifier = config.notify && startNotifier(service, { ...config.notify, log });
    return {
      url: urlOf(server, config),
      token,
      signInUrl: link && `${urlOf(server, config)}/#sign-in=${link}`,
      async close(meanwhile) {
        closing.abort();
        endpoint?.drain();
        await Promise.all([
          meanwhile,
          closeServer(server),
          ...[context.keeper.close(), minutes.close(), notifier?.close()],
        ]);
        await endpoint?.close();
        await service.close();
      },
    };
  } catch (error) {
    await endpoint?.close();
    await keeper?.close();
    await service.close();
    throw error;
  }
}

/** Metrics and health again, on a port that may be open to others than the API. */
async function openEndpoint(
  { metrics: registry, readiness }: ServerContext,
  port: number | undefined,
): Promise<MetricsEndpoint | undefined> {
  if (port === undefined) return undefined;
  return openMetricsEndpoint({ port, registry, readiness });
}

const demoToken = { name: 'demo', role: 'operator', by: 'a demo' } as const;

async function makeDemoToken(service: Service): Promise<string> {
  const known = (await listTokens(service)).some(({ name }) => name === demoToken.name);
  if (known) await revokeToken(service, demoToken.name);
  return createToken(service, { ...demoToken, expiresAtMs: Date.now() + 86_400_000 });
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d+){3}$/.test(host);
}

/** For whoever started it on this machine. Where a file says who may ask, nobody else does. */
async function makeLink(service: Service): Promise<string | undefined> {
  const { serveHost, serveTokensFile } = service.config;
  if (serveTokensFile !== undefined || !isLoopback(serveHost)) return undefined;
  return createSignInLink(service);
}

function makeOne({ serveTokensFile, serveHost }: Config): string {
  if (serveTokensFile !== undefined) return 'add a line to SERVE_TOKENS_FILE: NAME operator TOKEN';
  const make = 'make one: room-reaper token create --name NAME --role operator';
  if (!isLoopback(serveHost)) return make;
  return `${make}. Started on a terminal, serve prints a link that signs a browser in`;
}

function tokenless(config: Config): ReaperError {
  return new ReaperError(
    'REFUSED',
    `there must be a token where others than this machine can ask (SERVE_HOST is ${config.serveHost}), got none; ${makeOne(config)}`,
  );
}

function lookAtStatus(service: Service): () => Promise<Status> {
  const isEmbedded = service.config.databaseUrl === 'embedded';
  return createStatusReader(sourcesOf(service), undefined, isEmbedded ? undefined : storeLimitMs);
}

type Listener = (incoming: IncomingMessage, outgoing: ServerResponse) => void;

function createListener(context: ServerContext, config: Config, version: string): Listener {
  const { basePath } = context;
  const answer = createApp(context, {
    ...{ basePath, allowedHosts: config.serveAllowedHosts },
    routes: allRoutes({ version, basePath, cookieName: context.cookie.name }),
  });
  const listener = getRequestListener(
    async (request, env) => {
      const response = await answer(request, env);
      throwAwayRest(env.incoming as IncomingMessage, context.limits, context.closing);
      return response;
    },
    {
      // What it cannot make a URL of.
      errorHandler: () =>
        problemResponse(new HttpProblem('MALFORMED', 'the request must have a URL')),
      overrideGlobalObjects: false,
      // It would close the connection after half a second.
      autoCleanupIncoming: false,
    },
  );
  return (incoming, outgoing) => void listener(incoming, outgoing);
}

async function listen(
  config: Config,
  listener: Listener,
  { headersMs, idleMs, mostConnections }: Limits,
): Promise<Server> {
  const server = createServer(
    {
      ...{ keepAliveTimeout: keepAliveMs, headersTimeout: headersMs, requestTimeout: 0 },
      // How often it looks for headers that take too long.
      connectionsCheckingInterval: headersMs / 4,
    },
    listener,
  );
  server.maxConnections = mostConnections;
  server.setTimeout(idleMs);
  server.on('clientError', refuseUnread);
  server.listen(config.servePort, config.serveHost);
  try {
    await once(server, 'listening');
    return server;
  } catch (cause) {
    const { code = 'an error' } = cause as NodeJS.ErrnoException;
    throw new ReaperError(
      'INVALID',
      `SERVE_HOST and SERVE_PORT must be where this machine can listen, got ${code} for ${config.serveHost}, ${config.servePort}; take another`,
      { cause },
    );
  }
}

/** Node could not read it as HTTP, and has no request of it. */
function refuseUnread(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const [status, title] =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? [431, 'Request Header Fields Too Large']
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? [408, 'Request Timeout']
        : [400, 'Bad Request'];
  const body = JSON.stringify({ type: 'about:blank', title, status, code: 'MALFORMED' });
  socket.end(
    `HTTP/1.1 ${status} ${title}\r\nConnection: close\r\nContent-Type: application/problem+json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
}

function urlOf(server: Server, { serveHost, serveBasePath }: Config): string {
  const { port } = server.address() as AddressInfo;
  const host = isIPv6(serveHost) ? `[${serveHost}]` : serveHost;
  return `http://${host}:${port}${serveBasePath.replace(/\/$/, '')}`;
}

async function closeServer(server: Server): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  server.closeIdleConnections();
  await within(graceMs, closed).catch(() => server.closeAllConnections());
}
