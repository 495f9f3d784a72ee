/** The queue on a Redis cluster: whatever can be asked of it, and all of its keys on one node. And TLS there, and of Sentinels. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openProducer } from '../../src/producer/index.js';
import type { ScriptedAnswer } from '../support/counting-server.js';
import { startCluster } from '../support/redis-groups.js';
import { freePort } from '../support/program.js';
import type { RedisServerOptions } from '../support/redis.js';
import { createDatabase, startRedisServer, withRedis } from '../support/servers.js';
import { openTestQueue } from './queue.js';
import { key, valid } from './certificates.js';
import { afterThisTest, folderWith, run, startInside } from './room-reaper.js';
import { lines, openStage, readDestructions, roomIds } from './stage.js';

/** One that a URL must encode, and that none may show. */
const password = 'hunter2#/@%';

async function openCluster(scripts: Record<string, ScriptedAnswer[]>) {
  const [stage, cluster, database] = await Promise.all([
    openStage({ scripts }),
    startCluster(),
    createDatabase(),
  ]);
  afterThisTest(async () => {
    await cluster.stop();
    await database.drop();
  });
  for (const { url } of cluster.servers) {
    await withRedis(url, (redis) => redis.config('SET', 'requirepass', password));
  }
  const queueUrl = cluster.url.replace('//', `//:${encodeURIComponent(password)}@`);
  const env = {
    ...{ ...stage.env, QUEUE_URL: queueUrl, DATABASE_URL: database.url, LATER_RETRIES: '0' },
    QUEUE_PREFIX: 'team',
  };
  const keys = async () => {
    const found = await Promise.all(
      cluster.servers.map(({ url }) =>
        withRedis(url.replace('//', `//:${encodeURIComponent(password)}@`), (redis) =>
          redis.keys('*'),
        ),
      ),
    );
    return found.filter((each) => each.length > 0);
  };
  return { ...stage, env, queueUrl, cluster, databaseUrl: database.url, keys };
}

async function json<T>(args: string[], options: Parameters<typeof run>[1]): Promise<T> {
  const { code, stdout, stderr } = await run([...args, '--json'], options);
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout) as T;
}

test('rooms are enqueued, destroyed, cancelled, replayed and explained on a cluster', async () => {
  const failing = Array.from({ length: 3 }, () => ({ kind: 'code', code: 100001 }) as const);
  const { env, sdkAppId, queueUrl, databaseUrl, keys, server } = await openCluster({
    again: [...failing],
  });
  const options = { env };
  const put = await run(['enqueue', '-', '--yes', '--batch', 'first'], {
    ...options,
    stdin: lines([...roomIds(40), 'again']),
  });
  expect(put.code, put.stderr).toBe(0);
  await run(['enqueue', '--room', 'soon', '--urgent'], options);
  expect(await json(['status'], options)).toMatchObject({
    queue: { waiting: 42, lanes: { urgent: 1, bulk: 41 } },
  });
  expect((await run(['explain', 'again'], options)).stdout).toMatch(/\b41 rooms ahead/);
  const later = await run(['enqueue', '-', '--yes', '--batch', 'taken-back'], {
    ...options,
    stdin: lines(['x1', 'x2', 'x3']),
  });
  expect(later.code, later.stderr).toBe(0);
  expect(await json(['cancel', 'taken-back'], options)).toMatchObject({ cancelled: 3 });
  const producer = await openProducer({ queueUrl, prefix: 'team', sdkAppId });
  expect(await producer.destroyMany(['p1', 'p2', 'p2'])).toMatchObject({ added: 2, pending: 1 });
  await producer.destroy('p3', { urgent: true });
  await producer.close();
  const [node, ...others] = await keys();
  expect(others).toEqual([]);
  // Braces keep the keys of a queue together.
  expect(node?.every((key) => key.startsWith(`{team}:room-reaper-${sdkAppId}:`))).toBe(true);

  const wrong = { ...env, QUEUE_URL: queueUrl.replace('hunter2', 'hunter3') };
  const refused = await run(['status'], { env: wrong });
  expect(refused.code).toBe(2);
  expect(refused.stderr).toMatch(/WRONGPASS|NOAUTH/);
  expect(refused.stderr).not.toContain('hunter3');
  const worker = startInside(['worker'], options);
  const outcomeOf = async (room: string) =>
    (await readDestructions(databaseUrl)).get(room)?.outcome;
  await expect.poll(() => outcomeOf('again'), { timeout: 60_000 }).toBe('failed');
  const queue = await openTestQueue(sdkAppId, queueUrl, 'team');
  await expect.poll(() => queue.getFailedCount(), { timeout: 60_000 }).toBe(1);
  for (const job of await queue.getFailed()) await job.retry();
  await expect.poll(() => outcomeOf('again'), { timeout: 60_000 }).toBe('destroyed');
  await expect.poll(() => queue.count(), { timeout: 60_000 }).toBe(0);
  const choice = ['--batch', 'taken-back', '--outcome', 'cancelled'];
  const replayed = await run(['replay', ...choice, '--yes'], options);
  expect(replayed.code, replayed.stderr).toBe(0);
  await expect.poll(() => outcomeOf('x3'), { timeout: 60_000 }).toBe('destroyed');
  const examined = await run(['doctor'], options);
  expect(examined.stdout).toMatch(/redis-cluster:\/\/\S+ answers in .*version/);
  expect(examined.stdout + examined.stderr).not.toContain('hunter2');
  worker.kill('SIGTERM');
  expect((await worker.ended).code).toBe(0);

  const destroyed = await run(['destroy', '-', '--yes'], {
    ...options,
    stdin: lines(['y1', 'y2']),
  });
  expect(destroyed.code, destroyed.stderr).toBe(0);
  const report = await server.report();
  expect(report.problems).toEqual([]);
  expect(report.rooms['x1']?.requests).toBe(1);
  expect(
    [...(await readDestructions(databaseUrl)).values()].map(({ outcome }) => outcome),
  ).not.toContain(null);
}, 180_000);

