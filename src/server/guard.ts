/** Who may come in: names of this server, tokens and sessions. The one place for all. */
import { isIP } from 'node:net';
import type { Principal } from '../operations/tokens.js';
import type { ServerContext } from './context.js';
import { foreignSite, siteOf } from './cookie.js';
import { HttpProblem } from './problem.js';

/**
 * A page of a foreign site can give its own name the address of this server (DNS rebinding), and
 * its scripts then count as ours. So only names that are ours are served, and addresses.
 *
 * @param host - of the `Host` header, with its port.
 * @param allowed - names besides localhost, in lower case.
 * @throws HttpProblem 421.
 */
export function checkHost(host: string | undefined, allowed: readonly string[]): void {
  const name = /^(\[[^\]]*\]|[^:]*)(?::\d+)?$/.exec(host ?? '')?.[1]?.toLowerCase() ?? '';
  const bare = name.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '');
  if (isIP(bare) !== 0 || bare === 'localhost' || allowed.includes(bare)) return;
  throw new HttpProblem('WRONG_HOST', 'the Host header must name this server', {
    remedy: 'use its address, or add the name to SERVE_ALLOWED_HOSTS',
  });
}

/** Whoever asks, and whether with a token or with the cookie of a browser. */
export interface Caller {
  principal: Principal;
  way: 'api' | 'dashboard';
}

const bearerForm = /^Bearer +([\w.~+/-]{1,512}=*) *$/i;

/**
 * Who asks. A token goes before a cookie: only programs send one.
 *
 * @throws HttpProblem 401; ReaperError `UNAVAILABLE` where nobody can say.
 */
export async function authenticate(
  request: Request,
  { tokens, sessions, cookie }: Pick<ServerContext, 'tokens' | 'sessions' | 'cookie'>,
): Promise<Caller> {
  const secret = cookie.read(request);
  if (secret !== undefined && !hasBearer(request)) {
    const principal = await sessions.find(secret);
    if (principal !== undefined) return { principal, way: 'dashboard' };
    throw unauthenticated('the session of the request must be one that counts: it has ended');
  }
  const header = request.headers.get('Authorization');
  const token = bearerForm.exec(header ?? '')?.[1];
  const principal = token === undefined ? undefined : await tokens.find(token);
  if (principal !== undefined) return { principal, way: 'api' };
  throw unauthenticated(
    header === null
      ? 'the request must have a token: Authorization: Bearer rr_…'
      : 'the token of the request must be one that counts: it is unknown, was revoked or has expired',
  );
}

/** A proxy may have a password of its own, which browsers send as `Basic` with everything. */
export function hasBearer(request: Request): boolean {
  return /^Bearer\b/i.test(request.headers.get('Authorization') ?? '');
}

export function unauthenticated(
  detail: string,
  remedy = 'room-reaper token create makes one',
): HttpProblem {
  return new HttpProblem('UNAUTHENTICATED', detail, {
    remedy,
    headers: { 'WWW-Authenticate': 'Bearer realm="room-reaper"' },
  });
}

const safeMethods = ['GET', 'HEAD', 'OPTIONS'];

/**
 * A browser sends the cookie also where a foreign page makes it ask (CSRF). So what changes
 * something with a cookie alone must come from a page of ours.
 *
 * @throws HttpProblem 403.
 */
export function checkSite(request: Request, { cookie }: Pick<ServerContext, 'cookie'>): void {
  if (safeMethods.includes(request.method) || hasBearer(request)) return;
  if (cookie.read(request) !== undefined && siteOf(request) !== 'ours') throw foreignSite();
}
