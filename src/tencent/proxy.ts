/**
 * The proxy on the way to the API, as HTTPS_PROXY and NO_PROXY name it. It is asked for a tunnel
 * (CONNECT), so it sees the name of the API's host and nothing of a request.
 */
import { BlockList, isIP } from 'node:net';

export interface Proxy {
  host: string;
  /** The value of Proxy-Authorization. Never shown, logged or stored. */
  authorization: string | undefined;
  /** Its URL without user and password. */
  shown: string;
}

export interface ChosenProxy {
  /** undefined: the API is reached directly. */
  proxy: Proxy | undefined;
  /** A sentence, where the variable cannot be meant. */
  problem: string | undefined;
}

const direct: ChosenProxy = { proxy: undefined, problem: undefined };

/**
 * Lower case goes first, as in curl. Plain http is never sent through a proxy: it is accepted for
 * loopback only, and a proxy would see the signature.
 *
 * @param endpoint - base URL of the API; undefined: it is not called.
 */
export function chooseProxy(
  environment: Readonly<Record<string, string | undefined>>,
  endpoint: string | undefined,
): ChosenProxy {
  const name = environment['https_proxy'] ? 'https_proxy' : 'HTTPS_PROXY';
  const text = environment[name]?.trim();
  const exceptions = environment['no_proxy'] || environment['NO_PROXY'];
  if (!text || !endpoint?.startsWith('https:')) return direct;
  if (exceptions && isException(new URL(endpoint), exceptions)) return direct;
  const proxy = readProxy(text);
  if (proxy !== undefined) return { proxy, problem: undefined };
  // It may hold a password, however it was mistyped.
  const problem = `${name} must be a URL such as http://proxy:3128 (http: or https:), got something else; it is not shown, since it may hold a password`;
  return { proxy: undefined, problem };
}

function readProxy(text: string): Proxy | undefined {
  const withScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`;
  if (!URL.canParse(withScheme)) return undefined;
  const url = new URL(withScheme);
  if (!/^https?:$/.test(url.protocol) || url.hostname === '') return undefined;
  const isAnonymous = url.username === '' && url.password === '';
  const user = `${decoded(url.username)}:${decoded(url.password)}`;
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    authorization: isAnonymous ? undefined : `Basic ${Buffer.from(user).toString('base64')}`,
    shown: `${url.protocol}//${url.host}`,
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * As most programs read NO_PROXY: a list of hosts, each with all below it; a port narrows one
 * down; `*` is all; addresses may be networks (`10.0.0.0/8`).
 */
function isException(endpoint: URL, list: string): boolean {
  const host = endpoint.hostname.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '');
  const port = endpoint.port || '443';
  return list
    .toLowerCase()
    .split(/[\s,]+/)
    .some((entry) => {
      if (entry === '*') return true;
      const [, bracketed, plain, ofPort = port] =
        /^(?:\[(.+)\]|([^:]+|.*:.*:.*?))(?::(\d+))?$/.exec(entry) ?? [];
      const name = (bracketed ?? plain ?? '').replace(/^\*?\./, '').replace(/\.$/, '');
      if (name === '' || ofPort !== port) return false;
      if (isIP(host) !== 0) return isInNetwork(host, name);
      return host === name || host.endsWith(`.${name}`);
    });
}

function isInNetwork(address: string, network: string): boolean {
  const [base = '', prefix] = network.split('/');
  const family = isIP(base) === 6 ? 'ipv6' : 'ipv4';
  if (isIP(base) === 0 || isIP(base) !== isIP(address)) return false;
  const most = family === 'ipv6' ? 128 : 32;
  const bits = prefix === undefined ? most : Number(prefix);
  if (!Number.isInteger(bits) || bits < 0 || bits > most) return false;
  const networks = new BlockList();
  networks.addSubnet(base, bits, family);
  return networks.check(address, family);
}