/** Answers with TLS on a port besides its own. */
async function startWithTls(options: RedisServerOptions) {
  const folder = folderWith({ 'key.pem': key, 'certificate.pem': valid });
  const certificate = join(folder, 'certificate.pem');
  const port = await freePort();
  const server = await startRedisServer({
    ...options,
    settings: {
      ...{ 'tls-port': String(port), 'tls-auth-clients': 'no', 'tls-replication': 'yes' },
      ...{ 'tls-cert-file': certificate, 'tls-key-file': join(folder, 'key.pem') },
      ...{ 'tls-ca-cert-file': certificate, ...options.settings },
    },
  });
  afterThisTest(() => server.stop());
  return { server, port, certificate };
}

test.each<[kind: string, open: () => Promise<{ url: string; certificate: string }>]>([
  [
    'a cluster',
    async () => {
      const alone = { 'cluster-enabled': 'yes', 'cluster-announce-ip': '127.0.0.1' };
      const settings = { ...alone, 'tls-cluster': 'yes' };
      const { server, port, certificate } = await startWithTls({ settings });
      await withRedis(server.url, async (redis) => {
        await redis.call('CLUSTER', 'ADDSLOTSRANGE', 0, 16_383);
        await expect.poll(() => redis.call('CLUSTER', 'INFO')).toContain('cluster_state:ok');
      });
      return { url: `rediss-cluster://127.0.0.1:${port}`, certificate };
    },
  ],
  [
    'Sentinels',
    async () => {
      const primary = await startWithTls({});
      const sentinel = `sentinel monitor main 127.0.0.1 ${primary.port} 1\n`;
      const { port, certificate } = await startWithTls({ sentinel });
      return { url: `rediss-sentinel://127.0.0.1:${port}/0#main`, certificate };
    },
  ],
])('%s with TLS: asked by whoever trusts the certificate', async (_, open) => {
  const [{ env, sdkAppId }, { url, certificate }, database] = await Promise.all([
    openStage(),
    open(),
    createDatabase(),
  ]);
  afterThisTest(() => database.drop());
  const variables = { ...env, QUEUE_URL: url, DATABASE_URL: database.url };
  const stranger = await run(['enqueue', '--room', 'a'], { env: variables });
  expect(stranger.code).toBe(2);
  expect(stranger.stderr).toMatch(/certificate/);
  const known = { env: { ...variables, NODE_EXTRA_CA_CERTS: certificate } };
  const put = await run(['enqueue', '--room', 'a'], known);
  expect(put.code, put.stderr).toBe(0);
  expect((await run(['status'], known)).stdout).toMatch(/^1 room waiting/m);

  // A service brings its own.
  const producer = await openProducer({ queueUrl: url, sdkAppId, tls: { ca: valid } });
  afterThisTest(() => producer.close());
  expect(await producer.destroy('a')).toMatchObject({ status: 'pending' });
  expect(await producer.cancel('a')).toMatchObject({ status: 'cancelled' });
});
