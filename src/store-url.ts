/** What the URL of a queue or a ledger may be. Drivers that are given another fail late, or end the process. */

export const queueSchemes = ['redis', 'rediss', 'postgres', 'postgresql'];
export const ledgerSchemes = ['postgres', 'postgresql'];

/** What a Redis URL may have behind its `?`. ioredis takes everything there for an option of its own. */
const redisParameters: Readonly<Record<string, RegExp>> = {
  db: /^\d+$/,
  family: /^[046]$/,
  username: /^/,
  password: /^/,
};

/** The rule that a URL breaks, without the URL, which may hold a password; undefined: none. */
export function storeUrlProblem(url: string, schemes: readonly string[]): string | undefined {
  if (url === 'embedded') return undefined;
  const scheme = /^([a-z]+):\/\//.exec(url)?.[1];
  // Of a Postgres socket: the user without a host, which stands in the query.
  const whole = scheme?.startsWith('postgres') === true ? url.replace('@/', '@host/') : url;
  if (scheme === undefined || !schemes.includes(scheme) || !URL.canParse(whole) || /\s/.test(url)) {
    return `must be ${schemes.map((each) => `${each}://…`).join(' or ')} or embedded`;
  }
  const { username, password, pathname, hostname, searchParams } = new URL(whole);
  if (![username, password, pathname].every(isEncoded)) {
    return 'must be a URL with each % of a user, password or path written as %25';
  }
  if (!scheme.startsWith('redis')) return undefined;
  if (hostname === '') return 'must be a URL with a host';
  if (!/^\/?\d*$/.test(pathname)) {
    return `must be a URL with the number of a database, or nothing, behind its host (${scheme}://host/0)`;
  }
  for (const [name, value] of searchParams) {
    const known = Object.hasOwn(redisParameters, name) ? redisParameters[name] : undefined;
    if (known?.test(value) !== true) {
      return 'must be a URL with nothing but db=NUMBER or family=4 or 6 behind a ?';
    }
  }
  return undefined;
}

function isEncoded(part: string): boolean {
  try {
    decodeURIComponent(part);
    return true;
  } catch {
    return false;
  }
}
