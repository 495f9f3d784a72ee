import { describe, expect, test } from 'vitest';
import { inspectConfig, type Config } from '../../src/config.js';
import { createLog } from '../../src/log.js';
import { createToken, revokeToken } from '../../src/operations/tokens.js';
import { startServer } from '../../src/server/server.js';
import { afterThisTest, folderWith } from '../e2e/room-reaper.js';
import { freshSdkAppId } from '../support/servers.js';
import { askAt, useServer, type Answer } from './fixture.js';

const app = useServer();

const cookieName = () => `room_reaper_${app.config.sdkAppId}`;
const signIn = (token: string, headers: Record<string, string> = {}) =>
  app.ask('/session', { as: 'nobody', body: { token }, headers });
const setCookie = ({ headers }: Answer) => headers['set-cookie']?.[0] ?? '';

/** What a browser sends again of it. */
async function cookieOf(token: string): Promise<string> {
  const [pair = ''] = setCookie(await signIn(token)).split(';');
  expect(pair).toMatch(/^room_reaper_\d+=[\w-]{43}$/);
  return pair;
}

const own = { 'Sec-Fetch-Site': 'same-origin' };
const me = (Cookie: string) => app.ask('/v1/me', { as: 'nobody', headers: { Cookie } });
const pause = (headers: Record<string, string>) =>
  app.ask('/v1/pause', { as: 'nobody', headers, body: { reason: 'a look' } });

test('a token is given for a cookie that only this server gets, and no script', async () => {
  const answer = await signIn(app.tokens.operator);
  expect(answer).toMatchObject({ status: 200, json: { name: 'a-operator', role: 'operator' } });
  expect(answer.text + setCookie(answer)).not.toContain(app.tokens.operator.slice(3));
  const rules = '; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict';
  expect(setCookie(answer).replace(/=[\w-]{43}/, '')).toBe(cookieName() + rules);
  for (const headers of [
    { 'X-Forwarded-Proto': 'https' },
    { 'X-Forwarded-Proto': 'HTTPS, http' },
    { Origin: 'https://127.0.0.1', Host: '127.0.0.1' },
  ] as Record<string, string>[])
    expect(setCookie(await signIn(app.tokens.operator, headers))).toMatch(/; Secure$/);
});

test('what is done with a cookie is written down as done by the dashboard', async () => {
  const Cookie = `theme=dark; ${await cookieOf(app.tokens.operator)}; last=1`;
  expect((await me(Cookie)).json).toMatchObject({ name: 'a-operator', role: 'operator' });
  expect((await pause({ Cookie, ...own })).status).toBe(200);
  await app.ask('/v1/resume', { body: { reason: 'seen' } });
  const { json } = await app.ask('/v1/actions', { as: 'nobody', headers: { Cookie } });
  expect((json as { actions: object[] }).actions.slice(0, 2)).toMatchObject([
    { what: 'queue.resume', way: 'api', who: 'a-operator' },
    { what: 'queue.pause', way: 'dashboard', who: 'a-operator', role: 'operator' },
  ]);
});

