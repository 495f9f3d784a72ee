/** `status --watch` stays when a server goes away: whoever watches wants to see it come back. */
import { expect, test } from 'vitest';
import { startPostgresServer, startRedisServer, withRedis } from '../support/servers.js';
import { startProxy, type NetworkFault } from '../support/proxy.js';
import { afterThisTest, run, startInside } from './room-reaper.js';
import { openStage, redisAndPostgres } from './stage.js';

/** The port of a URL as seen through a proxy. */
async function through(url: string) {
  const whole = new URL(url);
  const proxy = await startProxy(Number(whole.port));
  afterThisTest(() => proxy.close());
  whole.hostname = '127.0.0.1';
  whole.port = String(proxy.port);
  return { url: whole.href, proxy };
}

const away =
  /Redis at redis:\/\/127\.0\.0\.1:\d+\/?\d* (cannot be used: .+|does not answer); asking/;
const ledgerAway = /the ledger at postgres:\/\/\S+ (cannot be used: .+|does not answer); asking/;

test.each<[server: 'queue' | 'ledger', fault: NetworkFault, said: RegExp]>([
  ['queue', { kind: 'refuse' }, away],
  ['queue', { kind: 'silence' }, away],
  ['ledger', { kind: 'refuse' }, ledgerAway],
  ['ledger', { kind: 'silence' }, ledgerAway],
])(
  'where the %s is away (%o) it says which, shows the rest, and goes on',
  async (server, fault, said) => {
    const { env } = await openStage();
    const stores = await redisAndPostgres();
    await run(['enqueue', '--room', 'a'], { env: { ...env, ...stores } });
    const variable = server === 'queue' ? 'QUEUE_URL' : 'DATABASE_URL';
    const { url, proxy } = await through(stores[variable]);
    const watching = startInside(['status', '--watch'], {
      env: { ...env, ...stores, [variable]: url },
    });
    await watching.printed(/^1 room waiting/m);

    await proxy.set(fault);
    await watching.printed(said);
    await proxy.set({ kind: 'none' });
    await run(['enqueue', '--room', 'b'], { env: { ...env, ...stores } });

    await watching.printed(/^2 rooms waiting/m);
    watching.kill('SIGINT');
    const { code, stdout, stderr } = await watching.ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    // What was known before stays on the screen meanwhile, and so does what the other store says.
    const after = stdout.slice(stdout.search(said));
    if (server === 'queue')
      expect(after).toMatch(/^what waits is not known; at [\d:]+ UTC\S* it was: 1 room waiting/m);
    else expect(after).toMatch(/^1 room waiting[^]*^line, workers and batches are not known; at /m);
  },
);

/** Two rooms wait in a Redis of the test's own. */
async function ownRedis(ledgerUrl?: string) {
  // Killed the moment after, it must know what it was given.
  const redis = await startRedisServer({ settings: { appendfsync: 'always' } });
  afterThisTest(() => redis.stop());
  const { env } = await openStage();
  const DATABASE_URL = ledgerUrl ?? (await redisAndPostgres()).DATABASE_URL;
  const options = { env: { ...env, QUEUE_URL: redis.url, DATABASE_URL } };
  await run(['enqueue', '-', '--batch', 'evening'], { ...options, stdin: 'a\nb\n' });
  return { redis, options };
}

test('with Redis down, status says what the ledger knows, and which part is not known', async () => {
  const { redis, options } = await ownRedis();
  await redis.kill();
  const text = await run(['status'], options);
  expect(text.code).toBe(2);
  expect(text.stderr).toMatch(/Redis at redis:\S+ cannot be used: ECONNREFUSED/);
  expect(text.stdout).toMatch(/^Redis at .*\n\n[^]*what waits is not known\n[^]*^batch evening/m);
  expect(text.stdout).not.toMatch(/running/);
  const json = await run(['status', '--json'], options);
  expect(json.code).toBe(2);
  expect(JSON.parse(json.stdout)).toMatchObject({
    ...{ queue: null, line: 'unavailable', etaSeconds: null, noEtaBecause: 'queue_unknown' },
    ...{ batches: [{ name: 'evening', total: 2 }], lines: [], workers: [] },
    unreachable: expect.stringMatching(/^Redis at redis:/) as string,
  });
  // Watched from the start, it waits for it.
  const watching = startInside(['status', '--watch'], options);
  await watching.printed(/asking again every second/);
  await watching.printed(/^batch evening/m);
  await redis.restart();
  await watching.printed(/^2 rooms waiting/m);
  watching.kill('SIGINT');
  expect((await watching.ended).code).toBe(0);
});

test('with Postgres down, status says what the queue knows; with both, which are away', async () => {
  const postgres = await startPostgresServer();
  afterThisTest(() => postgres.stop());
  const { redis, options } = await ownRedis(postgres.url);
  await postgres.kill();
  const json = await run(['status', '--json'], options);
  expect(json.code).toBe(2);
  expect(JSON.parse(json.stdout)).toMatchObject({
    ...{ queue: { waiting: 2 }, line: 'unavailable', noEtaBecause: 'ledger_unknown' },
    ...{ lines: null, workers: null, batches: null, sentPerSecond: null },
    unreachable: expect.stringMatching(/^the ledger at postgres:.*ECONNREFUSED/) as string,
  });
  const watching = startInside(['status', '--watch'], options);
  await watching.printed(/^2 rooms waiting/m);
  await postgres.restart();
  await watching.printed(/^batch evening/m);
  watching.kill('SIGINT');
  expect((await watching.ended).code).toBe(0);

  await Promise.all([redis.kill(), postgres.kill()]);
  const neither = await run(['status'], options);
  expect([neither.code, neither.stdout]).toEqual([2, '']);
  expect(neither.stderr).toMatch(/Redis at redis:.*; the ledger at postgres:/);
});

test('a primary that was demoted is never running, although it can be read', async () => {
  const { redis, options } = await ownRedis();
  const watching = startInside(['status', '--watch', '--json'], options);
  await watching.printed(/"waiting":2/);
  const next = await startRedisServer();
  afterThisTest(() => next.stop());
  const { hostname, port } = new URL(next.url);
  await withRedis(redis.url, (client) => client.config('SET', 'replica-priority', '0'));
  // Writes are refused, and what was there is still read.
  await withRedis(redis.url, (client) => client.config('SET', 'min-replicas-to-write', '1'));
  await watching.printed(/"readOnly":"Redis has fewer replicas/);
  await withRedis(redis.url, (client) => client.replicaof(hostname, port));
  await watching.printed(/"readOnly":"Redis is read-only/);
  watching.kill('SIGINT');
  const { stdout } = await watching.ended;
  const since = stdout.slice(stdout.indexOf('"readOnly"'));
  expect(since).not.toContain('"line":"running"');
  expect(since).toContain('"line":"unavailable"');
});
