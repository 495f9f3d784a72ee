import { once } from 'node:events';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import tls from 'node:tls';
import { inspect } from 'node:util';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Answer } from '../../src/tencent/answer.js';
import { createApiClient, type ApiClient, type SignedRequest } from '../../src/tencent/client.js';
import { createSigner } from '../../src/tencent/user-sig.js';
import { startCountingServer } from '../support/counting-server.js';

const credentials = {
  sdkAppId: 1_400_000_001,
  secretKey: 'a secret key that is long enough',
  adminIdentifier: 'administrator',
};
const success =
  '{"ErrorCode":0,"ErrorInfo":"","ActionStatus":"OK","RequestId":"Id-1","Response":{"Statistic":{"TotalViewers":1,"TotalGiftsSent":2,"TotalGiftCoins":3,"TotalUniqueGiftSenders":4,"TotalLikesReceived":5}}}';
const mebibyte = 1_048_576;

const closers: (() => unknown)[] = [];
const released: { answer: Answer; sig: string }[] = [];

afterEach(async () => {
  vi.useRealTimers();
  vi.unstubAllEnvs();
  for (const close of closers.splice(0).reverse()) await close();
  // Whatever happened, no answer holds the signature: answers reach logs, the ledger and errors.
  for (const { answer, sig } of released.splice(0)) {
    expect(inspect(answer, { depth: null, showHidden: true })).not.toContain(sig);
  }
});

interface Seen {
  method: string | undefined;
  url: URL;
  headers: http.IncomingHttpHeaders;
  body: string;
}

type Handler = (request: http.IncomingMessage, response: http.ServerResponse, body: string) => void;

async function listen(server: net.Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** An HTTP server that answers each whole request as `handle` says. */
async function httpServer(handle: Handler = (_request, response) => response.end(success)) {
  const seen: Seen[] = [];
  let connections = 0;
  const server = http.createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('error', () => undefined);
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString('utf8');
      const url = new URL(request.url ?? '', 'http://server');
      seen.push({ method: request.method, url, headers: request.headers, body });
      handle(request, response, body);
    });
  });
  server.on('connection', () => (connections += 1));
  const endpoint = `http://${await listen(server)}`;
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { server, endpoint, seen, connections: () => connections };
}

/** A server that understands nothing and keeps every byte, with what `moment` said when it came. */
async function rawServer(moment: () => string = () => '') {
  const chunks: { at: string; text: string }[] = [];
  const sockets: net.Socket[] = [];
  const server = net.createServer((socket) => {
    sockets.push(socket);
    socket.on('data', (chunk) => chunks.push({ at: moment(), text: chunk.toString('latin1') }));
    socket.on('error', () => undefined);
  });
  const endpoint = `http://${await listen(server)}`;
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { endpoint, chunks, sockets, server };
}

function clientOf(
  endpoint: string,
  changes: { requestTimeoutMs?: number; adminIdentifier?: string; idleLimitMs?: number } = {},
): ApiClient {
  const { requestTimeoutMs = 10_000, adminIdentifier = 'administrator', ...limits } = changes;
  const own = { ...credentials, adminIdentifier };
  const client = createApiClient({
    credentials: own,
    endpoint,
    signer: createSigner(own),
    requestTimeoutMs,
    ...limits,
  });
  closers.push(() => client.close());
  return client;
}

async function release(request: SignedRequest): Promise<Answer> {
  const answer = await request.release();
  released.push({ answer, sig: request.sig.text });
  return answer;
}

async function destroy(client: ApiClient, roomId = 'room-1'): Promise<Answer> {
  const request = client.prepareDestroy(roomId);
  await request.ready;
  return release(request);
}

/** Lets whatever the event loop holds happen, many times over. */
async function manyTurns(): Promise<void> {
  for (let turns = 0; turns < 100; turns++) await turn();
}

