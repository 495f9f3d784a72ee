/** What the API tells of rooms that end, over HTTP. */
import { createHash } from 'node:crypto';
import pg from 'pg';
import { expect, test } from 'vitest';
import type { Database } from '../../src/ledger/database.js';
import { ensureDestructions, recordEnds } from '../../src/ledger/record.js';
import { takeEvents, type RoomEvent } from '../../src/operations/webhook.js';
import { newId } from '../../src/queue/destruction-id.js';
import { attemptEnd, destructionEnd, request } from '../ledger/fixture.js';
import { useServer, type Asking } from './fixture.js';

const token = 'a-token-that-nobody-knows';
const app = useServer('Postgres alone', {
  ...{ TENCENT_WEBHOOK_TOKEN: token, SERVE_BASE_PATH: '/reaper' },
});

const command = 'Live.CallbackAfterDestroyRoom';
const understood = { ActionStatus: 'OK', ErrorInfo: '', ErrorCode: 0 };
const nowSeconds = () => Math.floor(Date.now() / 1000);
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

interface Told extends Omit<Asking, 'body'> {
  query?: Record<string, string>;
  /** Of the signature, in seconds from now. */
  age?: number;
  sign?: (sign: string) => string;
  body?: string;
}

const body = (changes: object = {}) =>
  JSON.stringify({
    ...{ CallbackCommand: command, Operator_Account: 'administrator', RoomId: 'room-1' },
    ...{ EventType: 'DestroyByUser', EventTime: 1_780_000_000_123 },
    RoomInfo: { RoomId: 'room-1', RoomName: 'A room', Owner_Account: '10001' },
    Statistic: {
      ...{ TotalViewers: 5, TotalGiftsSent: '6', TotalGiftCoins: 7, TotalUniqueGiftSenders: 8 },
      TotalLikesReceived: 9,
    },
    ...changes,
  });

/** As the API does it. */
function tell({
  query = {},
  age = 0,
  sign = (text) => text,
  body: content = body(),
  ...asking
}: Told = {}) {
  const RequestTime = String(nowSeconds() - age);
  const all = {
    ...{ SdkAppid: String(app.config.sdkAppId), CallbackCommand: command, contenttype: 'json' },
    ...{ ClientIP: '203.0.113.7', OptPlatform: 'RESTAPI' },
    ...{ Sign: sign(sha256(token + RequestTime)), RequestTime, ...query },
  };
  // It promises no type of its content.
  return app.ask(`/webhooks/tencent?${new URLSearchParams(all).toString()}`, {
    ...{ as: 'nobody', method: 'POST', body: content, ...asking },
  });
}

const kept = (roomId: string) =>
  app.sql(
    `select ended_by, operator, total_viewers::text, extract(epoch from ended_at)::float8 * 1000 as at
       from room_reaper.room_events where sdk_app_id = $1 and room_id = $2 order by ended_at`,
    [app.config.sdkAppId, roomId],
  );

const counted = async (result: string) => {
  const { text } = await app.ask('/metrics', { as: 'nobody' });
  return Number(
    new RegExp(`^room_reaper_webhooks_total{result="${result}"} (\\d+)$`, 'm').exec(text)?.[1],
  );
};

test('what is signed is taken: once, however often it comes, and completed by a repetition', async () => {
  const bare = body({ Statistic: undefined });
  for (const content of [bare, bare, body(), body()]) {
    const { status, json } = await tell({ body: content });
    expect({ status, json }).toEqual({ status: 200, json: understood });
  }
  expect(await kept('room-1')).toEqual([
    { ended_by: 'user', operator: 'administrator', total_viewers: '5', at: 1_780_000_000_123 },
  ]);
  for (const [result, count] of Object.entries({ received: 1, completed: 1, repeated: 2 }))
    expect(await counted(result), result).toBe(count);
});

