import type { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import type { ScriptedAnswer } from '../support/counting-server.js';
import { withPostgres, withRedis } from '../support/servers.js';
import { run, start, startInside } from './room-reaper.js';
import { lines, openStage, redisAndPostgres, roomIds } from './stage.js';

async function readKey(redis: Redis, key: string): Promise<unknown> {
  const type: string = await redis.type(key);
  switch (type) {
    case 'string':
      return redis.get(key);
    case 'hash':
      return redis.hgetall(key);
    case 'list':
      return redis.lrange(key, 0, -1);
    case 'set':
      return redis.smembers(key);
    case 'zset':
      return redis.zrange(key, 0, '-1');
    case 'stream':
      return redis.xrange(key, '-', '+');
    case 'none':
      return undefined;
    default:
      throw new Error(`a key of a kind that this test does not read: ${type}`);
  }
}

/** Everything in a Redis: keys and values of every kind, as text. */
function dumpRedis(url: string): Promise<string> {
  return withRedis(url, async (redis) => {
    const parts: string[] = [];
    for (const key of await redis.keys('*')) {
      parts.push(key, JSON.stringify(await readKey(redis, key)));
    }
    return parts.join('\n');
  });
}

/** Every row of every table of ours, as text. */
function dumpPostgres(url: string): Promise<string> {
  return withPostgres(url, async (client) => {
    const tables = await client.query<{ name: string }>(
      `select format('%I.%I', schemaname, tablename) as name from pg_tables
        where schemaname not in ('pg_catalog', 'information_schema')`,
    );
    const parts: string[] = [];
    for (const { name } of tables.rows) {
      const rows = await client.query<{ row: string }>(`select t::text as row from ${name} t`);
      parts.push(name, ...rows.rows.map(({ row }) => row));
    }
    return parts.join('\n');
  });
}

const faults: ScriptedAnswer[] = [
  { kind: 'cut', acts: true },
  { kind: 'cut' },
  { kind: 'hang' },
  { kind: 'garbage' },
  { kind: 'status', status: 502 },
  { kind: 'code', code: 70001 },
  { kind: 'code', code: 60007 },
  { kind: 'code', code: 100001 },
  { kind: 'code', code: 100006 },
  { kind: 'noresponse' },
];

test('no signature, key or query reaches an output, the queue or the ledger, whatever goes wrong', async () => {
  const faulty = roomIds(20, 'faulty');
  const { server, env, secretKey } = await openStage({
    scripts: {
      ...Object.fromEntries(
        faulty.map((room, index) => [room, faults.slice(index % 10, (index % 10) + 1)]),
      ),
      'always failing': Array.from({ length: 20 }, () => ({ kind: 'cut' })),
    },
    latencyMs: 20,
  });
  const stores = await redisAndPostgres();
  const options = {
    env: {
      ...env,
      ...stores,
      LOG_LEVEL: 'trace',
      REQUEST_TIMEOUT_MS: '400',
      LATER_RETRIES: '1',
    },
    stdin: lines([...faulty, 'always failing', ...roomIds(60)]),
  };
  const seen: string[] = [];
  const look = async () => {
    seen.push(await dumpRedis(stores.QUEUE_URL), await dumpPostgres(stores.DATABASE_URL));
  };

  const destroying = start(['destroy', '-'], options);
  await server.reached(40);
  await look();
  const destroyed = await destroying.ended;
  await look();
  const wrongKey = 'wrong-and-secret'.repeat(4);
  const wrong = { ...options.env, TENCENT_SECRET_KEY: wrongKey };
  const stopped = await run(['destroy', '--room', 'x'], { env: wrong });
  const status = await run(['status'], options);
  const waiting = startInside(['destroy', '--room', 'x'], {
    env: { ...options.env, TENCENT_ENDPOINT: 'http://127.0.0.1:9' },
  });
  await waiting.said(/the API does not work: network error ECONNREFUSED/);
  waiting.kill('SIGINT');
  const unreachable = await waiting.ended;
  await look();

  expect([destroyed.code, stopped.code, status.code, unreachable.code]).toEqual([1, 3, 0, 130]);
  for (const { stdout, stderr } of [destroyed, stopped, status, unreachable]) {
    seen.push(stdout, stderr);
  }
  const everything = seen.join('\n');
  // The search finds what is there: RoomIds are, in the queue, the ledger and the log.
  for (const text of [seen[0], seen[1], destroyed.stderr]) {
    expect(text?.includes('faulty-00')).toBe(true);
  }

  const { signatures } = await server.report();
  expect(signatures.length).toBeGreaterThanOrEqual(3);
  for (const secret of [...signatures, secretKey, wrongKey]) {
    expect(everything.includes(secret)).toBe(false);
    expect(everything.includes(encodeURIComponent(secret))).toBe(false);
  }
  for (const query of [/usersig=/i, /sdkappid=\d/, /[?&](identifier|random|contenttype)=/]) {
    // A match alone, not all that was searched.
    expect(query.exec(everything)?.[0]).toBeUndefined();
  }
});
