/** The OpenAPI 3.1 document, made from the schemas that check the requests. */
import { OpenAPIHono, z } from '@hono/zod-openapi';
import type { Route } from './route.js';

const problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string().meta({ description: 'what is wrong, in a sentence' }),
    code: z.string().meta({ description: 'stable: see docs/api.md', example: 'NOT_FOUND' }),
    remedy: z.string().optional().meta({ description: 'what mends it' }),
    errors: z.array(z.object({ line: z.int().optional(), detail: z.string() })).optional(),
  })
  .openapi('Problem', { description: 'RFC 9457' });

/** What the document says of the server. */
export interface ApiFacts {
  version: string;
  /** Where the paths begin. */
  basePath: string;
  /** Name of the cookie of a session. */
  cookieName: string;
}

export function describeApi(routes: readonly Route[], facts: ApiFacts): object {
  const { version, basePath, cookieName } = facts;
  const app = new OpenAPIHono();
  app.openAPIRegistry.registerComponent('securitySchemes', 'token', {
    ...{ type: 'http', scheme: 'bearer' },
    description: 'rr_…, made by `room-reaper token create`',
  });
  app.openAPIRegistry.registerComponent('securitySchemes', 'session', {
    ...{ type: 'apiKey', in: 'cookie', name: cookieName },
    description:
      'of a browser that signed in at POST /session; what changes something must come from a page of this server',
  });
  const ofApi = routes.filter(({ isPage }) => isPage !== true);
  for (const each of ofApi) app.openAPIRegistry.registerPath(describeRoute(each));
  return app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'room-reaper',
      version,
      description: 'Destroys Tencent live rooms in bulk, within the quota of the API.',
      license: { name: 'MIT', url: 'https://opensource.org/license/mit' },
    },
    servers: [{ url: basePath === '' ? '/' : basePath }],
  });
}

type RouteConfig = Parameters<OpenAPIHono['openAPIRegistry']['registerPath']>[0];

const keyHeader = z.object({
  'Idempotency-Key': z.string().max(255).optional().meta({
    description: 'The same key and request again give the first answer again.',
  }),
});

/** Read or written as it comes: a text of each of these types. */
function streamed(types: readonly string[]) {
  const text = { schema: { type: 'string' } } as const;
  return Object.fromEntries(types.map((type) => [type, text] as const));
}

function whoMay({ role, producersOwn, signedBy }: Route): string {
  if (role === 'none') return 'Needs no token.';
  if (role === 'any') return 'Needs a token of any role.';
  if (role === 'operator') return 'Needs the role operator.';
  const own = producersOwn === true ? ', or producer for what it asked for' : '';
  const signed = signedBy === undefined ? '' : ', or a signature';
  return `Needs the role ${role} or operator${own}${signed}.`;
}

function bodies({ json, types }: NonNullable<Route['streams']>) {
  return { 'application/json': { schema: json }, ...streamed(types) };
}

function describeRoute(each: Route): RouteConfig {
  const { method, path, role, summary, parameters, query, body, answers, streams, takesKey } = each;
  const tokens = [{ token: [] }, { session: [] }];
  const succeeded = Object.fromEntries(
    Object.entries(answers).map(([status, { means, schema, types = [] }]) => {
      const json = schema && { 'application/json': { schema } };
      return [status, { description: means, content: { ...streamed(types), ...json } }] as const;
    }),
  );
  const failed = {
    description: 'a problem; its code says which',
    content: { 'application/problem+json': { schema: problem } },
  };
  const request = {
    ...(parameters === undefined ? {} : { params: parameters as z.ZodObject }),
    ...(query === undefined ? {} : { query: query as z.ZodObject }),
    ...(body === undefined
      ? {}
      : { body: { required: true, content: { 'application/json': { schema: body } } } }),
    ...(streams === undefined ? {} : { body: { required: true, content: bodies(streams) } }),
    ...(takesKey === true ? { headers: keyHeader } : {}),
  };
  return {
    ...{ method, path, summary, request },
    operationId: operationId(each),
    description: whoMay(each),
    security: role === 'none' ? [] : each.signedBy === undefined ? tokens : [...tokens, {}],
    responses: { ...succeeded, '4XX': failed, '5XX': failed },
  };
}

/** `getBatchesRooms` of `GET /v1/batches/{id}/rooms`. */
function operationId({ method, path }: Route): string {
  const words = path.replace(/^\/v1\//, '/').match(/[a-z]+/gi) ?? [];
  return method + words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
}
