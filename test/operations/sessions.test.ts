import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Database } from '../../src/ledger/database.js';
import { openSessionBook } from '../../src/operations/sessions.js';
import {
  createSignInLink,
  createToken,
  listTokens,
  openTokenBook,
  revokeToken,
} from '../../src/operations/tokens.js';
import { folderWith } from '../e2e/room-reaper.js';
import { useService } from './service.js';

const app = useService();
const shop = { name: 'shop', role: 'producer' } as const;
const hours = 3_600_000;

afterEach(() => {
  vi.restoreAllMocks();
});

const makeToken = () => createToken(app.service, { ...shop, by: 'ada', expiresAtMs: undefined });

/** Another server on the same ledger. */
function openBook(now?: () => number, database: Database = app.service.database) {
  const tokens = openTokenBook({ ...app.service, database }, undefined);
  return openSessionBook({ ...app.service, database }, tokens, now);
}

async function begin(book: ReturnType<typeof openBook>, token: string): Promise<string> {
  const session = await book.begin(token);
  if (session === undefined) throw new Error('the token counts');
  return session.secret;
}

test('a session is known by every server, and neither its secret nor the token is kept', async () => {
  const token = await makeToken();
  const [book, other] = [openBook(), openBook()];
  const secret = await begin(book, token);
  for (const each of [book, other]) expect(await each.find(secret)).toEqual(shop);
  const rows = JSON.stringify(await app.sql('select * from room_reaper.sessions'));
  for (const hidden of [secret, token, token.slice(3)]) expect(rows).not.toContain(hidden);
  expect(await book.begin(`${token}x`)).toBeUndefined();
});

test('a secret that was changed is nobody’s', async () => {
  const book = openBook();
  const token = await makeToken();
  const secret = await begin(book, token);
  const flipped = (secret.startsWith('A') ? 'B' : 'A') + secret.slice(1);
  for (const wrong of ['', flipped, `${secret}A`, secret.slice(1), `${secret}.`, token])
    expect(await book.find(wrong)).toBeUndefined();
  // Nor does it end another's.
  await book.end(flipped);
  expect(await openBook().find(secret)).toEqual(shop);
});

test('it ends after twelve hours, and is deleted by the next that begins', async () => {
  let nowMs = Date.now();
  const token = await makeToken();
  const book = openBook(() => nowMs);
  const secret = await begin(book, token);
  nowMs += 12 * hours - 1;
  expect(await book.find(secret)).toEqual(shop);
  nowMs += 1;
  for (const each of [book, openBook(() => nowMs)]) expect(await each.find(secret)).toBeUndefined();
  await begin(book, token);
  const rows = await app.sql('select 1 from room_reaper.sessions where sdk_app_id = $1', [
    app.service.config.sdkAppId,
  ]);
  expect(rows).toHaveLength(1);
});

test('it ends at once where it is ended, and soon elsewhere', async () => {
  const [book, other] = [openBook(), openBook()];
  const secret = await begin(book, await makeToken());
  expect(await other.find(secret)).toEqual(shop);
  await book.end(secret);
  expect(await book.find(secret)).toBeUndefined();
  await expect.poll(() => other.find(secret)).toBeUndefined();
});

test('it ends with its token, and another token of that name does not bring it back', async () => {
  const book = openBook();
  const secret = await begin(book, await makeToken());
  expect(await book.find(secret)).toEqual(shop);
  await revokeToken(app.service, shop.name);
  await expect.poll(() => book.find(secret)).toBeUndefined();
  await makeToken();
  expect(await openBook().find(secret)).toBeUndefined();
});

test('it goes by a token of a file too', async () => {
  const token = 's3cret-'.repeat(6);
  const path = `${folderWith({ tokens: `grafana viewer ${token}\n` })}/tokens`;
  const book = openSessionBook(app.service, openTokenBook(app.service, path));
  const secret = await begin(book, token);
  expect(await book.find(secret)).toEqual({ name: 'grafana', role: 'viewer' });
  expect(await openBook().find(secret)).toBeUndefined();
});

