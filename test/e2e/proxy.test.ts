/** The API behind TLS, reached through a proxy: what the proxy sees, and what is said of it. */
import { createServer, type IncomingMessage } from 'node:http';
import net from 'node:net';
import { join } from 'node:path';
import tls from 'node:tls';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { key, valid } from './certificates.js';
import { folderWith, run } from './room-reaper.js';
import { lines, listen, openStage, readDestructions, redisAndPostgres, roomIds } from './stage.js';

function carry(one: net.Socket, other: net.Socket): void {
  one.pipe(other).pipe(one);
  for (const socket of [one, other]) socket.on('error', () => undefined);
}

/** The counting server, spoken to over TLS. */
async function behindTls(url: string): Promise<string> {
  const server = tls.createServer({ key, cert: valid }, (socket) => {
    carry(socket, net.connect(Number(new URL(url).port), '127.0.0.1'));
  });
  server.on('tlsClientError', () => undefined);
  return `https://127.0.0.1:${await listen(server)}`;
}

/** @param password - what it asks for; undefined: nothing. */
async function startProxy(password?: string) {
  const seen: { tunnels: string[]; requests: string[]; bytes: string } = {
    ...{ tunnels: [], requests: [], bytes: '' },
  };
  const server = createServer((request, response) => {
    seen.requests.push(request.url ?? '');
    response.writeHead(500).end();
  });
  server.on('connect', (request: IncomingMessage, socket: net.Socket) => {
    const given = request.headers['proxy-authorization'];
    const asked = password && `Basic ${Buffer.from(`me:${password}`).toString('base64')}`;
    if (given !== asked) {
      socket.end('HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n');
      return;
    }
    seen.tunnels.push(request.url ?? '');
    socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
    socket.on('data', (chunk: Buffer) => (seen.bytes += chunk.toString('latin1')));
    carry(socket, net.connect(Number(new URL(`http://${request.url ?? ''}`).port), '127.0.0.1'));
  });
  return { seen, host: `127.0.0.1:${await listen(server)}` };
}

/** @param password - what the proxy asks for. */
async function openProxiedStage(password?: string) {
  const { server, env } = await openStage({ latencyMs: 20 });
  const endpoint = await behindTls(server.url);
  const proxy = await startProxy(password);
  const stores = await redisAndPostgres();
  const user = password === undefined ? '' : `me:${encodeURIComponent(password)}@`;
  const options = {
    env: {
      ...{ ...env, ...stores, TENCENT_ENDPOINT: endpoint },
      HTTPS_PROXY: `http://${user}${proxy.host}`,
    },
  };
  return { server, proxy, endpoint, options, ledgerUrl: stores.DATABASE_URL };
}

/** Where the API is reached its certificate must be trusted, which only a process can be told. */
const trusting = (env: Record<string, string>) => ({
  ...env,
  NODE_EXTRA_CA_CERTS: join(folderWith({ 'ca.pem': valid }), 'ca.pem'),
});

