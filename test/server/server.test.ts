import { gzipSync } from 'node:zlib';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { inspectConfig, readConfig } from '../../src/config.js';
import { createLog } from '../../src/log.js';
import { createToken, revokeToken, roles } from '../../src/operations/tokens.js';
import { httpCodes } from '../../src/server/problem.js';
import { mayUse } from '../../src/server/route.js';
import { allRoutes } from '../../src/server/routes.js';
import { startServer } from '../../src/server/server.js';
import { askAt, useServer } from './fixture.js';

const app = useServer();
const cookieName = 'room_reaper_1400000001';
const routes = allRoutes({ version: '1.2.3', basePath: '', cookieName });

/** A path that leads to the route. */
const pathOf = (path: string) => path.replace(/\{\w+\}/g, 'nothing');

describe('roles', () => {
  /** The contract: who may, besides operators. Routes that are not here are for operators alone. */
  const may: Record<string, readonly string[]> = {
    'get /livez': ['nobody', 'viewer', 'producer'],
    'get /readyz': ['nobody', 'viewer', 'producer'],
    'get /v1/me': ['viewer', 'producer'],
    'get /v1/openapi.json': ['viewer', 'producer'],
    'get /v1/status': ['viewer'],
    'get /v1/rooms': ['viewer', 'producer'],
    'post /v1/rooms': ['producer'],
    'post /v1/batches': ['producer'],
    'get /v1/batches': ['viewer', 'producer'],
    'get /v1/batches/{id}': ['viewer', 'producer'],
    'get /v1/batches/{id}/rooms': ['viewer', 'producer'],
    'get /v1/batches/{id}/report': ['viewer', 'producer'],
    'post /webhooks/tencent': ['producer'],
    'get /v1/errors': ['viewer'],
    'get /v1/audit': ['viewer'],
    'get /v1/history': ['viewer'],
    'get /v1/live-rooms': ['viewer'],
    'get /metrics': ['nobody', 'viewer', 'producer'],
    'post /session': ['nobody', 'viewer', 'producer'],
    'delete /session': ['nobody', 'viewer', 'producer'],
    'get /': ['nobody', 'viewer', 'producer'],
    'get ': ['nobody', 'viewer', 'producer'],
    'get /assets/{name}': ['nobody', 'viewer', 'producer'],
  };

  test.each(routes.map((each) => ({ ...each, name: `${each.method} ${each.path}` })))(
    '$name is open to its roles and to no other',
    async ({ name, method, path }) => {
      for (const as of ['nobody', ...roles] as const) {
        const asked = { method: method.toUpperCase(), as };
        const { status } = await app.ask(pathOf(path), asked);
        const open = as === 'operator' || (may[name] ?? []).includes(as);
        const expected = open ? undefined : as === 'nobody' ? 401 : 403;
        if (expected === undefined) expect([401, 403], `${name} as ${as}`).not.toContain(status);
        else expect(status, `${name} as ${as}`).toBe(expected);
      }
    },
  );

  test('the table and the guard agree: a role that is not named may not', () => {
    for (const each of routes) {
      const named = may[`${each.method} ${each.path}`] ?? [];
      for (const role of ['viewer', 'producer'] as const)
        expect(mayUse(each, { name: 'a', role })).toBe(named.includes(role));
    }
  });

  test.each([
    ['Bearer'],
    ['Bearer '],
    ['Basic YTpi'],
    ['Bearer rr_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'],
    ['Bearer a b'],
  ])('the token %j is nobody’s', async (Authorization) => {
    const answer = await app.ask('/v1/me', { as: 'nobody', headers: { Authorization } });
    expect(answer).toMatchObject({ status: 401, json: { code: 'UNAUTHENTICATED' } });
    expect(answer.headers['www-authenticate']).toContain('Bearer');
  });

  test('a token says who it is, and is refused within a second of its end', async () => {
    const request = { name: 'grafana', role: 'viewer', by: 'ada', expiresAtMs: undefined } as const;
    const token = await createToken(app.service, request);
    const headers = { Authorization: `Bearer ${token}` };
    const me = () => app.ask('/v1/me', { as: 'nobody', headers });
    await expect
      .poll(async () => (await me()).json)
      .toMatchObject({ name: 'grafana', role: 'viewer' });
    await revokeToken(app.service, 'grafana');
    await expect.poll(async () => (await me()).status).toBe(401);
    expect(app.log.join('')).not.toContain(token);
  });
});

