/** Who means no good: bodies, connections and paths that would cost the server, or lead it astray. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { inspectConfig } from '../../src/config.js';
import { createLog } from '../../src/log.js';
import type { Limits } from '../../src/server/limits.js';
import { startServer, type HttpServer } from '../../src/server/server.js';
import { afterThisTest } from '../e2e/room-reaper.js';
import { useServer } from './fixture.js';

const app = useServer();

/** Another server on the same stores, whose patience ends sooner. */
async function serve(limits: Partial<Limits>): Promise<Pick<HttpServer, 'url' | 'close'>> {
  const server = await startServer(app.config, {
    ...{ version: '1.2.3', onNotice: () => undefined, limits },
    inspected: inspectConfig({}, { app: false, credentials: false }),
    log: createLog({ level: 'silent', readable: false, colour: false }),
  });
  let closing: Promise<void> | undefined;
  const close = () => (closing ??= server.close());
  afterThisTest(close);
  return { url: server.url, close };
}

/** A connection that says these lines, and then nothing by itself. */
function say(url: string, ...lines: string[]): Socket {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  // A server that closes it while it is written to.
  socket.on('error', () => undefined);
  afterThisTest(() => void socket.destroy());
  if (lines.length > 0) socket.write(`${lines.join('\r\n')}\r\n`);
  return socket;
}

/** The head of a request of an operator's, without its end. */
const head = (request: string, type = 'application/json') => [
  `${request} HTTP/1.1`,
  'Host: localhost',
  `Authorization: Bearer ${app.tokens.operator}`,
  `Content-Type: ${type}`,
];

const megabyte = Buffer.alloc(1024 ** 2, 'a');

/** Sends so much, and reads nothing meanwhile. */
async function send(socket: Socket, megabytes: number): Promise<void> {
  for (let count = 0; count < megabytes && socket.writable; count += 1)
    await new Promise((resolve) => socket.write(megabyte, resolve));
}

const closed = (socket: Socket) =>
  new Promise<void>((resolve) => {
    if (socket.closed) resolve();
    socket.resume().once('close', () => resolve());
  });

describe('whoever sends on though it was refused', () => {
  test.each([
    ['nobody', 401, 'POST /v1/batches', 'text/plain', 'Authorization: Bearer rr_wrong'],
    ['a list of another type', 415, 'POST /v1/batches', 'application/pdf', ''],
    ['a JSON that is too large', 413, 'POST /v1/pause', 'application/json', ''],
    ['an unknown path', 404, 'POST /v1/nothing', 'text/plain', ''],
  ])('is answered when it has sent all: %s', async (_, status, request, type, authorization) => {
    const lines = head(request, type);
    if (authorization !== '') lines[2] = authorization;
    const socket = say(app.server.url, ...lines, `Content-Length: ${24 * megabyte.length}`, '');
    await send(socket, 24);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    // And the connection is as good as before.
    socket.write('GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
    expect(await text(socket)).toMatch(/HTTP\/1.1 200 /);
  });

  test('is left where it is too much, or takes too long', async () => {
    const lines = [...head('POST /v1/nothing'), 'Content-Length: 1000000000', ''];
    const sending = say((await serve({ refusedBytes: 1_000 })).url, ...lines);
    const [answer] = (await once(sending, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1.1 404 /);
    await send(sending, 900);
    await closed(sending);
    expect(await text(say((await serve({ refusedMs: 100 })).url, ...lines))).toContain(' 404 ');
  });

  test('does not hold up the end of the server', async () => {
    const server = await serve({});
    const lines = [...head('POST /v1/nothing'), 'Content-Length: 1000000000', ''];
    const socket = say(server.url, ...lines);
    await once(socket, 'data');
    await Promise.all([closed(socket), server.close()]);
  });
});

describe('whoever is slow', () => {
  test('with its headers is told so, and its connection closed', async () => {
    const { url } = await serve({ headersMs: 100 });
    expect(await text(say(url, 'GET /livez HTTP/1.1'))).toMatch(/^HTTP\/1.1 408 /);
  });

  test('with a first word has its connection closed', async () => {
    const { url } = await serve({ idleMs: 100 });
    await closed(say(url));
  });

  test('with JSON is told so', async () => {
    const { url } = await serve({ jsonMs: 100, refusedMs: 100 });
    const answer = await text(say(url, ...head('POST /v1/pause'), 'Content-Length: 9', '', '{'));
    expect(answer).toMatch(/^HTTP\/1.1 408 [^]*"code":"TOO_SLOW"/);
  });

  test('with a list is told so, leaves nothing, and takes no place', async () => {
    const { url } = await serve({ listIdleMs: 100 });
    const list = head('POST /v1/batches', 'text/plain');
    for (const body of [
      ['Content-Length: 90', '', 'a'],
      ['Transfer-Encoding: chunked', '', '1', 'a'],
    ])
      for (let count = 0; count < 3; count += 1) {
        const answer = await text(say(url, ...list, ...body));
        expect(answer).toMatch(/^HTTP\/1.1 408 [^]*"code":"TOO_SLOW"/);
      }
    const left = `select from room_reaper.list_parts union all select from room_reaper.lists`;
    expect(await app.sql(left)).toEqual([]);
  });
});