/** The findings of `doctor` about the way to the API. */
async function findingsOf(env: Record<string, string>) {
  const { stdout, stderr } = await run(['doctor', '--json'], { env });
  expect(stdout, stderr).toMatch(/^\{/);
  const { findings } = JSON.parse(stdout) as {
    findings: { check: string; level: string; text: string; remedy?: string }[];
  };
  return {
    all: stdout + stderr,
    endpoint: findings.filter(({ check }) => check === 'endpoint'),
    signature: findings.filter(({ check }) => check === 'signature'),
  };
}

test('rooms are destroyed through a tunnel: kept connections, statistics saved, and the proxy sees a name and no signature', async () => {
  const password = 'p@ss:word';
  const { server, proxy, endpoint, options, ledgerUrl } = await openProxiedStage(password);
  const rooms = roomIds(120);

  const env = { ...trusting(options.env), WORKER_CONCURRENCY: '20' };
  const ended = await run(['destroy', '-'], { env, stdin: lines(rooms) });

  expect(ended.code, ended.stderr).toBe(0);
  const report = await server.report();
  expect(report.requests).toHaveLength(120);
  expect(report.problems).toEqual([]);
  const rows = [...(await readDestructions(ledgerUrl)).values()];
  expect(rows.filter(({ outcome }) => outcome === 'destroyed')).toHaveLength(120);
  expect(new Set(proxy.seen.tunnels)).toEqual(new Set([new URL(endpoint).host]));
  expect(proxy.seen.tunnels.length).toBeLessThan(60);
  expect(proxy.seen.requests).toEqual([]);
  expect(proxy.seen.bytes).not.toMatch(/usersig|RoomId/i);
  for (const secret of [password, encodeURIComponent(password), ...report.signatures]) {
    expect(ended.stdout + ended.stderr).not.toContain(secret);
  }
});

test('doctor goes the same way, and names it without its password', async () => {
  const { proxy, options } = await openProxiedStage('hunter2');
  const { endpoint, signature, all } = await findingsOf(trusting(options.env));
  expect(endpoint[0]).toMatchObject({
    level: 'ok',
    text: expect.stringContaining(`through the proxy http://${proxy.host}`) as string,
  });
  expect(endpoint[1]?.text).toMatch(/certificate is trusted/);
  expect(signature).toMatchObject([{ level: 'ok' }]);
  expect(proxy.seen.tunnels.length).toBeGreaterThanOrEqual(2);
  expect(all).not.toContain('hunter2');
});

describe('where the proxy gives no way', () => {
  test('a wrong password stops the line and says what to do; nothing is sent', async () => {
    const { server, proxy, options } = await openProxiedStage('hunter2');
    const env = { ...options.env, HTTPS_PROXY: `http://me:wrong-one@${proxy.host}` };

    const ended = await run(['destroy', '-'], { env, stdin: lines(roomIds(30)) });

    expect(ended.code).toBe(3);
    expect(ended.stderr).toMatch(/proxy refuses the way to the API: HTTP 407/);
    expect(ended.stderr).toMatch(/check HTTPS_PROXY/);
    expect((await server.report()).requests).toEqual([]);
    const { endpoint, signature, all } = await findingsOf(env);
    expect(endpoint).toMatchObject([
      { level: 'problem', remedy: 'check the user and the password in HTTPS_PROXY' },
    ]);
    expect(signature).toMatchObject([{ level: 'warning' }]);
    expect(ended.stdout + ended.stderr + all).not.toContain('wrong-one');
  });

  test('one that is not there is named by doctor', async () => {
    const { options } = await openProxiedStage();
    const { endpoint } = await findingsOf({ ...options.env, HTTPS_PROXY: 'http://127.0.0.1:1' });
    expect(endpoint).toMatchObject([
      {
        level: 'problem',
        text: expect.stringMatching(
          /through the proxy http:\/\/127\.0\.0\.1:1: ECONNREFUSED/,
        ) as string,
        remedy: expect.stringContaining('HTTPS_PROXY') as string,
      },
    ]);
  });
});

test('NO_PROXY names hosts that are reached without it', async () => {
  const { server, proxy, options } = await openProxiedStage();
  const env = trusting({ ...options.env, no_proxy: 'localhost,127.0.0.0/8' });
  const ended = await run(['destroy', '-'], { env, stdin: lines(roomIds(3)) });
  expect(ended.code, ended.stderr).toBe(0);
  expect((await server.report()).requests).toHaveLength(3);
  expect(proxy.seen.tunnels).toEqual([]);
});

test.each(['through the proxy', 'directly'])(
  'a certificate that nobody vouches for is refused %s, whatever NODE_TLS_REJECT_UNAUTHORIZED says: nothing is sent',
  async (way) => {
    const { server, options } = await openProxiedStage();
    const env: Record<string, string> = { ...options.env };
    // Node itself reads it of its process, which is this one.
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
    onTestFinished(() => void vi.unstubAllEnvs());
    if (way === 'directly') env['HTTPS_PROXY'] = '';
    const { endpoint } = await findingsOf(env);
    expect(endpoint.at(-1)).toMatchObject({
      level: 'problem',
      text: expect.stringMatching(/certificate is not trusted/) as string,
    });
    // Two seconds: a certificate is like any other trouble of the network, and is tried again.
    const answered = await run(['destroy', '-'], {
      env: { ...env, DESTROY_DEADLINE_HOURS: String(2 / 3600) },
      stdin: lines(roomIds(2)),
    });
    expect(answered.code).not.toBe(0);
    const report = await server.report();
    expect(report.requests).toEqual([]);
    expect(report.signatures).toEqual([]);
  },
);