describe('what is wrong is a problem document', () => {
  test.each([
    ['an unknown path', 'NO_SUCH_PATH', '/v1/nothing', {}],
    ['a file of the dashboard that is not', 'NO_SUCH_PATH', '/assets/main.js', {}],
    ['a file beside the dashboard', 'NO_SUCH_PATH', '/assets/..%2f..%2fpackage.json', {}],
    ['a method of the dashboard', 'WRONG_METHOD', '/', { method: 'POST' }],
    ['a path above it', 'NO_SUCH_PATH', '/../../etc/passwd', {}],
    ['a path with an encoded slash', 'NO_SUCH_PATH', '/v1%2Fstatus%2F..', {}],
    ['another host in the path', 'NO_SUCH_PATH', '//foreign.example/v1/status', {}],
    ['a wrong method', 'WRONG_METHOD', '/v1/status', { method: 'PUT' }],
    ['a preflight', 'WRONG_METHOD', '/v1/status', { method: 'OPTIONS' }],
    ['no token', 'UNAUTHENTICATED', '/v1/status', { as: 'nobody' }],
    ['a role that may not', 'FORBIDDEN', '/v1/status', { as: 'producer' }],
    ['a foreign host', 'WRONG_HOST', '/v1/status', { headers: { Host: 'foreign.example' } }],
    ['a foreign host and port', 'WRONG_HOST', '/livez', { headers: { Host: 'a.example:8700' } }],
    ['a host like ours', 'WRONG_HOST', '/livez', { headers: { Host: 'localhost.a.example' } }],
    ['an address in a name', 'WRONG_HOST', '/livez', { headers: { Host: '127.0.0.1.a.example' } }],
  ] as const)('%s is %s', async (_, code, path, asking) => {
    const answer = await app.ask(path, asking);
    const status = httpCodes[code].httpStatus;
    expect(answer).toMatchObject({ status, json: { status, code } });
    expect(answer.headers['content-type']).toBe('application/problem+json');
    expect(answer.json).toMatchObject({
      type: `urn:room-reaper:problem:${code.toLowerCase().replaceAll('_', '-')}`,
      title: expect.any(String) as string,
      detail: expect.any(String) as string,
    });
    expect(answer.headers).toMatchObject({
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'content-security-policy': expect.stringContaining("default-src 'none'") as string,
    });
    expect(answer.headers['access-control-allow-origin']).toBeUndefined();
  });

  test('a parameter that is not known is refused by name', async () => {
    expect(await app.ask('/v1/status?btach=a')).toMatchObject({
      ...{ status: 422, json: { code: 'INVALID' } },
      text: expect.stringContaining('btach') as string,
    });
  });

  test('a wrong method names the right ones', async () => {
    const { headers } = await app.ask('/v1/status', { method: 'DELETE' });
    expect(headers['allow']).toBe('GET, HEAD');
  });

  test.each([
    ['no HTTP at all', 'nonsense\r\n\r\n', 400],
    ['headers without an end', `GET /livez HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(20_000)}`, 431],
    ['no Host', 'GET /livez HTTP/1.1\r\n\r\n', 400],
    ['HTTP/1.0 without a Host', 'GET /livez HTTP/1.0\r\n\r\n', 400],
    ['another server’s URL', 'GET http://a.example/livez HTTP/1.1\r\nHost: a.example\r\n\r\n', 421],
  ])('%s is answered, and its connection closed', async (_, sent, status) => {
    const { hostname, port } = new URL(app.server.url);
    const socket = connect(Number(port), hostname);
    socket.write(sent.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'));
    const answered = await text(socket);
    expect(answered).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  });
});

test.each(['127.0.0.1:1', '[::1]:1', 'localhost', 'LOCALHOST:80', '10.1.2.3'])(
  'the Host %s is served',
  async (Host) => {
    expect((await app.ask('/livez', { headers: { Host } })).status).toBe(200);
  },
);

test('whoever asks is told where it is', async () => {
  const { json } = await app.ask('/v1/me', { as: 'producer' });
  expect(json).toEqual({
    ...{ name: 'a-producer', role: 'producer' },
    server: {
      ...{ version: '1.2.3', sdkAppId: app.config.sdkAppId, ratePerSecond: 200, label: null },
      endpoint: 'https://console.tim.qq.com',
    },
  });
});

test('the dashboard loads its own files alone, packed, and again only where they changed', async () => {
  const page = await app.ask('/', { as: 'nobody' });
  expect(page.headers).toMatchObject({
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-cache',
    'x-frame-options': 'DENY',
  });
  const policy = String(page.headers['content-security-policy']);
  expect(policy).toContain("default-src 'none'");
  expect(policy).not.toContain('unsafe');
  const names = [...page.text.matchAll(/(?:src|href)="(assets[^"]+)"/g)].map(([, name]) => name);
  expect(names).toHaveLength(2);
  let bytes = gzipSync(page.text).length;
  for (const name of names) {
    const plain = await app.ask(`/${name}`, { as: 'nobody' });
    expect(plain.headers['cache-control']).toContain('immutable');
    const packed = await app.ask(`/${name}`, { headers: { 'Accept-Encoding': 'br, gzip' } });
    expect(packed.headers).toMatchObject({ 'content-encoding': 'gzip', vary: 'Accept-Encoding' });
    bytes += gzipSync(plain.text).length;
    const { etag = '' } = plain.headers as Record<string, string>;
    const again = await app.ask(`/${name}`, { headers: { 'If-None-Match': etag } });
    expect(again).toMatchObject({ status: 304, text: '' });
  }
  expect(bytes).toBeLessThan(60_000);
});

test('the OpenAPI document has the cookie of this app, and every route', async () => {
  const { json } = await app.ask('/v1/openapi.json');
  const name = `room_reaper_${app.config.sdkAppId}`;
  expect(json).toMatchObject({
    openapi: '3.1.0',
    info: { version: '1.2.3' },
    components: { securitySchemes: { session: { name } } },
  });
  const { paths } = json as { paths: object };
  const ofApi = routes.filter(({ isPage }) => isPage !== true);
  expect(Object.keys(paths).sort()).toEqual([...new Set(ofApi.map(({ path }) => path))].sort());
});

test('the status is that of the command line, and 304 to who has it', async () => {
  const first = await app.ask('/v1/status', { as: 'viewer' });
  expect(first).toMatchObject({
    status: 200,
    json: { line: 'running', queue: { waiting: 0 }, batches: [], workers: [] },
  });
  const { etag = '' } = first.headers as Record<string, string>;
  expect(etag).toMatch(/^"[\w-]+"$/);
  for (const known of [etag, `W/${etag}`, `"other", ${etag}`]) {
    const again = await app.ask('/v1/status', { headers: { 'If-None-Match': known } });
    expect(again).toMatchObject({ status: 304, text: '' });
  }
  const other = await app.ask('/v1/status', { headers: { 'If-None-Match': '"other"' } });
  expect(other.status).toBe(200);
  const head = await app.ask('/v1/status', { method: 'HEAD' });
  expect(head).toMatchObject({ status: 200, text: '', headers: { etag } });
});

test('it is ready while its stores answer', async () => {
  expect(await app.ask('/readyz', { as: 'nobody' })).toMatchObject({
    status: 200,
    json: { ok: true, troubles: [] },
  });
});

describe('another server', () => {
  const options = {
    ...{ version: '1.2.3', onNotice: () => undefined },
    inspected: inspectConfig({}, { app: false, credentials: false }),
    log: createLog({ level: 'silent', readable: false, colour: false }),
  };
  const config = (env: Record<string, string>) =>
    readConfig(
      {
        ...{ TENCENT_SDK_APP_ID: String(app.config.sdkAppId), SERVE_PORT: '0' },
        ...{ DATABASE_URL: app.config.databaseUrl, QUEUE_URL: app.config.queueUrl },
        ...env,
      },
      { app: true, credentials: false },
    );

  test('lies under a base path, but for what a platform asks, and serves names that it is given', async () => {
    const server = await startServer(
      config({ SERVE_BASE_PATH: '/reaper/', SERVE_ALLOWED_HOSTS: 'Reaper.Example' }),
      options,
    );
    try {
      expect(server.url).toMatch(/\/reaper$/);
      const headers = { Authorization: `Bearer ${app.tokens.viewer}`, Host: 'reaper.example:443' };
      expect((await askAt(server.url, '/v1/me', { headers })).status).toBe(200);
      expect((await askAt(server.url, '/readyz')).status).toBe(200);
      const root = new URL('/', server.url).href;
      expect((await askAt(root, '/livez')).status).toBe(200);
      expect((await askAt(root, '/v1/me', { headers })).status).toBe(404);
    } finally {
      await server.close();
    }
  });

  test('refuses to listen for others than this machine while nobody has a token', async () => {
    const nobodys = String(app.config.sdkAppId + 1);
    const beyond = config({ SERVE_HOST: '0.0.0.0', TENCENT_SDK_APP_ID: nobodys });
    await expect(startServer(beyond, options)).rejects.toMatchObject({
      code: 'REFUSED',
      message: expect.stringContaining('room-reaper token create') as string,
    });
    const server = await startServer(config({ SERVE_HOST: '0.0.0.0' }), options);
    await server.close();
  });

  test('says where it cannot listen', async () => {
    const { port } = new URL(app.server.url);
    await expect(startServer(config({ SERVE_PORT: port }), options)).rejects.toMatchObject({
      code: 'INVALID',
      message: expect.stringContaining(`EADDRINUSE for 127.0.0.1, ${port}`) as string,
    });
  });
});
