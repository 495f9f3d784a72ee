/** What the URL of a queue or a ledger may be. Drivers that are given another fail late, or end the process. */

const redisSchemes = ['', '-sentinel', '-cluster'].flatMap((kind) => [
  `redis${kind}`,
  `rediss${kind}`,
]);
export const ledgerSchemes = ['postgres', 'postgresql'];
export const queueSchemes = [...redisSchemes, ...ledgerSchemes];

/** What the URL of a Redis may have behind its `?`. ioredis takes everything there for an option of its own. */
const redisParameters: Readonly<Record<string, RegExp>> = {
  db: /^\d+$/,
  family: /^[046]$/,
  username: /^/,
  password: /^/,
};

/** Those of Sentinels themselves, where they ask for a password. */
const sentinelParameters: typeof redisParameters = {
  ...redisParameters,
  sentinelUsername: /^/,
  sentinelPassword: /^/,
};

const defaultPorts = { server: 6_379, sentinel: 26_379, cluster: 6_379 };

/** Where a Redis is, as its URL says. */
export interface RedisPlace {
  kind: keyof typeof defaultPorts;
  tls: boolean;
  /** Of Sentinels, or nodes of a cluster, any of which leads to the others. */
  hosts: { host: string; port: number }[];
  /** What Sentinels call the primary; elsewhere empty. */
  name: string;
  database: number | undefined;
  /** Names and passwords, and which family of addresses, by their names in ioredis. */
  options: Readonly<Record<string, string | number>>;
}

export function isRedisUrl(url: string): boolean {
  return redisSchemes.some((scheme) => url.startsWith(`${scheme}://`));
}

/** @throws TypeError where {@link storeUrlProblem} finds one. */
export function readRedisUrl(url: string): RedisPlace {
  const { scheme, hosts, first } = split(url);
  const { searchParams: parameters, hash, pathname, username, password } = new URL(first);
  const kind = kindOf(scheme);
  const given = Object.entries({
    username: decodeURIComponent(username) || parameters.get('username'),
    password: decodeURIComponent(password) || parameters.get('password'),
    family: parameters.get('family') && Number(parameters.get('family')),
    sentinelUsername: parameters.get('sentinelUsername'),
    sentinelPassword: parameters.get('sentinelPassword'),
  });
  const database = parameters.get('db') ?? pathname.slice(1);
  return {
    kind,
    tls: scheme.startsWith('rediss'),
    hosts: hosts.map((each) => {
      const { hostname, port } = new URL(`redis://${each}`);
      return {
        host: hostname.replace(/^\[|\]$/g, ''),
        port: port === '' ? defaultPorts[kind] : Number(port),
      };
    }),
    name: decodeURIComponent(hash.slice(1)),
    database: database === '' ? undefined : Number(database),
    options: Object.fromEntries(given.flatMap(([key, value]) => (value ? [[key, value]] : []))),
  };
}

/**
 * The rule that the prefix of a queue's keys breaks; undefined: none. BullMQ parts its keys with
 * colons, and of what stands in the first braces a cluster makes the place of a key.
 */
export function keyPrefixProblem(prefix: string): string | undefined {
  if (/^[\w.-]*(\{[\w.-]+\})?[\w.-]*$/.test(prefix) && prefix !== '' && prefix.length <= 64) {
    return undefined;
  }
  return 'must be 1 to 64 letters, digits, ".", "_" and "-", of which some may stand in one pair of braces';
}

/** `URL` reads one host: the others stand apart, and `first` is without them. */
function split(url: string): { scheme: string; hosts: string[]; first: string } {
  const [, scheme = '', user = '', authority = '', rest = ''] =
    /^([a-z-]+):\/\/([^/?#]*@)?([^/?#]*)(.*)$/.exec(url) ?? [];
  const hosts = authority.split(',');
  return { scheme, hosts, first: `redis://${user}${hosts[0]}${rest}` };
}

function kindOf(scheme: string): RedisPlace['kind'] {
  if (scheme.endsWith('-sentinel')) return 'sentinel';
  return scheme.endsWith('-cluster') ? 'cluster' : 'server';
}

/** The rule that a URL breaks, without the URL, which may hold a password; undefined: none. */
export function storeUrlProblem(url: string, schemes: readonly string[]): string | undefined {
  if (url === 'embedded') return undefined;
  const { scheme, hosts, first } = split(url);
  const isRedis = redisSchemes.includes(scheme);
  // Of a Postgres socket: the user without a host, which stands in the query.
  const whole = isRedis ? first : url.replace('@/', '@host/');
  if (!schemes.includes(scheme) || !URL.canParse(whole) || /\s/.test(url)) {
    return `must be ${schemes.map((each) => `${each}://…`).join(' or ')} or embedded`;
  }
  const { username, password, pathname, hash } = new URL(whole);
  if (![username, password, pathname].every(isEncoded)) {
    return 'must be a URL with each % of a user, password or path written as %25';
  }
  return isRedis ? redisProblem(scheme, hosts, new URL(first), isEncoded(hash)) : undefined;
}

function redisProblem(
  scheme: string,
  hosts: readonly string[],
  { hostname, pathname, hash, searchParams }: URL,
  hashIsEncoded: boolean,
): string | undefined {
  const kind = kindOf(scheme);
  if (hostname === '') return 'must be a URL with a host';
  if (kind === 'server' && hosts.length > 1) {
    return `must be a URL with one host; several are those of Sentinels (${scheme}-sentinel://…#NAME) or of a cluster (${scheme}-cluster://…)`;
  }
  const isHost = (each: string) =>
    /^(\[[\da-f:.]+\]|[\w.-]+)(:\d+)?$/i.test(each) && URL.canParse(`redis://${each}`);
  if (kind !== 'server' && !hosts.every(isHost)) {
    return `must be a URL with HOST:PORT, or several with a comma between (${scheme}://host1,host2)`;
  }
  if (!/^\/?\d*$/.test(pathname)) {
    return `must be a URL with the number of a database, or nothing, behind its host (${scheme}://host/0)`;
  }
  if (kind === 'sentinel' && (hash.length < 2 || !hashIsEncoded)) {
    return `must be a URL that ends with the name of the primary, as the Sentinels call it (${scheme}://host1,host2/0#NAME)`;
  }
  const [allowed, names] =
    kind === 'sentinel'
      ? [sentinelParameters, 'db=NUMBER, family=4 or 6, sentinelUsername and sentinelPassword']
      : [redisParameters, 'db=NUMBER or family=4 or 6'];
  for (const [name, value] of searchParams) {
    const known = Object.hasOwn(allowed, name) ? allowed[name] : undefined;
    if (known?.test(value) !== true) {
      return `must be a URL with nothing but ${names} behind a ?`;
    }
  }
  if (kind === 'cluster' && Number(searchParams.get('db') ?? pathname.slice(1)) !== 0) {
    return 'must be a URL without the number of a database, for a cluster has 0 alone';
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