test('with a cookie alone, a foreign page changes nothing', async () => {
  const Cookie = await cookieOf(app.tokens.operator);
  const { host, origin } = new URL(app.server.url);
  const neighbour = `http://${host.replace(/\d+$/, '1')}`;
  for (const [headers, attack] of [
    [{}, 'no header that tells the page'],
    [{ 'Sec-Fetch-Site': 'cross-site' }, 'a form of another site'],
    [{ 'Sec-Fetch-Site': 'same-site' }, 'a page of a neighbour'],
    [{ 'Sec-Fetch-Site': 'cross-site', Origin: origin }, 'an Origin that is made up'],
    [{ 'Sec-Fetch-Site': '' }, 'an empty header'],
    [{ 'Sec-Fetch-Site': 'Same-Origin' }, 'what no browser says'],
    [{ Origin: 'null' }, 'a sandboxed frame'],
    [{ Origin: '' }, 'an empty Origin'],
    [{ Origin: neighbour }, 'another port'],
    [{ Origin: 'https://foreign.example' }, 'another host'],
    [{ Origin: `http://foreign.example@${host}.foreign.example` }, 'a host like ours'],
    [{ Origin: `file://${host}` }, 'a file'],
    [{ Referer: `${origin}/` }, 'a Referer alone'],
    [{ Authorization: 'Basic YTpi' }, 'a password of a proxy'],
  ] as [Record<string, string>, string][]) {
    const answer = await pause({ Cookie, ...headers });
    expect(answer, attack).toMatchObject({ status: 403, json: { code: 'FOREIGN_SITE' } });
  }
  const form = { Cookie, 'Sec-Fetch-Site': 'cross-site', 'Content-Type': 'text/plain' };
  const list = await app.ask('/v1/batches', { as: 'nobody', headers: form, body: 'live-room-1\n' });
  expect(list.status).toBe(403);
  for (const method of ['POST', 'DELETE']) {
    const session = await app.ask('/session', { as: 'nobody', method, headers: { Cookie } });
    expect(session.status).toBe(403);
  }
  expect((await app.ask('/v1/status')).json).toMatchObject({ line: 'running' });
  // Nor was the session ended by it.
  expect((await me(Cookie)).status).toBe(200);
});

test('a page of ours may, by either header, also behind a proxy', async () => {
  const Cookie = await cookieOf(app.tokens.operator);
  const { origin, port } = new URL(app.server.url);
  for (const headers of [
    own,
    { 'Sec-Fetch-Site': 'none' },
    { Origin: origin },
    { Origin: 'https://localhost', Host: 'localhost' },
    { Origin: 'https://localhost', Host: 'localhost:443' },
    { Origin: `http://localhost:${port}`, Host: `LOCALHOST:${port}` },
  ] as Record<string, string>[])
    expect((await pause({ Cookie, ...headers })).status, JSON.stringify(headers)).toBe(200);
  await app.ask('/v1/resume', { body: { reason: 'seen' } });
});

test('a cookie may no more than its token', async () => {
  const Cookie = await cookieOf(app.tokens.viewer);
  expect((await pause({ Cookie, ...own })).json).toMatchObject({ code: 'FORBIDDEN' });
  const looked = await app.ask('/v1/actions', { as: 'nobody', headers: { Cookie } });
  expect(looked).toMatchObject({ status: 403, json: { code: 'FORBIDDEN' } });
  expect((await me(Cookie)).json).toMatchObject({ role: 'viewer' });
});

test('a token goes before a cookie, and needs no page', async () => {
  const Cookie = await cookieOf(app.tokens.operator);
  const asViewer = { Cookie, Authorization: `Bearer ${app.tokens.viewer}` };
  expect((await pause(asViewer)).json).toMatchObject({ code: 'FORBIDDEN' });
  const wrong = { Cookie, ...own, Authorization: 'Bearer rr_wrong' };
  expect((await pause(wrong)).status).toBe(401);
  // Browsers send the password of a proxy with everything.
  const Authorization = 'Basic YTpi';
  const behind = await app.ask('/v1/me', { as: 'nobody', headers: { Cookie, Authorization } });
  expect(behind.json).toMatchObject({ role: 'operator' });
});

test('a cookie that was changed, has expired or belongs to another app is nobody’s', async () => {
  const Cookie = await cookieOf(app.tokens.operator);
  const [name = '', secret = ''] = Cookie.split('=');
  const flipped = (secret.startsWith('A') ? 'B' : 'A') + secret.slice(1);
  for (const wrong of [
    ...[`${name}=`, `${name}=${flipped}`, `${name}="${secret}"`, `${name}=${secret}A`],
    ...[`${name}1=${secret}`, `x${name}=${secret}`, `${name}=${app.tokens.operator}`],
  ])
    expect(await me(wrong), wrong).toMatchObject({
      ...{ status: 401, json: { code: 'UNAUTHENTICATED' } },
    });
  expect((await me(Cookie)).status).toBe(200);
  await app.sql('update room_reaper.sessions set expires_at = clock_timestamp()');
  await expect.poll(async () => (await me(Cookie)).status).toBe(401);
});

