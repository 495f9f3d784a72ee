/**
 * The HTTP application: routes of the table, and what holds for all of them. A request is looked at
 * in this order: host, path and method, site, token, role, and only then what it carries.
 */
import { Hono, type Context } from 'hono';
import type { IncomingMessage } from 'node:http';
import { problemResponse, HttpProblem } from './problem.js';
import { authenticate, checkHost, checkSite, hasBearer, type Caller } from './guard.js';
import { toResponse } from './answer.js';
import { mayUse, type Route } from './route.js';
import { readJson, readKey, readQuery, check } from './read-request.js';
import type { ServerContext } from './context.js';

export interface AppOptions {
  /** Begins and does not end with a slash, or is empty. */
  basePath: string;
  allowedHosts: readonly string[];
  routes: readonly Route[];
}

const headersOfAll = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
} as const;

/** The path of the route that answers; undefined: there is none. */
interface Env {
  Variables: { path?: string };
}

const nobody: Caller = { principal: { name: '', role: 'viewer' }, way: 'api' };

/** @returns what answers a request. */
export function createApp(
  context: ServerContext,
  options: AppOptions,
): (request: Request, env?: object) => Promise<Response> {
  const { basePath, allowedHosts, routes } = options;
  const app = new Hono<Env>();
  app.use(async (c, next) => {
    const beganAt = performance.now();
    await next();
    const { method } = c.req;
    const asked = { method, path: c.get('path') };
    context.metrics.answered(asked, c.res.status, performance.now() - beganAt);
  });
  app.use((c, next) => {
    checkHost(c.req.header('Host'), allowedHosts);
    return next();
  });
  app.onError((error) => {
    const response = problemResponse(error);
    if (response.status === 500) context.log.error({ err: error }, 'a request ended with a bug');
    return response;
  });
  app.notFound(() => {
    throw new HttpProblem('NO_SUCH_PATH', 'there is nothing under this path', {
      remedy: `GET ${basePath}/v1/openapi.json lists all`,
    });
  });
  for (const [path, methods] of byPath(routes)) {
    const pattern = path.replace(/\{(\w+)\}/g, ':$1');
    const isProbe = methods.some((each) => each.isProbe);
    const places = isProbe && basePath !== '' ? ['', basePath] : [basePath];
    for (const place of places) {
      for (const each of methods) {
        app.on(each.method.toUpperCase(), place + pattern, (c) => answerRoute(each, context, c));
      }
      app.all(place + pattern, () => {
        const allow = methods.map(({ method }) => method.toUpperCase());
        if (allow.includes('GET')) allow.push('HEAD');
        throw new HttpProblem('WRONG_METHOD', `the method must be ${allow.join(' or ')}`, {
          headers: { Allow: allow.join(', ') },
        });
      });
    }
  }
  return async (request, env) => {
    const response = await app.fetch(request, env);
    for (const [name, value] of Object.entries(headersOfAll)) {
      if (!response.headers.has(name)) response.headers.set(name, value);
    }
    if (context.closing.aborted) response.headers.set('Connection', 'close');
    return response;
  };
}

async function answerRoute(
  each: Route,
  context: ServerContext,
  c: Context<Env>,
): Promise<Response> {
  const request = c.req.raw;
  c.set('path', each.path);
  checkSite(request, context);
  const url = new URL(request.url);
  // A token goes before a signature: a copy that is passed on has both.
  const signer = hasBearer(request) ? undefined : each.signedBy?.(url, context);
  const known = each.role === 'none' ? nobody : signer;
  const { principal, way } = known ?? (await authenticate(request, context));
  if (!mayUse(each, principal)) {
    throw new HttpProblem('FORBIDDEN', `the token must have another role than ${principal.role}`);
  }
  const query = readQuery(url, each.query);
  const path = each.parameters && check(each.parameters, c.req.param());
  const { incoming } = c.env as { incoming: IncomingMessage };
  const body = each.body && (await readJson(incoming, each.body, context.limits));
  const key = each.takesKey === true ? readKey(request) : undefined;
  const asked = { context, principal, way, path, query, body, request, incoming, key };
  return toResponse(await each.handle(asked));
}

function byPath(routes: readonly Route[]): Map<string, Route[]> {
  const found = new Map<string, Route[]>();
  for (const each of routes) found.set(each.path, [...(found.get(each.path) ?? []), each]);
  return found;
}
