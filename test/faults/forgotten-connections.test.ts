/** The other end of a connection is gone and never says so, as after a failover. */
import { beforeAll, expect, test } from 'vitest';
import { run, start } from '../e2e/room-reaper.js';
import {
  lines,
  openStage,
  postgresOnly,
  readDestructions,
  redisAndPostgres,
  roomIds,
} from '../e2e/stage.js';
import { startProxy } from '../support/proxy.js';
import { sideBySide, until } from './scene.js';

const rooms = roomIds(400);

async function forget(variable: 'QUEUE_URL' | 'DATABASE_URL', openStores = redisAndPostgres) {
  const { server, env } = await openStage({ latencyMs: 50 });
  const stores = await openStores();
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

const forgotten = {
  Redis: () => forget('QUEUE_URL'),
  'Postgres as the queue': () => forget('QUEUE_URL', postgresOnly),
  'Postgres as the ledger': () => forget('DATABASE_URL'),
};
type Forgotten = keyof typeof forgotten;

let result: (server: Forgotten) => Awaited<ReturnType<typeof forget>>;

beforeAll(async () => {
  result = await sideBySide(forgotten);
}, 120_000);

test.each(Object.keys(forgotten) as Forgotten[])(
  'a worker whose connections to %s are silent for good goes on within a minute',
  (server) => {
    expect(result(server)).toEqual({ code: 0, requests: rooms.length });
  },
);