test('it ends with its token, and by signing out, and by signing in again', async () => {
  const request = { name: 'bo', role: 'viewer', by: 'ada', expiresAtMs: undefined } as const;
  const token = await createToken(app.service, request);
  const headers = { Authorization: `Bearer ${token}` };
  const asBo = () => app.ask('/v1/me', { as: 'nobody', headers });
  await expect.poll(async () => (await asBo()).status).toBe(200);
  const [first, second] = [await cookieOf(token), await cookieOf(token)];

  const out = await app.ask('/session', {
    ...{ as: 'nobody', method: 'DELETE', headers: { Cookie: first, ...own } },
  });
  expect(out.status).toBe(204);
  expect(setCookie(out)).toBe(`${cookieName()}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict`);
  expect((await me(first)).status).toBe(401);

  const again = await signIn(token, { Cookie: second, ...own });
  const [third = ''] = setCookie(again).split(';');
  expect((await me(second)).status).toBe(401);
  expect((await me(third)).status).toBe(200);

  await revokeToken(app.service, 'bo');
  await expect.poll(async () => (await me(third)).status).toBe(401);
  expect((await signIn(token)).status).toBe(401);
});

test('a foreign page signs nobody in', async () => {
  const body = { token: app.tokens.viewer };
  for (const headers of [
    { 'Sec-Fetch-Site': 'cross-site' },
    { Origin: 'https://foreign.example' },
    { Origin: 'null' },
  ] as Record<string, string>[]) {
    const answer = await app.ask('/session', { as: 'nobody', headers, body });
    expect(answer).toMatchObject({ status: 403, json: { code: 'FOREIGN_SITE' } });
    expect(setCookie(answer)).toBe('');
  }
  // What a form can send without asking first.
  const form = await app.ask('/session', {
    ...{ as: 'nobody', body: JSON.stringify(body), headers: { 'Content-Type': 'text/plain' } },
  });
  expect(form.status).toBe(415);
});

test('another server, below a base path, knows the session too', async () => {
  const config = { ...app.config, serveBasePath: '/reaper/' };
  const server = await startServer(config, {
    ...{ version: '1.2.3', onNotice: () => undefined },
    inspected: inspectConfig({}, { app: false, credentials: false }),
    log: createLog({ level: 'silent', readable: false, colour: false }),
  });
  try {
    const Cookie = await cookieOf(app.tokens.viewer);
    const headers = { Cookie };
    expect((await askAt(server.url, '/v1/me', { headers })).status).toBe(200);
    const body = { token: app.tokens.viewer };
    expect(setCookie(await askAt(server.url, '/session', { body }))).toContain('; Path=/reaper;');
    const root = new URL('/', server.url).href;
    expect((await askAt(root, '/session', { body })).status).toBe(404);
  } finally {
    await server.close();
  }
});

