/** Failovers of Redis: by an address that leads to the new primary, by Sentinels, in a cluster. */
import { connect, createServer, type AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { addDestructions } from '../../src/producer/add.js';
import { openQueue } from '../../src/queue/open.js';
import { newId } from '../../src/queue/destruction-id.js';
import { startCluster, startSentinels } from '../support/redis-groups.js';
import { freshSdkAppId, startRedisServer, withRedis } from '../support/servers.js';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** An address that leads to whatever server it is pointed to; connections stay where they are. */
async function movableAddress(first: string) {
  let target = new URL(first);
  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    client.pipe(upstream).pipe(client);
    client.on('error', () => upstream.destroy());
    upstream.on('error', () => client.destroy());
    client.on('close', () => upstream.destroy());
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  ends.push(() => server.close());
  const { port } = server.address() as AddressInfo;
  return {
    url: `redis://127.0.0.1:${port}`,
    pointTo(url: string) {
      target = new URL(url);
    },
  };
}

/** A worker and a producer on the queue at an address. */
async function workAt(url: string) {
  const options = {
    sdkAppId: freshSdkAppId(),
    connection: { kind: 'redis', url } as const,
    onError: () => undefined,
  };
  const opened = await openQueue(options);
  const producer = await openQueue({ ...options, failFast: true });
  ends.push(() => Promise.all([opened.close(), producer.close()]));
  const done: string[] = [];
  const worker = await opened.createWorker(
    (job) => {
      done.push(String(job.data.r));
      return Promise.resolve();
    },
    { autorun: false, removeOnComplete: { count: 0 } },
  );
  void worker.run();
  const add = (roomId: string, queue = opened.queue) => {
    const now = Date.now();
    const destruction = { id: newId(), roomId, batchId: undefined, requestedAtMs: now };
    return addDestructions(queue, [{ ...destruction, notAfterMs: now + 3_600_000 }], {
      ...{ lane: 'normal', delayMs: 0 },
    });
  };
  return {
    add,
    done: expect.poll(() => done, { timeout: 60_000 }),
    /** A producer fails at once, and has moved when it asks again. */
    produced: (roomId: string) => {
      const asked = () =>
        add(roomId, producer.queue).then(
          () => 'added',
          () => 'refused',
        );
      return expect.poll(asked, { timeout: 60_000 }).toBe('added');
    },
    close: () => worker.close(),
  };
}

test('a worker and a producer leave a primary that became a replica', async () => {
  const [old, next] = await Promise.all([startRedisServer(), startRedisServer()]);
  ends.push(() => Promise.all([old.stop(), next.stop()]));
  const address = await movableAddress(old.url);
  const work = await workAt(address.url);
  await work.add('before');
  await work.done.toEqual(['before']);

  const { hostname, port } = new URL(next.url);
  address.pointTo(next.url);
  await withRedis(old.url, (redis) => redis.replicaof(hostname, port));

  await work.add('after');
  await work.done.toEqual(['before', 'after']);
  await work.produced('of a producer');
  await work.done.toContain('of a producer');
  await work.close();
}, 120_000);

test.each([
  ['Sentinels name another primary', startSentinels],
  ['a replica takes the place of a node of a cluster', () => startCluster({ replicas: true })],
])(
  'they go on where %s: what waited is there, and is worked on',
  async (_, open) => {
    const group = await open();
    ends.push(() => group.stop());
    const work = await workAt(group.url);
    await work.add('before');
    await work.done.toEqual(['before']);

    const old = await group.primary();
    await old.kill('SIGKILL');
    // Waits for the new primary, however long that takes.
    await work.add('meanwhile');
    await work.done.toEqual(['before', 'meanwhile']);
    await work.produced('of a producer');
    await work.done.toContain('of a producer');
    expect((await group.primary()).url).not.toBe(old.url);

    // It comes back as a replica, which nobody is led astray by.
    await old.restart();
    await work.add('after');
    await work.done.toContain('after');
    await work.close();
  },
  180_000,
);