test('it is read as leniently as an answer: exact beyond 2⁵³, numbers in text, by the system', async () => {
  const content = body({
    ...{ RoomId: 12345, EventType: 'DestroyBySystem', EventTime: '1780000000999' },
    ...{ Operator_Account: undefined, Statistic: 'BIG' },
  }).replace(
    '"BIG"',
    '{"TotalViewers":9007199254740993,"TotalGiftsSent":0,"TotalGiftCoins":0,"TotalUniqueGiftSenders":0,"TotalLikesReceived":0}',
  );
  const headers = { 'Content-Type': 'text/html; charset=utf-8' };
  const asked = await tell({
    body: `\ufeff${content}`,
    headers,
    sign: (text) => text.toUpperCase(),
  });
  expect(asked.status).toBe(200);
  expect(await kept('12345')).toEqual([
    {
      ended_by: 'system',
      operator: null,
      total_viewers: '9007199254740993',
      at: 1_780_000_000_999,
    },
  ]);
});

test('a copy that a backend passes on needs a token, and no signature that still counts', async () => {
  const copy = (asking: Told) =>
    tell({ age: 3_600, body: body({ RoomId: 'a copy' }), headers: {}, ...asking });
  expect((await copy({ as: 'viewer' })).status).toBe(403);
  expect(await kept('a copy')).toEqual([]);
  expect((await copy({ as: 'producer' })).status).toBe(200);
  expect((await copy({ as: 'operator' })).status).toBe(200);
  expect(await kept('a copy')).toHaveLength(1);
});

test.each<[what: string, told: Told]>([
  ['of another token', { sign: () => sha256(`another${nowSeconds()}`) }],
  ['that is none', { sign: () => 'ab' }],
  ['that is empty', { sign: () => '' }],
  ['of more than a minute ago', { age: 62 }],
  ['of more than a minute ahead', { age: -62 }],
  ['of another time', { query: { RequestTime: String(nowSeconds() - 1) } }],
  ['without its time', { query: { RequestTime: '' } }],
])('a signature %s is nobody’s, and nothing is kept', async (_what, told) => {
  const before = await counted('unauthentic');
  const { status, json } = await tell({ ...told, body: body({ RoomId: 'forged' }) });
  expect(status).toBe(401);
  expect(json).toMatchObject({
    code: 'UNAUTHENTICATED',
    detail: expect.stringMatching(/^Sign must/) as string,
  });
  expect(await counted('unauthentic')).toBe(before + 1);
  expect(await kept('forged')).toEqual([]);
});

test('a signature of just under a minute counts', async () => {
  for (const age of [55, -55]) expect((await tell({ age })).status).toBe(200);
});

test('what is authentic and cannot be meant is refused, with what is wrong', async () => {
  const refused: [told: Told, status: number, detail: RegExp][] = [
    [{ query: { SdkAppid: '1' } }, 422, /^SdkAppid must be \d+, the app of this server/],
    [{ body: '' }, 400, /JSON object/],
    [{ body: 'RoomId=1' }, 400, /JSON object/],
    [{ body: body({ RoomId: '' }) }, 400, /^RoomId must be/],
    [{ body: body({ RoomId: 'x'.repeat(49) }) }, 400, /^RoomId must be/],
    [{ body: body({ EventTime: undefined }) }, 400, /^EventTime must be/],
    [{ body: body({ EventTime: 1_780_000_000 }) }, 400, /^EventTime must be/],
    [{ headers: { 'Content-Encoding': 'gzip' } }, 415, /not compressed/],
    [{ body: 'x'.repeat(70_000) }, 413, /at most 65536 bytes/],
  ];
  const before = await counted('refused');
  for (const [told, status, detail] of refused) {
    const answer = await tell(told);
    expect(answer.status, JSON.stringify(told)).toBe(status);
    expect(answer.json).toMatchObject({ detail: expect.stringMatching(detail) as string });
  }
  expect(await counted('refused')).toBe(before + refused.length);
  expect(app.log.filter((line) => line.includes('cannot be read, and is refused'))).toHaveLength(1);
});

test('what the API tells of anything else is understood and ignored', async () => {
  const other = 'Live.CallbackAfterCreateRoom';
  const ignored = body({ CallbackCommand: other, RoomId: 'created' });
  expect(await tell({ query: { CallbackCommand: other }, body: 'whatever' })).toMatchObject({
    status: 200,
  });
  const inBody = await app.ask(`/webhooks/tencent?SdkAppid=${app.config.sdkAppId}`, {
    ...{ as: 'producer', method: 'POST', body: ignored },
  });
  expect(inBody).toMatchObject({ status: 200, json: understood });
  expect(await kept('created')).toEqual([]);
  expect(await counted('ignored')).toBe(2);
});

