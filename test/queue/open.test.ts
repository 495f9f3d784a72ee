import { inspect } from 'node:util';
import { afterEach, expect, test, vi } from 'vitest';
import { openQueue } from '../../src/queue/open.js';
import { clusterRights, queueRights } from '../../src/store-trouble.js';
import { freshRedis, freshSdkAppId, startRedisServer, withRedis } from '../support/servers.js';
import { places } from './places.js';

test.each(places)(
  'on %s, a connection that breaks while the queue is closed is no trouble',
  async (_name, open) => {
    const place = await open();
    const told: string[] = [];
    const opened = await openQueue({
      sdkAppId: freshSdkAppId(),
      connection: place.connection,
      onError: ({ message }) => told.push(message),
    });
    opened.queue.emit('error', new Error('before'));
    const closing = opened.close();
    opened.queue.emit('error', new Error('meanwhile'));
    await closing;
    await place.drop();
    expect(told).toEqual(['before']);
  },
);

afterEach(() => vi.restoreAllMocks());

/** Timers that began from now on and were not cleared: each keeps the process until it runs out. */
function watchTimers(): () => (number | undefined)[] {
  const begun = vi.spyOn(globalThis, 'setTimeout');
  const cleared = vi.spyOn(globalThis, 'clearTimeout');
  return () =>
    begun.mock.results.flatMap(({ value: timer }, index) => {
      const delayMs = begun.mock.calls[index]?.[1];
      const isOver = cleared.mock.calls.some(([each]) => each === timer) || (delayMs ?? 0) < 100;
      return isOver ? [] : [delayMs];
    });
}

test('on Redis, every timer that closing a queue and its worker begins ends with its connection', async () => {
  const { url, drop } = await freshRedis();
  const opened = await openQueue({
    sdkAppId: freshSdkAppId(),
    connection: { kind: 'redis', url },
    onError: () => undefined,
  });
  const worker = await opened.createWorker(() => Promise.resolve(), { autorun: false });
  await worker.waitUntilReady();
  await worker.close();
  const left = watchTimers();

  await opened.close();

  await expect.poll(left).toEqual([]);
  await drop();
});

test.each([
  ['a wrong password', ':hunter2@'],
  ['a user that it does not know', 'somebody:hunter2@'],
])('no error of a Redis that refuses %s holds the password', async (_rule, login) => {
  const { url, drop } = await freshRedis();
  const told: unknown[] = [];
  const opening = openQueue({
    sdkAppId: freshSdkAppId(),
    connection: { kind: 'redis', url: url.replace('//', `//${login}`) },
    onError: (error) => told.push(error),
  });
  told.push(
    await opening.then(
      async (opened) => await opened.close(),
      (error: unknown) => error,
    ),
  );
  expect(inspect(told, { depth: null, showHidden: true })).not.toContain('hunter2');
  await drop();
});

test('a Redis that cannot be reached leaves no timer', async () => {
  const left = watchTimers();
  const connection = { kind: 'redis', url: 'redis://127.0.0.1:1' } as const;

  const opening = openQueue({ sdkAppId: freshSdkAppId(), connection, onError: () => undefined });

  await expect(opening).rejects.toThrow('ECONNREFUSED');
  expect(left()).toEqual([]);
});

const openOn = (url: string) =>
  openQueue({
    sdkAppId: freshSdkAppId(),
    connection: { kind: 'redis', url },
    onError: () => undefined,
  });

test('what a Redis ACL must allow of a cluster is told at the start; what the remedy says is enough', async () => {
  const server = await startRedisServer({
    settings: { 'cluster-enabled': 'yes', 'cluster-announce-ip': '127.0.0.1' },
  });
  const of = (user: string) =>
    server.url.replace('redis://', `redis-cluster://${user}:pw@`).replace(/\/$/, '');
  await withRedis(server.url, async (redis) => {
    await redis.call('CLUSTER', 'ADDSLOTSRANGE', 0, 16_383);
    await expect.poll(() => redis.call('CLUSTER', 'INFO'), { timeout: 30_000 }).toMatch(/state:ok/);
    const rights = ['on', '>pw', '~{bull}:*', ...queueRights.split(' ')];
    const all = clusterRights.split(' ');
    await redis.call('ACL', 'SETUSER', 'whole', ...rights, ...all);
    for (const [index, right] of ['+cluster|slots', '+cluster|info'].entries()) {
      const others = all.filter((each) => each !== right);
      await redis.call('ACL', 'SETUSER', `narrow${index}`, ...rights, ...others);
    }
  });
  const opened = await openOn(of('whole'));
  await opened.queue.pause();
  await opened.close();
  for (const user of ['narrow0', 'narrow1'])
    await expect(openOn(of(user))).rejects.toThrow(/NOPERM .*on a cluster ~\{bull\}:\*/);
  await server.stop();
});