describe('before its release', () => {
  test('a request has its connection, and not one byte of it reaches the server', async () => {
    let moment = 'before release';
    const server = await rawServer(() => moment);
    const request = clientOf(server.endpoint).prepareDestroy('room-1');
    await request.ready;
    await expect.poll(() => server.sockets.length).toBe(1);
    await manyTurns();
    expect(request.isUsable()).toBe(true);
    expect(server.chunks).toEqual([]);

    moment = 'after release';
    void release(request);
    await expect.poll(() => server.chunks.length).toBeGreaterThan(0);
    expect(server.chunks.map(({ at }) => at)).toEqual(server.chunks.map(() => 'after release'));
  });

  test('abandoning it sends nothing: the connection ends without a byte', async () => {
    const server = await rawServer();
    const request = clientOf(server.endpoint).prepareDestroy('room-1');
    await request.ready;
    await expect.poll(() => server.sockets.length).toBe(1);
    const closed = once(server.sockets[0] as net.Socket, 'close');
    request.abandon();
    await closed;
    expect(server.chunks).toEqual([]);
    expect(request.isUsable()).toBe(false);
    expect(await release(request)).toMatchObject({ kind: 'network', written: false });
    expect(server.chunks).toEqual([]);
  });

  test.each(['1', '0'])(
    'a certificate that no authority signed ends it, whatever NODE_TLS_REJECT_UNAUTHORIZED says (%s): nothing is sent',
    async (setting) => {
      vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', setting);
      const received: Buffer[] = [];
      const server = tls.createServer(
        { key: worthlessKey, cert: worthlessCertificate },
        (socket) => {
          socket.on('data', (chunk: Buffer) => received.push(chunk));
        },
      );
      server.on('tlsClientError', () => undefined);
      const address = await listen(server);
      closers.push(() => server.close());
      const request = clientOf(`https://${address}`).prepareDestroy('room-1');
      await request.ready;
      expect(request.isUsable()).toBe(false);
      expect(await release(request)).toEqual({
        kind: 'network',
        code: 'DEPTH_ZERO_SELF_SIGNED_CERT',
        written: false,
      });
      expect(received).toEqual([]);
    },
  );
});

test('a request that reads a room is signed alike, goes to get_room_info, and tells the headers of its reply', async () => {
  const server = await httpServer((_request, response) => {
    response.setHeader('x-told', 'yes').end('{"ErrorCode":100004,"ErrorInfo":"gone"}');
  });
  const told: http.IncomingHttpHeaders[] = [];
  const client = createApiClient({
    ...{ credentials, endpoint: server.endpoint, signer: createSigner(credentials) },
    ...{ requestTimeoutMs: 5_000, onHeaders: (headers) => told.push(headers) },
  });
  closers.push(() => client.close());
  const request = client.prepareRoomInfo('room-1');
  await request.ready;
  expect(await release(request)).toMatchObject({ kind: 'reply', errorCode: 100004 });
  expect(server.seen).toMatchObject([{ method: 'POST', body: '{"RoomId":"room-1"}' }]);
  const [seen] = server.seen;
  expect(seen?.url.pathname).toBe('/v4/live_engine_http_srv/get_room_info');
  expect(seen?.url.searchParams.get('usersig')).toBe(request.sig.text);
  expect(told).toMatchObject([{ 'x-told': 'yes' }]);
});

