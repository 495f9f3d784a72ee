/** What a route is: a path, who may, what it takes, and the one operation behind it. */
import type { z } from '@hono/zod-openapi';
import type { IncomingMessage } from 'node:http';
import type { FirstAnswer } from '../operations/answers.js';
import type { Service } from '../operations/service.js';
import type { Principal, Role } from '../operations/tokens.js';
import type { ServerContext } from './context.js';
import type { Caller } from './guard.js';
import { HttpProblem } from './problem.js';

/** Who may: those who may look (`viewer`), ask for rooms (`producer`), or all; `any` has a token. */
export type NeededRole = Role | 'any' | 'none';

/** What a handler is given: checked by the route's schemas. */
export interface Asked<Path, Query, Body> {
  context: ServerContext;
  /** Of a route that needs no role: nobody. */
  principal: Principal;
  way: Caller['way'];
  path: Path;
  query: Query;
  body: Body;
  request: Request;
  /** The same as Node has it: to read a body as it comes. */
  incoming: IncomingMessage;
  /** Of `Idempotency-Key`. */
  key: string | undefined;
}

export interface Reply {
  status?: number;
  /** A value, or JSON that an operation has written itself. */
  json?: unknown;
  text?: string;
  headers?: Readonly<Record<string, string>>;
}

interface Shape<Path, Query, Body> {
  method: 'get' | 'post' | 'delete';
  /** Under the base path, with parameters in braces. */
  path: string;
  role: NeededRole;
  /** Of the dashboard, and no part of the API. */
  isPage?: boolean;
  /** Also without the base path: probes of a platform know none. */
  isProbe?: boolean;
  /** Who sent it where it is signed, and needs no token; undefined: it is not. @throws HttpProblem. */
  signedBy?: (url: URL, context: ServerContext) => Caller | undefined;
  /** A producer may too: the handler shows it nothing but its own. */
  producersOwn?: boolean;
  /** One sentence for the OpenAPI document. */
  summary: string;
  parameters?: z.ZodType<Path>;
  query?: z.ZodType<Query>;
  body?: z.ZodType<Body>;
  /** It reads its body itself: JSON, or a stream of one of these types. */
  streams?: { json: z.ZodType; types: readonly string[] };
  /** Whether it hears `Idempotency-Key`. */
  takesKey?: boolean;
  /** What each status means; the schema of its JSON, or the types of its text, where there is one. */
  answers: Readonly<
    Record<number, { means: string; schema?: z.ZodType; types?: readonly string[] }>
  >;
}

export interface Route extends Shape<unknown, unknown, unknown> {
  handle(asked: Asked<unknown, unknown, unknown>): Promise<Reply | Response>;
}

/** Declares a route: its schemas give the types of what its handler is given. */
export function route<Path, Query, Body>(
  shape: Shape<Path, Query, Body>,
  handle: (asked: Asked<Path, Query, Body>) => Promise<Reply | Response>,
): Route {
  return { ...shape, handle: handle };
}

/** Whether that principal may use the route. The one place where roles are compared. */
export function mayUse({ role, producersOwn }: Route, principal: Principal): boolean {
  if (principal.role === 'operator' || role === 'any' || role === 'none') return true;
  return role === principal.role || (producersOwn === true && principal.role === 'producer');
}

/** The service as whoever asks uses it: what is done is written down under that name. */
export function asActor({ context, principal, way }: Asked<unknown, unknown, unknown>): Service {
  const { name: who, role } = principal;
  return { ...context.service, actor: { who, role, way } };
}

/** @throws HttpProblem 403 where a producer asks for what another asked for. */
export function ownOnly(
  { principal }: Pick<Asked<unknown, unknown, unknown>, 'principal'>,
  isOwn: boolean,
): void {
  if (isOwn || principal.role !== 'producer') return;
  throw new HttpProblem(
    'FORBIDDEN',
    'a producer may look at what it asked for, and at nothing else',
  );
}

/** A first answer, or the same again. */
export function answered(
  { status, body, isReplayed }: FirstAnswer,
  headers: Reply['headers'] = {},
): Reply {
  const replayed = isReplayed ? { 'Idempotent-Replayed': 'true' } : {};
  return { status, text: body, headers: { ...headers, ...replayed } };
}
