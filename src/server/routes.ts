/** The table of routes: nothing else is served. */
import type { ApiFacts } from './openapi.js';
import type { Route } from './route.js';
import { basicRoutes } from './routes/basics.js';
import { status } from './routes/status.js';

export function allRoutes(facts: ApiFacts): Route[] {
  return basicRoutes([status], facts);
}