describe('on this machine, while nobody has a token', () => {
  async function serve(env: Partial<Config>, showsLink = true) {
    const notices: string[] = [];
    const config = { ...app.config, sdkAppId: freshSdkAppId(), ...env };
    const server = await startServer(config, {
      ...{ version: '1.2.3', showsLink, makesToken: env.serveTokensFile !== undefined },
      onNotice: (notice: string) => notices.push(notice),
      inspected: inspectConfig({}, { app: false, credentials: false }),
      log: createLog({
        ...{ level: 'trace', readable: false, colour: false },
        destination: { write: (line) => app.log.push(line) },
      }),
    });
    afterThisTest(() => server.close());
    return { server, config, notices };
  }
  const secretOf = (url = '') => /#sign-in=(rr_once_[\w-]{43})$/.exec(url)?.[1] ?? '';

  test('a link signs a browser in as an operator, once, and is told nobody else', async () => {
    const { server, config, notices } = await serve({ serveBasePath: '/reaper' });
    const { url, signInUrl } = server;
    const token = secretOf(signInUrl);
    expect(signInUrl).toBe(`${url}/#sign-in=${token}`);
    const asBearer = { Authorization: `Bearer ${token}` };
    expect((await askAt(url, '/v1/me', { headers: asBearer })).status).toBe(401);

    const foreign = { Origin: 'https://foreign.example' };
    const refused = await askAt(url, '/session', { headers: foreign, body: { token } });
    expect(refused.status).toBe(403);
    const signedIn = await askAt(url, '/session', { body: { token } });
    expect(signedIn).toMatchObject({ status: 200, json: { name: 'local', role: 'operator' } });
    const [Cookie = ''] = setCookie(signedIn).split(';');
    const other = (await serve({ sdkAppId: config.sdkAppId })).server;
    for (const each of [url, other.url]) {
      const { json } = await askAt(each, '/v1/me', { headers: { Cookie } });
      expect(json).toMatchObject({ name: 'local', role: 'operator' });
      const again = await askAt(each, '/session', { body: { token } });
      expect(again).toMatchObject({ status: 401, json: { code: 'UNAUTHENTICATED' } });
      expect(again.json).toHaveProperty('remedy', expect.stringContaining('serve again'));
    }
    // Whoever started the other one has a link too.
    expect(secretOf(other.signInUrl)).not.toBe(token);
    const body = { reason: 'a look' };
    await askAt(url, '/v1/pause', { headers: { Cookie, ...own }, body });
    const { text } = await askAt(url, '/v1/actions', { headers: { Cookie } });
    expect(text).toMatch(/"who":"local","role":"operator","way":"dashboard","what":"queue.pause"/);
    for (const told of [text, notices.join(), app.log.join('')])
      for (const secret of [token, Cookie.split('=')[1] ?? '']) expect(told).not.toContain(secret);
  });

  test('there is none where a journal would keep it, or a file says who may ask', async () => {
    const unseen = await serve({}, false);
    const file = `${folderWith({ tokens: '' })}/tokens`;
    const filed = await serve({ serveTokensFile: file });
    for (const { server } of [unseen, filed]) expect(server.signInUrl).toBeUndefined();
    // Nor a demo's token, which would not count beside the file.
    expect(filed.server.token).toBeUndefined();
    expect(unseen.notices.join()).toMatch(/nobody has a token.*token create.*on a terminal/);
    expect(filed.notices.join()).toContain('SERVE_TOKENS_FILE');
  });

  test('a link opens nothing to others: beyond this machine a token is wanted', async () => {
    const { config } = await serve({});
    await expect(serve({ sdkAppId: config.sdkAppId, serveHost: '0.0.0.0' })).rejects.toMatchObject({
      code: 'REFUSED',
    });
  });

  test('whoever has a token needs none', async () => {
    const { server } = await serve({ sdkAppId: app.config.sdkAppId });
    expect(server.signInUrl).toBeUndefined();
  });
});

test('who guesses waits, and takes nobody’s place', async () => {
  const answers: Answer[] = [];
  // Those that still wait at the end are cut off with the server.
  const cutOff = () => undefined;
  const guess = () => void signIn('rr_guess').then((answer) => void answers.push(answer), cutOff);
  const codes = () => {
    for (let count = 0; count < 30; count += 1) guess();
    return answers.map(({ status }) => status);
  };
  await expect.poll(codes).toContain(429);
  expect((await signIn(app.tokens.viewer)).status).toBe(200);
  const seen = () => new Set(answers.map(({ status }) => status));
  await expect.poll(seen).toEqual(new Set([401, 429]));
  expect(app.log.join('')).not.toContain('rr_guess');
});