describe('a released request', () => {
  test('goes out in one piece, headers and body', async () => {
    const server = await rawServer();
    const request = clientOf(server.endpoint).prepareDestroy('room-1');
    await request.ready;
    void release(request);
    await expect.poll(() => server.chunks.length).toBe(1);
    const text = server.chunks[0]?.text;
    expect(text).toMatch(/^POST \/v4\/live_engine_http_srv\/destroy_room\?\S+ HTTP\/1\.1\r\n/);
    expect(text).toMatch(/\r\n\r\n\{"RoomId":"room-1"\}$/);
    expect(text).not.toMatch(/transfer-encoding/i);
  });

  test('asks as the API documents it', async () => {
    const server = await httpServer();
    const client = clientOf(server.endpoint);
    const request = client.prepareDestroy('room-1');
    await request.ready;
    await release(request);
    const [{ method, url, headers, body }] = server.seen as [Seen];
    expect(method).toBe('POST');
    expect(url.pathname).toBe('/v4/live_engine_http_srv/destroy_room');
    expect(Object.fromEntries(url.searchParams)).toEqual({
      sdkappid: '1400000001',
      identifier: 'administrator',
      usersig: request.sig.text,
      random: expect.stringMatching(/^\d+$/) as string,
      contenttype: 'json',
    });
    expect([...url.searchParams]).toHaveLength(5);
    expect(body).toBe('{"RoomId":"room-1"}');
    expect(headers['content-type']).toBe('application/json');
    expect(headers['content-length']).toBe(String(body.length));
  });

  test('carries another random each time, an unsigned 32-bit integer', async () => {
    const server = await httpServer();
    const client = clientOf(server.endpoint);
    for (let sent = 0; sent < 20; sent++) await destroy(client);
    const randoms = server.seen.map(({ url }) => Number(url.searchParams.get('random')));
    expect(new Set(randoms).size).toBe(20);
    for (const random of randoms) {
      expect(Number.isInteger(random) && random >= 0 && random < 2 ** 32).toBe(true);
    }
    // All twenty in the lower half would be a 31-bit integer: one chance in a million.
    expect(Math.max(...randoms)).toBeGreaterThanOrEqual(2 ** 31);
  });

  test.each(['a b', 'a:b', '"quoted\\"', "'", '%41', '{}', '~'.repeat(48)])(
    'names the room %j exactly',
    async (roomId) => {
      const server = await httpServer();
      await destroy(clientOf(server.endpoint), roomId);
      expect(JSON.parse(server.seen[0]?.body ?? '')).toEqual({ RoomId: roomId });
    },
  );

  test('names any admin account exactly', async () => {
    const server = await httpServer();
    const adminIdentifier = 'a+b &random=1#é';
    await destroy(clientOf(server.endpoint, { adminIdentifier }));
    expect(server.seen[0]?.url.searchParams.getAll('identifier')).toEqual([adminIdentifier]);
    expect(server.seen[0]?.url.searchParams.getAll('random')).toHaveLength(1);
  });

  test('gives back what the API answered', async () => {
    const server = await httpServer();
    expect(await destroy(clientOf(server.endpoint))).toEqual({
      kind: 'reply',
      httpStatus: 200,
      errorCode: 0,
      errorInfo: '',
      requestId: 'Id-1',
      statistics: {
        totalViewers: 1n,
        totalGiftsSent: 2n,
        totalGiftCoins: 3n,
        totalUniqueGiftSenders: 4n,
        totalLikesReceived: 5n,
      },
      response: expect.objectContaining({ Statistic: expect.anything() as unknown }) as unknown,
    });
  });

  test('gives back one answer, however often it is asked', async () => {
    const server = await httpServer();
    const request = clientOf(server.endpoint).prepareDestroy('room-1');
    await request.ready;
    const first = await release(request);
    expect(await release(request)).toBe(first);
    expect(server.seen).toHaveLength(1);
  });
});