test('many at once, of rooms whose statistics were lost, are all durable when they are answered', async () => {
  const { service } = app;
  const wanted = Array.from({ length: 150 }, (_, index) => request({ roomId: `lost ${index}` }));
  const sentAtMs = Date.now() - 9_000;
  await ensureDestructions(service.database, app.config.sdkAppId, wanted);
  await app.sql(
    `insert into room_reaper.attempts (destruction_id, attempt, worker_id, slot_at)
     select id, 1, 'w', to_timestamp($2 / 1000.0) from unnest($1::text[]) id`,
    [wanted.map(({ id }) => id), sentAtMs],
  );
  await recordEnds(
    service.database,
    app.config.sdkAppId,
    wanted.map(({ id }) => ({
      ...{ destructionId: id, end: destructionEnd('destroyed_statistics_lost') },
      attempt: attemptEnd({ sentAtMs, verdict: 'transient', mayHaveActed: true }),
    })),
  );
  const answers = await Promise.all(
    wanted.map(({ roomId }) => tell({ body: body({ RoomId: roomId, EventTime: sentAtMs + 40 }) })),
  );
  expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
  const [row] = await app.sql(
    `select count(*)::int as filled, sum(total_viewers)::int as viewers from room_reaper.destructions
      where id = any ($1) and statistics_source = 'webhook' and outcome = 'destroyed_statistics_lost'`,
    [wanted.map(({ id }) => id)],
  );
  expect(row).toEqual({ filled: 150, viewers: 750 });
});

test('while the ledger does not answer it says so in time, and a repetition is taken', async () => {
  const client = new pg.Client({ connectionString: app.config.databaseUrl });
  await client.connect();
  await client.query('begin');
  await client.query('lock table room_reaper.room_events in access exclusive mode');
  const late = { body: body({ RoomId: 'late' }) };
  const { status, json, headers } = await tell(late);
  await client.query('commit');
  await client.end();
  expect({ status, json }).toMatchObject({ status: 503, json: { code: 'UNAVAILABLE' } });
  expect(headers['retry-after']).toBeDefined();
  expect(await counted('failed')).toBe(1);
  expect((await tell(late)).status).toBe(200);
  expect(await kept('late')).toHaveLength(1);
});

test('an event that the ledger refuses for a passing reason is not taken; too many at once are not kept waiting', async () => {
  const away = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
  const gone: Database = { query: () => Promise.reject(away), close: () => Promise.resolve() };
  const endedBy = 'user';
  const event: RoomEvent = {
    ...{ roomId: 'r', endedAtMs: 1, endedBy, operator: undefined, statistics: undefined },
  };
  await expect(takeEvents({ ...app.service, database: gone }).take(event)).rejects.toBe(away);

  const stuck: Database = {
    query: () => new Promise(() => undefined),
    close: () => Promise.resolve(),
  };
  const events = takeEvents({ ...app.service, database: stuck });
  const asked = Array.from({ length: 1_000 }, () => events.take(event));
  await expect(events.take(event)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  const ends = await Promise.allSettled(asked);
  expect(ends.every(({ status }) => status === 'rejected')).toBe(true);
});

test('the token reaches no log, metric, answer or table', async () => {
  await tell({ sign: () => 'wrong' });
  await tell({ query: { Sign: token } });
  const dumped = await app.sql(
    `select table_to_xml(format('%I.%I', schemaname, tablename)::regclass, true, false, '')::text as rows
       from pg_tables where schemaname = 'room_reaper'`,
  );
  const metrics = await app.ask('/metrics', { as: 'nobody' });
  const document = await app.ask('/v1/openapi.json');
  expect(JSON.stringify(dumped)).toContain('room-1');
  for (const each of [JSON.stringify(dumped), app.log.join(''), metrics.text, document.text])
    expect(each).not.toContain(token);
});

test('one that belongs to no destruction is kept all the same', async () => {
  expect((await tell({ body: body({ RoomId: newId() }) })).status).toBe(200);
});
