/** Who means no good: bodies, connections and paths that would cost the server, or lead it astray. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { inspectConfig, type Config } from '../../src/config.js';
import { createLog } from '../../src/log.js';
import type { Limits } from '../../src/server/limits.js';
import { startServer, type HttpServer } from '../../src/server/server.js';
import { afterThisTest } from '../e2e/room-reaper.js';
import { startRedisServer, withRedis } from '../support/servers.js';
import { askAt, useServer } from './fixture.js';

const app = useServer();

/** Another server on the same stores, whose patience ends sooner. */
async function serve(
  limits: Partial<Limits>,
  config: Partial<Config> = {},
): Promise<Pick<HttpServer, 'url' | 'close'>> {
  const server = await startServer(
    { ...app.config, ...config },
    {
      ...{ version: '1.2.3', onNotice: () => undefined, limits },
      inspected: inspectConfig({}, { app: false, credentials: false }),
      log: createLog({ level: 'silent', readable: false, colour: false }),
    },
  );
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

const listsLeft = () =>
  app.sql('select from room_reaper.list_parts union all select from room_reaper.lists');

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
    expect(await listsLeft()).toEqual([]);
  });
});

test('a list that unpacks to more than may be is refused, whatever it weighs, and leaves nothing', async () => {
  const { url } = await serve({ listBytes: megabyte.length });
  const line = `${'a'.repeat(31)}\n`;
  const list = (query: string, bytes: number) =>
    askAt(url, `/v1/batches?${query}`, {
      ...{ method: 'POST', body: gzipSync(Buffer.alloc(bytes, line)) },
      headers: {
        ...{ Authorization: `Bearer ${app.tokens.operator}` },
        ...{ 'Content-Type': 'text/plain', 'Content-Encoding': 'gzip' },
      },
    });
  expect(await list('dryRun=true', megabyte.length)).toMatchObject({
    status: 200,
    json: { unique: 1 },
  });
  const bomb = await list('expect=1', megabyte.length + 2);
  expect(bomb).toMatchObject({ status: 413, json: { code: 'TOO_LARGE' } });
  expect(bomb.text).toContain('at most 1 MB, also unpacked');
  expect(await listsLeft()).toEqual([]);
});

test('one connection too many is closed, and no other', async () => {
  const { url } = await serve({ mostConnections: 3 });
  const kept = Array.from({ length: 3 }, () => say(url, 'GET /livez HTTP/1.1', 'Host: a', '', ''));
  await Promise.all(kept.map((socket) => once(socket, 'data')));
  await closed(say(url));
  for (const socket of kept) expect(socket.readyState).toBe('open');
  kept[0]?.destroy();
  const works = () =>
    askAt(url, '/livez').then(
      ({ status }) => status,
      () => 0,
    );
  await expect.poll(works).toBe(200);
});

describe('JSON', () => {
  const deep = (open: string, close: string) => open.repeat(90_000) + close.repeat(90_000);

  test.each([
    ['a deep list', `{"reason":${deep('[', ']')}}`],
    ['deep objects', `{"reason":${deep('{"a":', '}').replace(':}', ':1}')}}`],
    ['a deep list alone', deep('[', ']')],
    [
      'ten thousand fields',
      JSON.stringify(
        Object.fromEntries(
          Array(10_000)
            .fill(0)
            .map((_, at) => [`f${at}`, at]),
        ),
      ),
    ],
    ['a prototype', '{"reason":"a","__proto__":{"isAdmin":true}}'],
    ['a constructor', '{"reason":"a","constructor":{"prototype":{"isAdmin":true}}}'],
    ['an endless number', `{"reason":${'9'.repeat(900_000)}}`],
  ])('of %s is refused in a few words, and changes nothing', async (_, body) => {
    const answer = await app.ask('/v1/pause', {
      ...{ method: 'POST', body, headers: { 'Content-Type': 'application/json' } },
    });
    expect([400, 422]).toContain(answer.status);
    expect(answer.text.length).toBeLessThan(1_000);
    expect({}).not.toHaveProperty('isAdmin');
    expect((await app.ask('/v1/status')).json).toMatchObject({ line: 'running' });
  });
});

