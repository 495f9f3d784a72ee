/** A failover of Redis: its address leads to the new primary, open connections to the old one. */
import { connect, createServer, type AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { addDestructions } from '../../src/producer/add.js';
import { openQueue } from '../../src/queue/open.js';
import { newId } from '../../src/queue/destruction-id.js';
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

test('a worker and a producer leave a primary that became a replica', async () => {
  const [old, next] = await Promise.all([startRedisServer(), startRedisServer()]);
  ends.push(() => Promise.all([old.stop(), next.stop()]));
  const address = await movableAddress(old.url);
  const options = {
    sdkAppId: freshSdkAppId(),
    connection: { kind: 'redis', url: address.url } as const,
    onError: () => undefined,
  };
  const opened = await openQueue(options);
  const producer = await openQueue({ ...options, failFast: true });
  ends.push(() => Promise.all([opened.close(), producer.close()]));
  const done: string[] = [];
  const worker = await opened.createWorker(
    (job) => {
      done.push(job.data.r);
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
  await add('before');
  await expect.poll(() => done, { timeout: 30_000 }).toEqual(['before']);

  const { hostname, port } = new URL(next.url);
  address.pointTo(next.url);
  await withRedis(old.url, (redis) => redis.replicaof(hostname, port));

  await add('after');
  await expect.poll(() => done, { timeout: 30_000 }).toEqual(['before', 'after']);
  // A producer fails at once, and has moved when it asks again.
  await expect
    .poll(
      () =>
        add('of a producer', producer.queue).then(
          () => 'added',
          () => 'refused',
        ),
      {
        timeout: 30_000,
      },
    )
    .toBe('added');
  await expect.poll(() => done, { timeout: 30_000 }).toContain('of a producer');
  await worker.close();
}, 120_000);