describe('connections', () => {
  test('are kept: one serves requests that follow each other', async () => {
    const server = await httpServer();
    const client = clientOf(server.endpoint);
    for (let sent = 0; sent < 5; sent++) await destroy(client);
    expect(server.seen).toHaveLength(5);
    expect(server.connections()).toBe(1);
  });

  test('one for each request that is prepared at the same time', async () => {
    const server = await httpServer();
    const client = clientOf(server.endpoint);
    const requests = [1, 2, 3].map((n) => client.prepareDestroy(`room-${n}`));
    await Promise.all(requests.map(({ ready }) => ready));
    await Promise.all(requests.map(release));
    expect(server.connections()).toBe(3);
  });

  test('one that the server closed while it was idle is not used again', async () => {
    const server = await httpServer();
    const client = clientOf(server.endpoint);
    await destroy(client);
    server.server.closeAllConnections();
    await expect.poll(() => openSockets(server.server)).toBe(0);
    await manyTurns();
    expect(await destroy(client)).toMatchObject({ kind: 'reply', errorCode: 0 });
    expect(server.connections()).toBe(2);
  });

  test('one that was idle for too long is closed: nobody knows whether the other end is still there', async () => {
    const server = await httpServer();
    const client = clientOf(server.endpoint, { idleLimitMs: 50 });
    await destroy(client);
    expect(await openSockets(server.server)).toBe(1);
    await expect.poll(() => openSockets(server.server)).toBe(0);
    expect(await destroy(client)).toMatchObject({ kind: 'reply', errorCode: 0 });
    expect(server.connections()).toBe(2);
  });

  test('the limit for idle ones does not end a request that waits for its slot, or for its answer', async () => {
    const server = await httpServer((_request, response) => {
      setTimeout(() => response.end(success), 200);
    });
    const client = clientOf(server.endpoint, { idleLimitMs: 50 });
    await destroy(client);
    const request = client.prepareDestroy('room-2');
    await request.ready;
    const waited = performance.now() + 200;
    await expect.poll(() => performance.now() > waited).toBe(true);
    expect(request.isUsable()).toBe(true);
    expect(await release(request)).toMatchObject({ kind: 'reply', errorCode: 0 });
  });

  test('a request whose kept connection the server closed is not usable, and was not sent', async () => {
    const server = await httpServer();
    const client = clientOf(server.endpoint);
    await destroy(client);
    const request = client.prepareDestroy('room-2');
    await request.ready;
    expect(request.isUsable()).toBe(true);
    server.server.closeAllConnections();
    await expect.poll(() => request.isUsable()).toBe(false);
    expect(await release(request)).toMatchObject({ kind: 'network', written: false });
    expect(server.seen).toHaveLength(1);
  });
});

function openSockets(server: http.Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.getConnections((error, count) => (error ? reject(error) : resolve(count)));
  });
}

test('a server that repeats the signed URL does not get the signature into an answer', async () => {
  const server = await httpServer((request, response) => {
    const info = `no such path ${request.url ?? ''}`;
    response.end(JSON.stringify({ ErrorCode: 60002, ErrorInfo: info, RequestId: request.url }));
  });
  const answer = await destroy(clientOf(server.endpoint));
  expect(answer).toMatchObject({ kind: 'reply', errorCode: 60002 });
  expect(JSON.stringify(answer)).toContain('usersig=…');
});