describe('a path', () => {
  /** Written otherwise than in the table. */
  const tricks = [
    ...[
      '/V1/status',
      '/v1/status/',
      '//v1/status',
      '/v1//status',
      '/v1/./status',
      '/v1/x/../status',
    ],
    ...['/v1/%73tatus', '/v1/%2e%2e/v1/status', '/v1/status;a=b', '/v1/status%00', '/v1\\status'],
    ...['/livez/../v1/status', '/livez%2f..%2fv1%2fstatus', '/session/../v1/status', '/v1/status#'],
    ...['/v1/batches/../status', '/v1/batches/%2e%2e/status', '/.//v1/status', '/v1/status%20'],
  ];

  test.each(tricks)('as %s opens nothing to who may not', async (path) => {
    for (const as of ['nobody', 'producer'] as const) {
      const { status } = await app.ask(path, { as });
      expect([400, 401, 403, 404]).toContain(status);
    }
    const { text: shown, headers } = await app.ask(path, { method: 'POST', as: 'viewer' });
    expect(shown).not.toContain('"queue"');
    expect(headers['location']).toBeUndefined();
  });
});

test('what Redis has no space for is 507, with how many fit, and nothing of it is kept', async () => {
  const redis = await startRedisServer({ settings: { maxmemory: '12mb' } });
  afterThisTest(() => redis.stop());
  const { url } = await serve({}, { queueUrl: redis.url });
  const headers = { Authorization: `Bearer ${app.tokens.producer}`, 'Content-Type': 'text/plain' };
  const body = Array.from({ length: 40_000 }, (_, at) => `full-${at}\n`).join('');
  const list = await askAt(url, '/v1/batches?expect=40000', { method: 'POST', headers, body });
  expect(list).toMatchObject({ status: 507, json: { code: 'NO_SPACE' } });
  expect(list.text).toMatch(/got space for about 1\d,\d{3}; nothing was added/);
  expect(await app.sql('select from room_reaper.lists')).toEqual([]);

  await withRedis(redis.url, (client) => client.config('SET', 'maxmemory', '1mb'));
  const { Authorization } = headers;
  const keyed = { headers: { Authorization, 'Idempotency-Key': 'k' }, body: { roomId: 'a' } };
  const room = await askAt(url, '/v1/rooms', keyed);
  expect(room).toMatchObject({ status: 507, json: { code: 'NO_SPACE' } });
  expect(room.text).toContain('Redis is full (OOM); raise its maxmemory');
  // The key stands for the request until that is done.
  expect((await askAt(url, '/v1/rooms', { ...keyed, body: { roomId: 'b' } })).status).toBe(422);
  await withRedis(redis.url, (client) => client.config('SET', 'maxmemory', '0'));
  expect(await askAt(url, '/v1/rooms', keyed)).toMatchObject({ json: { state: 'added' } });
});

test('no token reaches the log, whatever it came with and however it ended', async () => {
  const server = app.server.url;
  const secret = 'rr_secret-of-somebody-that-must-not-be-told';
  const of = (token: string) => [
    askAt(server, '/v1/me', { headers: { Authorization: `Bearer ${token}` } }),
    askAt(server, '/v1/me', { headers: { Authorization: `Basic ${token}` } }),
    askAt(server, `/v1/status?token=${token}`, { headers: { Cookie: `a=${token}` } }),
    askAt(server, `/v1/${token}`, { headers: { 'Idempotency-Key': token } }),
    askAt(server, '/session', { body: { token } }),
    askAt(server, '/session', { body: { token, more: 1 } }),
    askAt(server, '/session', { body: `{"token":"${token}"`, method: 'POST' }),
    text(say(server, `${token} HTTP/1.1`, `Authorization: Bearer ${token}`, '')),
  ];
  const answers = await Promise.all([...of(secret), ...of(app.tokens.operator)]);
  // A bug of ours, in the middle of a request.
  await app.sql('alter table room_reaper.actions rename to away');
  try {
    const headers = { Authorization: `Bearer ${app.tokens.operator}` };
    answers.push(await askAt(server, `/v1/actions?cursor=`, { headers }));
    const broken = await askAt(server, '/v1/actions', { headers });
    expect(broken).toMatchObject({ status: 500, json: { code: 'BUG' } });
    expect(broken.text).not.toContain('away');
    await expect.poll(() => app.log.join('')).toContain('a request ended with a bug');
  } finally {
    await app.sql('alter table room_reaper.away rename to actions');
  }
  const told = [
    ...app.log,
    ...answers.map((each) => (typeof each === 'string' ? each : each.text)),
  ];
  for (const token of [secret, app.tokens.operator, app.tokens.operator.slice(3)])
    expect(told.join('\n')).not.toContain(token);
});
