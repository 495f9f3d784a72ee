import { expect, test } from 'vitest';
import { inspectConfig } from '../../src/config.js';
import { createLog } from '../../src/log.js';
import { createToken, revokeToken } from '../../src/operations/tokens.js';
import { startServer } from '../../src/server/server.js';
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

test('who guesses waits, and takes nobody’s place', async () => {
  const answers: Answer[] = [];
  const guess = () => void signIn('rr_guess').then((answer) => answers.push(answer));
  const codes = () => {
    for (let count = 0; count < 30; count += 1) guess();
    return answers.map(({ status }) => status);
  };
  await expect.poll(codes).toContain(429);
  expect((await signIn(app.tokens.viewer)).status).toBe(200);
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([401, 429]));
  expect(app.log.join('')).not.toContain('rr_guess');
});
