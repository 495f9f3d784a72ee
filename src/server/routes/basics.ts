/** What the server says of itself: health, who asks, and what can be asked. */
import { z } from '@hono/zod-openapi';
import { roles } from '../../operations/tokens.js';
import { describeApi, type ApiFacts } from '../openapi.js';
import { route, type Route } from '../route.js';

const health = z.object({
  ok: z.boolean(),
  troubles: z.array(z.string()).meta({ description: 'which store, and why' }),
});

const livez = route(
  {
    ...{ method: 'get', path: '/livez', role: 'none', isProbe: true },
    summary: 'Whether the process is alive. It asks no store.',
    answers: { 200: { means: 'it is', schema: health } },
  },
  () => Promise.resolve({ json: { ok: true, troubles: [] } }),
);

const readyz = route(
  {
    ...{ method: 'get', path: '/readyz', role: 'none', isProbe: true },
    summary: 'Whether the stores answer, and shutdown has not begun. A stopped line is ready.',
    answers: {
      200: { means: 'ready', schema: health },
      503: { means: 'a store does not answer, or it is ending', schema: health },
    },
  },
  async ({ context: { readiness, closing } }) => {
    const troubles = closing.aborted ? ['it is ending'] : await readiness();
    const ok = troubles.length === 0;
    return { status: ok ? 200 : 503, json: { ok, troubles } };
  },
);

const metrics = route(
  {
    ...{ method: 'get', path: '/metrics', role: 'none', isProbe: true },
    summary: 'What is global, for Prometheus.',
    answers: { 200: { means: 'the text format of Prometheus', types: ['text/plain'] } },
  },
  async ({ context: { metrics: told } }) => ({
    text: await told.metrics(),
    headers: { 'Content-Type': told.contentType },
  }),
);

/** What a page says of the server, whatever else it shows. */
const server = z.object({
  version: z.string(),
  sdkAppId: z.int(),
  endpoint: z.string().meta({ description: 'where requests go' }),
  ratePerSecond: z.number().meta({ description: 'the quota' }),
  label: z.object({ text: z.string(), colour: z.string() }).nullable(),
});

const me = ({ version }: ApiFacts) =>
  route(
    {
      ...{ method: 'get', path: '/v1/me', role: 'any' },
      summary: 'Whose the token is, what it may, and where one is.',
      answers: {
        200: {
          means: 'name, role and server',
          schema: z.object({ name: z.string(), role: z.enum(roles), server }),
        },
      },
    },
    ({ principal: { name, role }, context }) => {
      const { sdkAppId, endpoint, rateLimitPerSecond, serveLabel } = context.service.config;
      const told = { version, sdkAppId, endpoint, ratePerSecond: rateLimitPerSecond };
      const label = serveLabel ?? null;
      return Promise.resolve({ json: { name, role, server: { ...told, label } } });
    },
  );

/** @param others - all but these. */
export function basicRoutes(others: readonly Route[], facts: ApiFacts): Route[] {
  const all: Route[] = [livez, readyz, metrics, me(facts), ...others];
  let document: object | undefined;
  const openapi = route(
    {
      ...{ method: 'get', path: '/v1/openapi.json', role: 'any' },
      summary: 'The OpenAPI 3.1 document of this API.',
      answers: { 200: { means: 'the document', schema: z.looseObject({}) } },
    },
    () => Promise.resolve({ json: (document ??= describeApi(all, facts)) }),
  );
  all.push(openapi);
  return all;
}
