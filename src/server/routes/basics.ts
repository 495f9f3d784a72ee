/** What the server says of itself: health, who asks, and what can be asked. */
import { z } from '@hono/zod-openapi';
import { readHealth } from '../../operations/health.js';
import { roles } from '../../operations/tokens.js';
import { describeApi, type ApiFacts } from '../openapi.js';
import { route, type Route } from '../route.js';

const livez = route(
  {
    ...{ method: 'get', path: '/livez', role: 'none' },
    summary: 'Whether the process is alive. It asks no store.',
    answers: { 200: { means: 'it is', schema: z.object({ alive: z.literal(true) }) } },
  },
  () => Promise.resolve({ json: { alive: true } }),
);

const readyz = route(
  {
    ...{ method: 'get', path: '/readyz', role: 'none' },
    summary: 'Whether the stores answer, and shutdown has not begun. A stopped line is ready.',
    answers: {
      200: { means: 'ready', schema: z.object({ ready: z.boolean() }) },
      503: { means: 'not ready: which store does not answer, or closing' },
    },
  },
  async ({ context: { service, closing } }) => {
    if (closing.aborted) return { status: 503, json: { ready: false, closing: true } };
    const health = await readHealth(service);
    const ready = health.queue && health.ledger;
    return { status: ready ? 200 : 503, json: { ready, ...health } };
  },
);

const me = route(
  {
    ...{ method: 'get', path: '/v1/me', role: 'any' },
    summary: 'Whose the token is, and what it may.',
    answers: {
      200: { means: 'name and role', schema: z.object({ name: z.string(), role: z.enum(roles) }) },
    },
  },
  ({ principal: { name, role } }) => Promise.resolve({ json: { name, role } }),
);

/** @param others - all but these. */
export function basicRoutes(others: readonly Route[], facts: ApiFacts): Route[] {
  const all: Route[] = [livez, readyz, me, ...others];
  let document: object | undefined;
  const openapi = route(
    {
      ...{ method: 'get', path: '/v1/openapi.json', role: 'any' },
      summary: 'The OpenAPI 3.1 document of this API.',
      answers: { 200: { means: 'the document' } },
    },
    () => Promise.resolve({ json: (document ??= describeApi(all, facts)) }),
  );
  all.push(openapi);
  return all;
}
