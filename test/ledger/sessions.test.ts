/** A Postgres as it is: what its databases, roles and URLs set must not change what we do. */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { openBatch, readBatches } from '../../src/ledger/batches.js';
import type { Database } from '../../src/ledger/database.js';
import { ensureDestructions, recordEnds } from '../../src/ledger/record.js';
import { newId } from '../../src/queue/destruction-id.js';
import { openQueue } from '../../src/queue/open.js';
import { addDestructions } from '../../src/producer/add.js';
import { databaseUrl, freshSdkAppId, withPostgres } from '../support/servers.js';
import { attemptEnd, destructionEnd, openLedger, request } from './fixture.js';

const name = `as_it_is_${randomUUID().replaceAll('-', '')}`;
const open: Database[] = [];
const urlOf = (database: string) => {
  const url = new URL(databaseUrl());
  url.pathname = `/${database}`;
  return url.toString();
};
const admin = (sql: string) => withPostgres(databaseUrl(), (client) => client.query(sql));

beforeAll(async () => {
  await admin(`create database ${name}_latin encoding 'LATIN1' locale 'C' template template0`);
  await admin(`create database ${name}`);
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((database) => database.close()));
  await admin(`alter database ${name} reset all`);
});
afterAll(async () => {
  await admin(`drop database ${name}_latin with (force)`);
  await admin(`drop database ${name} with (force)`);
});

async function opened(url: string): Promise<Database> {
  const database = await openLedger(url);
  open.push(database);
  return database;
}

/** Ends a destruction with this text, and reads it back. */
async function recordText(database: Database, errorInfo: string): Promise<unknown> {
  const sdkAppId = freshSdkAppId();
  const destruction = request();
  await ensureDestructions(database, sdkAppId, [destruction]);
  const { id: destructionId, ...rest } = destruction;
  const end = destructionEnd('rejected', { errorInfo });
  const attempt = attemptEnd({ reason: errorInfo });
  const item = { destructionId, destruction: rest, attempt, end };
  expect(await recordEnds(database, sdkAppId, [item])).toEqual(['rejected']);
  const sql = 'select outcome, error_info from room_reaper.destructions where id = $1';
  const [row] = await database.query<{ error_info: string }>('test-read', sql, [destructionId]);
  return row?.error_info;
}

test.each([
  [
    'of an encoding that has no such characters',
    () => urlOf(`${name}_latin`),
    '房间不存在 é',
    '\\u623f\\u95f4\\u4e0d\\u5b58\\u5728 \\u00e9',
  ],
  ['of any encoding', () => urlOf(`${name}_latin`), 'é', 'é'],
  ['that no Postgres can hold', () => urlOf(name), 'a\u0000b', 'a\\u0000b'],
  ['beyond the first plane', () => urlOf(`${name}_latin`), '🎉', '\\ud83c\\udf89'],
])('text %s ends its destruction all the same', async (_what, url, text, stored) => {
  expect(await recordText(await opened(url()), text)).toBe(stored);
});

test('what is stored escaped is found by its own text', async () => {
  const database = await opened(urlOf(`${name}_latin`));
  const sdkAppId = freshSdkAppId();
  const batch = {
    id: newId(),
    sdkAppId,
    name: '除夕',
    madeUpName: 'x',
    fingerprint: 'f',
    total: 1,
  };
  const { id } = await openBatch(database, { ...batch, by: '王', note: undefined });
  expect((await openBatch(database, { ...batch, id: newId(), by: '王', note: undefined })).id).toBe(
    id,
  );
  const found = await readBatches(database, sdkAppId, { idOrName: '除夕', limit: 1 });
  expect(found.map((each) => each.id)).toEqual([id]);
});

test('a queue says what is wrong with the encoding', async () => {
  const connection = { connectionString: urlOf(`${name}_latin`) };
  const opening = openQueue({
    sdkAppId: freshSdkAppId(),
    connection: { kind: 'postgres', connection, shownAs: 'the test database' },
    onError: () => undefined,
  });
  await expect(opening).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: expect.stringMatching(/encoding is not UTF8\); make a database/) as string,
  });
});

test.each([
  ['default_transaction_isolation', 'serializable', 'read committed'],
  ['default_transaction_read_only', 'on', 'off'],
  ['extra_float_digits', '-15', '1'],
  ['statement_timeout', '10min', '31s'],
  ['datestyle', 'German', 'ISO, MDY'],
  ['standard_conforming_strings', 'off', 'on'],
  ['client_encoding', 'LATIN1', 'UTF8'],
])('%s = %s of a database does not reach the ledger', async (setting, value, needed) => {
  await admin(`alter database ${name} set ${setting} = '${value}'`);
  const database = await opened(urlOf(name));
  const shown = await database.query<Record<string, string>>(
    'test-show',
    'select current_setting($1) as value',
    [setting],
  );
  expect(shown).toEqual([{ value: needed }]);
  expect(await recordText(database, '不')).toBe('不');
});

test.each([
  ['options=-c%20search_path%3Dpublic'],
  ['options=-c%20default_transaction_read_only%3Don'],
  ['client_encoding=LATIN1'],
])('?%s in the URL reaches neither ledger nor queue', async (query) => {
  const url = `${urlOf(name)}?${query}`;
  expect(await recordText(await opened(url), '不')).toBe('不');
  const queue = await openQueue({
    sdkAppId: freshSdkAppId(),
    connection: { kind: 'postgres', connection: { connectionString: url }, shownAs: 'it' },
    onError: (error) => {
      throw error;
    },
  });
  const added = await addDestructions(queue.queue, [request()], { lane: 'bulk', delayMs: 0 });
  expect(added.map(({ status }) => status)).toEqual(['added']);
  await queue.close();
});