test('a Redis whose ACL allows no scripts is told at the start', async () => {
  const server = await startRedisServer();
  await withRedis(server.url, async (redis) => {
    await redis.call('ACL', 'SETUSER', 'weak', 'on', '>pw', '~*', '+@all', '-eval', '-evalsha');
    await redis.call('ACL', 'SETUSER', 'other', 'on', '>pw', '~other:*', '+@all');
  });
  for (const user of ['weak', 'other']) {
    const url = server.url.replace('//', `//${user}:pw@`);
    await expect(openOn(url)).rejects.toThrow(/NOPERM \(its ACL .*\); give the user in QUEUE_URL/);
  }
  await expect(openOn(server.url.replace('//', '//weak:no@'))).rejects.toThrow(
    /WRONGPASS \(user or password is wrong/,
  );
  await server.stop();
});

test('whatever a Redis is other than its URL says, the error says how to call it', async () => {
  const server = await startRedisServer();
  const { host, port } = new URL(server.url);
  const sentinel = await startRedisServer({
    sentinel: `sentinel monitor main 127.0.0.1 ${port} 1\n`,
  });
  const at = new URL(sentinel.url).host;
  await expect(openOn(`redis-sentinel://${host}/0#main`)).rejects.toThrow(/it is no Sentinel/);
  await expect(openOn(`redis-cluster://${host}`)).rejects.toThrow(/it is no cluster/);
  await expect(openOn(sentinel.url)).rejects.toThrow(/SENTINEL .*set QUEUE_URL to redis-sentinel:/);
  await expect(openOn(`redis-sentinel://:pw@127.0.0.1:1,${at}/0#other`)).rejects.toThrow(
    /Redis at redis-sentinel:\/\/\*\*\*@127.0.0.1:1,\S+ cannot be used: NONAME/,
  );
  await expect(openOn('redis-sentinel://127.0.0.1:1/0#main')).rejects.toThrow(
    /none of its servers/,
  );
  await expect(openOn('redis-cluster://127.0.0.1:1,127.0.0.1:2')).rejects.toThrow(
    /none of its servers/,
  );
  await withRedis(sentinel.url, (redis) =>
    redis.call('ACL', 'SETUSER', 'default', 'resetpass', '>of-it'),
  );
  await expect(openOn(`redis-sentinel://${at}/0#main`)).rejects.toThrow(
    /SENTINELAUTH .*sentinelPassword/,
  );
  const opened = await openOn(`redis-sentinel://127.0.0.1:1,${at}/0?sentinelPassword=of-it#main`);
  await opened.close();
  await Promise.all([server, sentinel].map((each) => each.stop()));
}, 60_000);

test('a prefix keeps two queues apart that are of one app', async () => {
  const { url, drop } = await freshRedis();
  const sdkAppId = freshSdkAppId();
  const open = (prefix?: string) =>
    openQueue({ sdkAppId, connection: { kind: 'redis', url, prefix }, onError: () => undefined });
  const [first, second] = await Promise.all([open('team-a'), open()]);
  await first.queue.pause();
  expect([await first.queue.isPaused(), await second.queue.isPaused()]).toEqual([true, false]);
  const keys = await withRedis(url, (redis) => redis.keys('*:meta'));
  expect(keys.map((key) => key.split(':')[0]).sort()).toEqual(['bull', 'team-a']);
  await Promise.all([first.close(), second.close()]);
  await drop();
});

test('so are a replica and a cluster, which could never be written', async () => {
  const [primary, replica, cluster] = await Promise.all([
    startRedisServer(),
    startRedisServer(),
    startRedisServer({ settings: { 'cluster-enabled': 'yes' } }),
  ]);
  const { hostname, port } = new URL(primary.url);
  await withRedis(replica.url, (redis) => redis.replicaof(hostname, port));
  await expect(openOn(replica.url)).rejects.toThrow(
    /READONLY \(it is a read-only replica.*set QUEUE_URL to the primary/,
  );
  await expect(openOn(cluster.url)).rejects.toThrow(/CLUSTER \(it is a cluster/);
  const url = cluster.url.replace('redis:', 'redis-cluster:');
  await withRedis(cluster.url, async (redis) => {
    await redis.call('CLUSTER', 'ADDSLOTSRANGE', 1, 2);
    // It met no other, and so does not know its own address.
    await expect(openOn(url)).rejects.toThrow(/none of its nodes says where it is/);
    await redis.config('SET', 'cluster-announce-ip', '127.0.0.1');
    await expect(openOn(url)).rejects.toThrow(/CLUSTERDOWN/);
    await redis.call('CLUSTER', 'ADDSLOTSRANGE', 0, 0);
    await redis.call('CLUSTER', 'ADDSLOTSRANGE', 3, 16_383);
    await expect.poll(() => redis.call('CLUSTER', 'INFO')).toContain('cluster_state:ok');
  });
  const opened = await openOn(url);
  await opened.close();
  await Promise.all([primary, replica, cluster].map((server) => server.stop()));
});