describe('a sign-in link', () => {
  const local = { name: 'local', role: 'operator' } as const;

  test('signs in once, at whichever server, and is kept nowhere', async () => {
    const [book, other] = [openBook(), openBook()];
    // They have read what there is, a moment before.
    for (const each of [book, other]) expect(await each.begin('nobody')).toBeUndefined();
    const link = await createSignInLink(app.service);
    const secret = await begin(book, link);
    for (const each of [book, other]) {
      expect(await each.find(secret)).toEqual(local);
      expect(await each.begin(link)).toBeUndefined();
    }
    const rows = await app.sql(
      'select t::text as row from room_reaper.tokens t union all select a::text from room_reaper.actions a',
    );
    for (const hidden of [link, secret]) expect(JSON.stringify(rows)).not.toContain(hidden);
    expect(await listTokens(app.service)).toMatchObject([{ ...local, link: 'used' }]);
  });

  test('signs one in of two who use it at once', async () => {
    const link = await createSignInLink(app.service);
    const begun = await Promise.all([1, 2, 3].map(() => openBook().begin(link)));
    expect(begun.filter((session) => session !== undefined)).toHaveLength(1);
  });

  test('is no token: nobody asks with it, and there is still no token', async () => {
    const tokens = openTokenBook(app.service, undefined);
    const link = await createSignInLink(app.service);
    for (const use of [() => undefined, () => openBook().begin(link)]) {
      await use();
      const later = openTokenBook(app.service, undefined);
      for (const book of [tokens, later]) {
        expect(await book.find(link)).toBeUndefined();
        expect(await book.isEmpty()).toBe(true);
      }
    }
  });

  test('runs out after ten minutes, its session after twelve hours, and both leave nothing', async () => {
    let nowMs = Date.now();
    const now = () => nowMs;
    const kept = await createSignInLink(app.service, now);
    const used = await createSignInLink(app.service, now);
    const clock = vi.spyOn(Date, 'now').mockImplementation(now);
    nowMs += 10 * 60_000 - 1_000;
    const secret = await begin(openBook(now), used);
    nowMs += 1_000;
    expect(await openBook(now).begin(kept)).toBeUndefined();
    expect(await openBook(now).find(secret)).toEqual({ ...local, name: 'local-2' });
    nowMs += 12 * hours - 1_000;
    expect(await openBook(now).find(secret)).toBeUndefined();
    await createSignInLink(app.service, now);
    expect(await listTokens(app.service)).toMatchObject([{ name: 'local', link: 'open' }]);
    clock.mockRestore();
  });

  test('has a row of its own: another leaves its session, and revoking it ends that', async () => {
    const first = await begin(openBook(), await createSignInLink(app.service));
    const second = await begin(openBook(), await createSignInLink(app.service));
    const book = openBook();
    expect(await book.find(first)).toEqual(local);
    expect(await book.find(second)).toEqual({ ...local, name: 'local-2' });
    await revokeToken(app.service, 'local');
    await expect.poll(() => book.find(first)).toBeUndefined();
    expect(await book.find(second)).toBeDefined();
    const unused = await createSignInLink(app.service);
    await revokeToken(app.service, 'local');
    await expect.poll(() => openBook().begin(unused)).toBeUndefined();
  });

  test('is not used up at a server whose tokens are in a file', async () => {
    const link = await createSignInLink(app.service);
    const path = `${folderWith({ tokens: '' })}/tokens`;
    const book = openSessionBook(app.service, openTokenBook(app.service, path));
    expect(await book.begin(link)).toBeUndefined();
    await begin(openBook(), link);
  });
});

test('a token has fifty at most: one more ends the oldest', async () => {
  let nowMs = Date.now();
  const book = openBook(() => (nowMs += 1));
  const token = await makeToken();
  const first = await begin(book, token);
  const second = await begin(book, token);
  for (let count = 2; count <= 50; count += 1) await begin(book, token);
  expect(await book.find(first)).toBeUndefined();
  expect(await book.find(second)).toEqual(shop);
});

test('while the ledger is away, what was known of it counts, for five minutes', async () => {
  let isAway = false;
  const real = app.service.database;
  const book = openBook(undefined, {
    query: (...statement) =>
      isAway ? Promise.reject(new Error('away')) : real.query(...statement),
    close: () => real.close(),
  });
  const secret = await begin(book, await makeToken());
  expect(await book.find(secret)).toEqual(shop);
  isAway = true;
  const startedAt = performance.now();
  const clock = vi.spyOn(performance, 'now');
  clock.mockReturnValue(startedAt + 290_000);
  expect(await book.find(secret)).toEqual(shop);
  clock.mockReturnValue(startedAt + 310_000);
  await expect(book.find(secret)).rejects.toThrow('away');
});
