/** `status --watch` stays when a server goes away: whoever watches wants to see it come back. */
import { expect, test } from 'vitest';
import { startProxy, type NetworkFault } from '../support/proxy.js';
import { afterThisTest, run, start } from './room-reaper.js';
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

test.each<[server: 'queue' | 'ledger', fault: NetworkFault, said: RegExp]>([
  ['queue', { kind: 'refuse' }, /does not answer/],
  ['ledger', { kind: 'refuse' }, /cannot be used: .+/],
  ['ledger', { kind: 'silence' }, /does not answer/],
])('where the %s is away (%o) it says so, and goes on', async (server, fault, said) => {
  const { env } = await openStage();
  const stores = await redisAndPostgres();
  await run(['enqueue', '--room', 'a'], { env: { ...env, ...stores } });
  const [queue, ledger] = [await through(stores.QUEUE_URL), await through(stores.DATABASE_URL)];
  const watching = start(['status', '--watch'], {
    env: { ...env, QUEUE_URL: queue.url, DATABASE_URL: ledger.url },
  });
  await watching.printed(/^1 room waiting/m);
  const { proxy } = { queue, ledger }[server];

  await proxy.set(fault);
  await watching.printed(said);
  await proxy.set({ kind: 'none' });
  await run(['enqueue', '--room', 'b'], { env: { ...env, ...stores } });

  await watching.printed(/^2 rooms waiting/m);
  watching.kill('SIGINT');
  const { code, stdout, stderr } = await watching.ended;
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  // What was known before stays on the screen meanwhile.
  expect(stdout).toMatch(/; asking again every second\. As it was at .+:\n\n.*\n1 room waiting/);
});
