/** The other end of a connection is gone and never says so, as after a failover. */
import { expect, test } from 'vitest';
import { run, start } from '../e2e/room-reaper.js';
import { lines, openStage, readDestructions, redisAndPostgres, roomIds } from '../e2e/stage.js';
import { startProxy } from '../support/proxy.js';
import { short } from './scene.js';

test.skipIf(short).each(['QUEUE_URL', 'DATABASE_URL'] as const)(
  'a worker whose connections of %s are silent for good goes on within a minute',
  async (variable) => {
    const { server, env } = await openStage({ latencyMs: 50 });
    const stores = await redisAndPostgres();
    const direct = new URL(stores[variable]);
    const proxy = await startProxy(Number(direct.port));
    try {
      const through = new URL(direct);
      through.port = String(proxy.port);
      const options = { env: { ...env, ...stores } };
      const worker = start(['worker'], {
        env: { ...options.env, [variable]: through.href },
      });
      await worker.said(/worker started/);
      const rooms = roomIds(400);
      await run(['enqueue', '-'], { ...options, stdin: lines(rooms) });
      // In the middle of it: jobs are in hand, commands under way.
      await server.reached(100);
      await proxy.forget();
      const ended = async () =>
        [...(await readDestructions(stores.DATABASE_URL)).values()].filter(
          ({ outcome }) => outcome === 'destroyed',
        ).length;
      await expect.poll(ended, { timeout: 60_000, interval: 500 }).toBe(rooms.length);
      worker.kill('SIGTERM');
      expect((await worker.ended).code).toBe(0);
      expect((await server.report()).requests).toHaveLength(rooms.length);
    } finally {
      await proxy.close();
    }
  },
);
