/** The cookie of a session, and whether a request that has it comes from a page of ours. */
import { sessionMs } from '../operations/sessions.js';
import { HttpProblem } from './problem.js';

export interface SessionCookie {
  readonly name: string;
  /** The secret in a request; undefined: there is none. */
  read(request: Request): string | undefined;
  /** `Set-Cookie`. @param secret - undefined: the browser is to forget it. */
  write(request: Request, secret: string | undefined): string;
}

/**
 * Browsers tell ports of one machine apart for pages and not for cookies: its name has the app, so
 * that signing in to one server signs nobody out of another's.
 */
export function sessionCookie(sdkAppId: number, basePath: string): SessionCookie {
  const name = `room_reaper_${sdkAppId}`;
  return {
    name,
    read(request) {
      const pairs = request.headers.get('Cookie')?.split(';') ?? [];
      const found = pairs.find((pair) => pair.trim().startsWith(`${name}=`));
      return found?.slice(found.indexOf('=') + 1).trim();
    },
    write(request, secret) {
      const seconds = secret === undefined ? 0 : sessionMs / 1_000;
      const rules = `Path=${basePath === '' ? '/' : basePath}; Max-Age=${seconds}; HttpOnly; SameSite=Strict`;
      return `${name}=${secret ?? ''}; ${rules}${isHttps(request) ? '; Secure' : ''}`;
    },
  };
}

/**
 * Whether the browser came by https. TLS ends at a proxy, so it is the proxy that says so, or the
 * browser itself. Whoever says it wrongly gets a cookie that a browser sends less often: so it is
 * believed of everyone.
 */
function isHttps(request: Request): boolean {
  const [scheme] = request.headers.get('X-Forwarded-Proto')?.split(',') ?? [];
  const origin = request.headers.get('Origin') ?? '';
  return scheme?.trim().toLowerCase() === 'https' || origin.startsWith('https://');
}

/**
 * Whose page sent a request, as the browser says, which no page can change. `unknown`: it is no
 * browser, or one of the old.
 */
export function siteOf({ headers }: Request): 'ours' | 'foreign' | 'unknown' {
  const site = headers.get('Sec-Fetch-Site');
  // `none`: the user did it, without a page.
  if (site !== null) return site === 'same-origin' || site === 'none' ? 'ours' : 'foreign';
  const origin = headers.get('Origin');
  if (origin === null) return 'unknown';
  return isOf(origin, headers.get('Host') ?? '') ? 'ours' : 'foreign';
}

/** Whether the host of an Origin is that. The Host of a scheme's own port may lack it. */
function isOf(origin: string, host: string): boolean {
  try {
    const url = new URL(origin);
    return url.host !== '' && url.host === new URL(`${url.protocol}//${host}`).host;
  } catch {
    // As of a page that hides where it is from: `null`.
    return false;
  }
}

export function foreignSite(): HttpProblem {
  return new HttpProblem(
    'FOREIGN_SITE',
    'a request that changes something with a cookie must come from a page of this server: Sec-Fetch-Site must be same-origin, or the host of Origin that of Host',
    {
      remedy:
        'programs send a token instead: Authorization: Bearer rr_…; a proxy must pass Host on',
    },
  );
}
