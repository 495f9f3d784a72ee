/** What a route is: a path, who may, what it takes, and the one operation behind it. */
import type { z } from '@hono/zod-openapi';
import type { Principal, Role } from '../operations/tokens.js';
import type { ServerContext } from './context.js';

/** Who may: those who may look (`viewer`), ask for rooms (`producer`), or all; `any` has a token. */
export type NeededRole = Role | 'any' | 'none';

/** What a handler is given: checked by the route's schemas. */
export interface Asked<Path, Query, Body> {
  context: ServerContext;
  /** Of a route that needs no role: nobody. */
  principal: Principal;
  path: Path;
  query: Query;
  body: Body;
  request: Request;
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
  /** A producer may too: the handler shows it nothing but its own. */
  producersOwn?: boolean;
  /** One sentence for the OpenAPI document. */
  summary: string;
  parameters?: z.ZodType<Path>;
  query?: z.ZodType<Query>;
  body?: z.ZodType<Body>;
  /** What each status means; the schema of its JSON where there is one. */
  answers: Readonly<Record<number, { means: string; schema?: z.ZodType }>>;
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
export function mayUse({ role, producersOwn = false }: Route, principal: Principal): boolean {
  if (principal.role === 'operator' || role === 'any' || role === 'none') return true;
  return role === principal.role || (producersOwn && principal.role === 'producer');
}