describe('the timeout', () => {
  const timeoutMs = 8_000;
  /** The timeout reads its socket once more before it gives up. */
  const lastLookMs = 20;

  /** A server that does not answer, or not to the end; `arrived` resolves with the request. */
  async function stallingServer(begin: (response: http.ServerResponse) => void = () => undefined) {
    let arrive = (): void => undefined;
    const arrived = new Promise<void>((resolve) => (arrive = resolve));
    const server = await httpServer((_request, response) => {
      begin(response);
      arrive();
    });
    return { endpoint: server.endpoint, arrived };
  }

  // Only the client's own timer: sockets and servers go on as they do. (expect.poll would
  // move this clock.)
  beforeEach(() => vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));

  test('counts from the release, however long the request waited for its slot', async () => {
    const server = await stallingServer();
    const request = clientOf(server.endpoint, { requestTimeoutMs: timeoutMs }).prepareDestroy('r');
    await request.ready;
    vi.advanceTimersByTime(timeoutMs - 1);

    let answer: Answer | undefined;
    const answered = release(request).then((result) => (answer = result));
    await server.arrived;
    vi.advanceTimersByTime(timeoutMs - 1);
    await manyTurns();
    expect(answer).toBeUndefined();
    vi.advanceTimersByTime(1 + lastLookMs);
    expect(await answered).toEqual({ kind: 'timeout' });
  });

  test('covers the whole answer: a body that stalls is a timeout too', async () => {
    const server = await stallingServer((response) => {
      response.writeHead(200, { 'content-length': success.length });
      response.write(success.slice(0, 20));
    });
    const request = clientOf(server.endpoint, { requestTimeoutMs: timeoutMs }).prepareDestroy('r');
    await request.ready;
    const answered = release(request);
    await server.arrived;
    await manyTurns();
    vi.advanceTimersByTime(timeoutMs + lastLookMs);
    expect(await answered).toEqual({ kind: 'timeout', raw: success.slice(0, 20) });
  });

  test('does not end a request that waits for its slot on an open connection', async () => {
    const server = await rawServer();
    const request = clientOf(server.endpoint, { requestTimeoutMs: timeoutMs }).prepareDestroy('r');
    await request.ready;
    await manyTurns();
    expect(vi.getTimerCount()).toBe(0);
    vi.advanceTimersByTime(10 * timeoutMs);
    await manyTurns();
    expect(request.isUsable()).toBe(true);
    expect(server.chunks).toEqual([]);
    request.abandon();
  });

  test('an answer that arrived while the process was stopped is read, though its time is over', async () => {
    vi.useRealTimers();
    // In a process of its own: it answers while this one stands still.
    const server = await startCountingServer({ ...credentials, latencyMs: 150 });
    closers.push(() => server.close());
    const request = clientOf(server.url, { requestTimeoutMs: 300 }).prepareDestroy('room-1');
    await request.ready;
    const answered = release(request);
    await server.reached(1);
    const until = performance.now() + 700;
    while (performance.now() < until);
    expect(await answered).toMatchObject({ kind: 'reply', errorCode: 0 });
  });

  test('no timer is left behind by an answer', async () => {
    const server = await httpServer();
    await destroy(clientOf(server.endpoint, { requestTimeoutMs: timeoutMs }));
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('what a broken connection says', () => {
  test('refused: a network error, not written', async () => {
    const server = await rawServer();
    await new Promise((resolve) => server.server.close(resolve));
    const request = clientOf(server.endpoint).prepareDestroy('room-1');
    await request.ready;
    expect(request.isUsable()).toBe(false);
    expect(await release(request)).toEqual({
      kind: 'network',
      code: 'ECONNREFUSED',
      written: false,
    });
  });

  test.each<[rule: string, handle: Handler]>([
    ['reset after the request', (request) => request.socket.resetAndDestroy()],
    ['closed after the request', (request) => request.socket.destroy()],
    [
      'reset within the answer',
      (request, response) => {
        response.writeHead(200, { 'content-length': success.length });
        response.write(success.slice(0, 20), () => request.socket.resetAndDestroy());
      },
    ],
    [
      'closed within the answer',
      (request, response) => {
        response.writeHead(200, { 'content-length': success.length });
        response.write(success.slice(0, 20), () => request.socket.destroy());
      },
    ],
    ['an answer that is not HTTP', (request) => request.socket.end('hello\r\n\r\n')],
  ])('%s: a network error, written', async (_rule, handle) => {
    const server = await httpServer(handle);
    const answer = await destroy(clientOf(server.endpoint));
    expect(answer).toMatchObject({ kind: 'network', written: true });
    expect(answer).toHaveProperty('code', expect.stringMatching(/^[A-Z][A-Z_]+$/));
    expect(answer).not.toHaveProperty('code', 'UNKNOWN');
  });
});

describe('what an unexpected answer says', () => {
  test.each<[rule: string, body: string]>([
    ['garbage', 'not JSON'],
    ['nothing', ''],
    ['HTML', '<html></html>'],
  ])('a body of %s is unreadable, and kept', async (_rule, body) => {
    const server = await httpServer((_request, response) => response.end(body));
    expect(await destroy(clientOf(server.endpoint))).toEqual({
      kind: 'unreadable',
      httpStatus: 200,
      ...(body === '' ? {} : { raw: body }),
    });
  });

  test.each([400, 404, 429, 500, 503])(
    'HTTP %i is an answer, and is not asked again',
    async (status) => {
      const server = await httpServer((_request, response) =>
        response.writeHead(status, { 'retry-after': '0' }).end(),
      );
      const expected = { kind: 'unreadable', httpStatus: status };
      expect(await destroy(clientOf(server.endpoint))).toEqual(expected);
      expect(server.seen).toHaveLength(1);
    },
  );

  test.each([301, 302, 303, 307, 308])(
    'a redirect (%i) is not followed: the signature goes to no other host',
    async (status) => {
      const other = await httpServer();
      const server = await httpServer((_request, response) =>
        response.writeHead(status, { location: `${other.endpoint}/elsewhere` }).end(),
      );
      const expected = { kind: 'unreadable', httpStatus: status };
      expect(await destroy(clientOf(server.endpoint))).toEqual(expected);
      expect(other.connections()).toBe(0);
      expect(server.seen).toHaveLength(1);
    },
  );

  test('a body of 1 MiB is read', async () => {
    const server = await httpServer((_request, response) => response.end(success.padEnd(mebibyte)));
    expect(await destroy(clientOf(server.endpoint))).toMatchObject({ kind: 'reply', errorCode: 0 });
  });

  test('a body without end is cut: unreadable, and the connection is closed', async () => {
    let sent = 0;
    let closed = false;
    const server = await httpServer((request, response) => {
      const chunk = ' '.repeat(65_536);
      const more = (): void => {
        for (let writable = true; writable && !closed;) {
          writable = response.write(chunk);
          sent += chunk.length;
        }
      };
      response.on('drain', more);
      request.socket.on('close', () => (closed = true));
      more();
    });
    expect(await destroy(clientOf(server.endpoint))).toEqual({
      kind: 'unreadable',
      httpStatus: 200,
      raw: expect.any(String) as string,
    });
    await expect.poll(() => closed).toBe(true);
    // What the kernel buffers on loopback comes on top.
    expect(sent).toBeLessThan(32 * mebibyte);
  });

  test('a small body that unpacks to a huge one is cut', async () => {
    const packed = gzipSync(success.padEnd(20 * mebibyte));
    const server = await httpServer((_request, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(packed),
    );
    expect(await destroy(clientOf(server.endpoint))).toEqual({
      kind: 'unreadable',
      httpStatus: 200,
    });
  });

  test('a huge body under HTTP 403 is still a 403', async () => {
    const server = await httpServer((_request, response) =>
      response.writeHead(403).end(' '.repeat(4 * mebibyte)),
    );
    expect(await destroy(clientOf(server.endpoint))).toEqual({
      kind: 'unreadable',
      httpStatus: 403,
      raw: expect.any(String) as string,
    });
  });
});

// Made for this test; it opens nothing.
const worthlessKey = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgnIzK0MQWrDLLMDOJ
jmpB6ldWIsQw2xJ1Zm1t+LZN1S6hRANCAASvDAv67KLdOm+Tfv5KwANO4sNr7qYO
RzFD91ZomPVYJzR1GRx9fN3xEv7VTHMBtvEVEmOSJ9qFPQcK0ehLkrkR
-----END PRIVATE KEY-----
`;
const worthlessCertificate = `-----BEGIN CERTIFICATE-----
MIIBkDCCATagAwIBAgIUaO5HSDHZl7SiUdhaZ9M74Xy8FEMwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJMTI3LjAuMC4xMCAXDTI2MTEyMzA3MTYzNVoYDzIxMjYxMDMw
MDcxNjM1WjAUMRIwEAYDVQQDDAkxMjcuMC4wLjEwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAASvDAv67KLdOm+Tfv5KwANO4sNr7qYORzFD91ZomPVYJzR1GRx9fN3x
Ev7VTHMBtvEVEmOSJ9qFPQcK0ehLkrkRo2QwYjAdBgNVHQ4EFgQUJRe8aYdJ4DCM
ViuNe8oD3PDT8Z0wHwYDVR0jBBgwFoAUJRe8aYdJ4DCMViuNe8oD3PDT8Z0wDwYD
VR0TAQH/BAUwAwEB/zAPBgNVHREECDAGhwR/AAABMAoGCCqGSM49BAMCA0gAMEUC
IQDcCqVOCtUfwlwfwNG/StmnQYFmN+MLXFMOlEIWISBo1AIgJ55QUKOgUiGiuTmQ
wzs1fQMRmJ6q55pjt7Gd0zmhpxM=
-----END CERTIFICATE-----
`;
