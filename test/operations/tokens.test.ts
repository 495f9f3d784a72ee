import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import type { Database } from '../../src/ledger/database.js';
import {
  createSignInLink,
  createToken,
  listTokens,
  openTokenBook,
  revokeToken,
} from '../../src/operations/tokens.js';
import { folderWith, run } from '../e2e/room-reaper.js';
import { useService } from './service.js';

const app = useService();
const request = { name: 'shop', role: 'producer', by: 'ada', expiresAtMs: undefined } as const;

test('a token is known by its text until it is revoked, and its text is kept nowhere', async () => {
  const token = await createToken(app.service, request);
  expect(token).toMatch(/^rr_[\w-]{43}$/);
  const book = openTokenBook(app.service, undefined);
  expect(await book.find(token)).toEqual({ name: 'shop', role: 'producer' });
  for (const wrong of ['', 'rr_', `${token}x`, token.slice(0, -1), token.toUpperCase()])
    expect(await book.find(wrong)).toBeUndefined();
  expect(await listTokens(app.service)).toMatchObject([{ name: 'shop', by: 'ada' }]);
  const rows = JSON.stringify(await app.sql('select * from room_reaper.tokens'));
  expect(rows).not.toContain(token.slice(3));
  await revokeToken(app.service, 'shop');
  await expect.poll(() => book.find(token)).toBeUndefined();
});

test('a token counts as soon as it is made, and one that nobody knows is looked for ten times a second at most', async () => {
  let reads = 0;
  const database: Database = {
    ...app.service.database,
    query(...statement) {
      reads += 1;
      return app.service.database.query(...statement);
    },
  };
  const book = openTokenBook({ ...app.service, database }, undefined);
  for (const name of ['one', 'two', 'three']) {
    await book.find('one that nobody knows');
    const token = await createToken(app.service, { ...request, name });
    expect(await book.find(token)).toMatchObject({ name });
  }
  const [before, beganAtMs] = [reads, performance.now()];
  await Promise.all(Array.from({ length: 50 }, (_, guess) => book.find(`guess ${guess}`)));
  for (let guess = 50; guess < 55; guess++) await book.find(`guess ${guess}`);
  expect(reads - before).toBeLessThanOrEqual(2 + (performance.now() - beganAtMs) / 100);
});

test('a token that has expired is nobody’s', async () => {
  const token = await createToken(app.service, { ...request, expiresAtMs: Date.now() - 1 });
  const book = openTokenBook(app.service, undefined);
  expect(await book.find(token)).toBeUndefined();
  expect(await book.isEmpty()).toBe(true);
});

test('a name is one token’s: another is refused until the first is revoked', async () => {
  await createToken(app.service, request);
  await expect(createToken(app.service, request)).rejects.toMatchObject({ code: 'CONFLICT' });
  await revokeToken(app.service, 'shop');
  await createToken(app.service, request);
  await expect(revokeToken(app.service, 'other')).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test.each(['', ' ', '-a', 'a b', 'a\u001b[2J', 'a'.repeat(65), 'ä'])(
  'the name %j is refused: it stands in logs and tables',
  async (name) => {
    await expect(createToken(app.service, { ...request, name })).rejects.toMatchObject({
      code: 'INVALID',
    });
  },
);

test('while the ledger is away, what was known of tokens counts, for five minutes', async () => {
  const token = await createToken(app.service, request);
  let isAway = false;
  const real = app.service.database;
  const database: Database = {
    query: (...statement) =>
      isAway ? Promise.reject(new Error('away')) : real.query(...statement),
    close: () => real.close(),
  };
  const book = openTokenBook({ ...app.service, database }, undefined);
  expect(await book.find(token)).toMatchObject({ name: 'shop' });
  isAway = true;
  vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 299_000);
  expect(await book.find(token)).toMatchObject({ name: 'shop' });
  vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 300_000);
  await expect(book.find(token)).rejects.toThrow('away');
  vi.restoreAllMocks();
});

test('tokens of a file take the place of the ledger’s, and a wrong line is named and not shown', async () => {
  const secret = 's3cret-'.repeat(6);
  const folder = folderWith({ tokens: `# ours\n\ngrafana viewer ${secret}\n` });
  const path = join(folder, 'tokens');
  const inLedger = await createToken(app.service, request);
  const book = openTokenBook(app.service, path);
  expect(await book.find(secret)).toEqual({ name: 'grafana', role: 'viewer' });
  expect(await book.find(inLedger)).toBeUndefined();
  for (const line of [`a admin ${secret}`, 'a viewer short', `a viewer ${secret} more`, secret]) {
    writeFileSync(path, `# one\n${line}\n`);
    const error: unknown = await openTokenBook(app.service, path)
      .isEmpty()
      .catch((e: unknown) => e);
    expect(error).toMatchObject({
      code: 'INVALID',
      message: expect.stringContaining('line 2') as string,
    });
    expect(String(error)).not.toContain('s3cret');
  }
  await expect(openTokenBook(app.service, `${path}-none`).isEmpty()).rejects.toThrow(/ENOENT/);
});

test('the command line makes a token, lists it without its text, and revokes it', async () => {
  const { config } = app.service;
  const env = {
    TENCENT_SDK_APP_ID: String(config.sdkAppId),
    QUEUE_URL: config.queueUrl,
    DATABASE_URL: config.databaseUrl,
  };
  const flags = ['--name', 'grafana', '--role', 'viewer', '--expires', '90d'];
  const made = await run(['token', 'create', ...flags], { env });
  expect(made.stdout).toMatch(/^rr_[\w-]{43}\n$/);
  const listed = await run(['token', 'list'], { env });
  expect(listed.stdout).toMatch(/^grafana {2}viewer {2}made .* by .*, until /);
  const listedJson = JSON.parse(
    (await run(['token', 'list', '--json'], { env })).stdout,
  ) as unknown;
  expect(listedJson).toMatchObject([{ name: 'grafana', role: 'viewer' }]);
  expect(listed.stdout).not.toContain(made.stdout.trim());
  const link = await createSignInLink(app.service);
  const both = (await run(['token', 'list'], { env })).stdout;
  expect(both).toMatch(/^local {2}operator {2}made .*, sign-in link not used yet$/m);
  expect(both).not.toContain(link);
  expect((await run(['token', 'revoke', 'local'], { env })).code).toBe(0);
  expect((await run(['token', 'revoke', 'grafana'], { env })).code).toBe(0);
  expect(await run(['token', 'revoke', 'grafana'], { env })).toMatchObject({ code: 2 });
  const wrong = await run(['token', 'create', '--name', 'a', '--role', 'admin'], { env });
  expect(wrong.stderr).toContain('--role must be one of viewer, producer, operator, got "admin"');
  expect((await run(['token', 'creat'], { env })).code).toBe(2);
});
