/** `/metrics`, `/livez` and `/readyz` on a port of their own, for whatever watches this process. */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';
import { ReaperError } from './errors.js';
import { reasonOf, TooSlow, within } from './time-limit.js';

/** A store that does not answer within this is not ready, in milliseconds. */
const answerLimitMs = 1_000;

/**
 * Asks stores whether they answer, by name. One that is slow goes on being asked: questions do
 * not pile up behind it.
 *
 * @returns why it is not ready, by store; nothing where all of them answered within a second.
 */
export function readinessOf(
  stores: Readonly<Record<string, () => Promise<unknown>>>,
): () => Promise<string[]> {
  const asked = new Map<string, Promise<unknown>>();
  return async () => {
    const troubles = await Promise.all(
      Object.entries(stores).map(async ([name, ask]) => {
        const asking = asked.get(name) ?? ask().finally(() => asked.delete(name));
        asked.set(name, asking);
        try {
          await within(answerLimitMs, asking);
          return [];
        } catch (error) {
          const reason = error instanceof TooSlow ? 'does not answer' : reasonOf(error);
          return [`${name}: ${reason}`];
        }
      }),
    );
    return troubles.flat();
  };
}

/**
 * These count what is there now, under names that end like those of counters: Prometheus' own
 * checker refuses them.
 */
const misnamed = ['handles', 'requests', 'resources'].map(
  (what) => `room_reaper_nodejs_active_${what}_total`,
);

/** A registry with what every process has: memory, CPU, and by how much its event loop lags. */
export async function openRegistry(): Promise<Registry> {
  const { Registry, collectDefaultMetrics } = await import('prom-client');
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: 'room_reaper_' });
  for (const name of misnamed) registry.removeSingleMetric(name);
  return registry;
}

export interface MetricsEndpoint {
  readonly port: number;
  /** Not ready from now on; what is asked is answered until it is closed. */
  drain(): void;
  close(): Promise<void>;
}

/** Most connections at once: a scraper or two and a few probes. */
const mostConnections = 50;

/**
 * Listens on all addresses: whoever scrapes it is elsewhere. It shows nothing that is secret.
 *
 * - `/livez` looks at this process only. A store that is away is no reason to start it again.
 * - `/readyz` says whether the stores answered, and that it is not ending. A stopped line is ready:
 *   an alarm is not a broken server.
 *
 * @param port - 0: any that is free.
 * @throws ReaperError `INVALID` where the port cannot be had.
 */
export async function openMetricsEndpoint(options: {
  port: number;
  registry: { metrics(): Promise<string>; readonly contentType: string };
  readiness: () => Promise<string[]>;
}): Promise<MetricsEndpoint> {
  const { port, registry, readiness } = options;
  let isDraining = false;

  async function answer(path: string): Promise<Answer> {
    switch (path) {
      case '/metrics':
        return { type: registry.contentType, body: await registry.metrics() };
      case '/livez':
        return health([]);
      case '/readyz':
        return health(isDraining ? ['it is ending'] : await readiness());
      default:
        return plain(404, 'there is /metrics, /livez and /readyz');
    }
  }

  const server = createServer((request, response) => {
    const { method = '', url = '' } = request;
    if (method !== 'GET' && method !== 'HEAD') {
      response.setHeader('Allow', 'GET, HEAD');
      send(response, plain(405, 'only GET and HEAD are answered'));
      return;
    }
    answer(url.split('?', 1).join('')).then(
      (answered) => send(response, answered),
      (error: unknown) => send(response, plain(500, `it cannot be told: ${reasonOf(error)}`)),
    );
  });
  server.maxConnections = mostConnections;
  server.requestTimeout = 10_000;
  server.listen(port);
  try {
    await once(server, 'listening');
  } catch (error) {
    throw new ReaperError(
      'INVALID',
      `METRICS_PORT (of the worker of \`serve\`: WORKER_METRICS_PORT) must be a port that is free, got ${port}: ${reasonOf(error)}`,
      { cause: error },
    );
  }
  return {
    port: (server.address() as AddressInfo).port,
    drain() {
      isDraining = true;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

interface Answer {
  status?: number;
  type: string;
  body: string;
}

/** Whatever watches looks at the status; the rest is for people. */
function health(troubles: readonly string[]): Answer {
  const ok = troubles.length === 0;
  const body = `${JSON.stringify({ ok, troubles })}\n`;
  return { status: ok ? 200 : 503, type: 'application/json', body };
}

function plain(status: number, text: string): Answer {
  return { status, type: 'text/plain', body: `${text}\n` };
}

function send(response: ServerResponse, { status = 200, type, body }: Answer): void {
  response.writeHead(status, {
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
  });
  response.end(body);
}
