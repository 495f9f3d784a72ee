/** The other end of a connection is gone and never says so, as after a failover. */
import { beforeAll, expect, test } from 'vitest';
import { run, start } from '../e2e/room-reaper.js';
import { lines, openStage, readDestructions, redisAndPostgres, roomIds } from '../e2e/stage.js';
import { startProxy } from '../support/proxy.js';
import { sideBySide, until } from './scene.js';

const rooms = roomIds(400);

async function forget(variable: 'QUEUE_URL' | 'DATABASE_URL') {
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
    await run(['enqueue', '-'], { ...options, stdin: lines(rooms) });
    // In the middle of it: jobs are in hand, commands under way.
    await server.reached(100);
    await proxy.forget();
    await until('every room is destroyed', 60_000, async () => {
      const rows = [...(await readDestructions(stores.DATABASE_URL)).values()];
      const ended = rows.filter(({ outcome }) => outcome === 'destroyed').length;
      return ended === rooms.length ? undefined : `${ended} are`;
    });
    worker.kill('SIGTERM');
    const { code } = await worker.ended;
    return { code, requests: (await server.report()).requests.length };
  } finally {
    await proxy.close();
  }
}

let result: (variable: 'QUEUE_URL' | 'DATABASE_URL') => Awaited<ReturnType<typeof forget>>;

beforeAll(async () => {
  result = await sideBySide({
    QUEUE_URL: () => forget('QUEUE_URL'),
    DATABASE_URL: () => forget('DATABASE_URL'),
  });
}, 120_000);

test.each(['QUEUE_URL', 'DATABASE_URL'] as const)(
  'a worker whose connections of %s are silent for good goes on within a minute',
  (variable) => {
    expect(result(variable)).toEqual({ code: 0, requests: rooms.length });
  },
);
