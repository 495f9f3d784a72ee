/** Who may come in: names of this server, and tokens. The one place for both. */
import { isIP } from 'node:net';
import type { Principal, TokenBook } from '../operations/tokens.js';
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

const bearerForm = /^Bearer +([\w.~+/-]{1,512}=*) *$/i;

/**
 * Whose token a request has.
 *
 * @throws HttpProblem 401; ReaperError `UNAVAILABLE` where nobody can say.
 */
export async function authenticate(request: Request, tokens: TokenBook): Promise<Principal> {
  const header = request.headers.get('Authorization');
  const token = bearerForm.exec(header ?? '')?.[1];
  const principal = token === undefined ? undefined : await tokens.find(token);
  if (principal !== undefined) return principal;
  throw new HttpProblem(
    'UNAUTHENTICATED',
    header === null
      ? 'the request must have a token: Authorization: Bearer rr_…'
      : 'the token of the request must be one that counts: it is unknown, was revoked or has expired',
    {
      remedy: 'room-reaper token create makes one',
      headers: { 'WWW-Authenticate': 'Bearer realm="room-reaper"' },
    },
  );
}
