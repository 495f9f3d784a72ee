/** Postgres is killed, hangs, is locked, is out of connections, drops them: under workers with rooms in hand. */
import pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import { afterThisTest } from '../e2e/room-reaper.js';
import { assertQuotaKept } from '../support/quota-kept.js';
import {
  freshRedis,
  startPostgresServer,
  withPostgres,
  type OwnServer,
} from '../support/servers.js';
import { startHangingProxy, type HangingProxy } from './hanging-proxy.js';
import { long, Scene, sideBySide, until } from './scene.js';

/** Beside each other, five lines would want more than two cores have: each is a fifth as fast. */
const ratePerSecond = 40;

const latencyMs = 300;

interface Trouble {
  findings: Awaited<ReturnType<Scene['findings']>>;
  said: string[];
  /** Requests that arrived although no slot could be reserved: later than what was granted before. */
  sentMeanwhile: number;
}

type Meanwhile = <T>(away: () => Promise<T>) => Promise<T>;

/**
 * Two workers on 120 rooms; when 40 requests have arrived, `trouble` begins and ends. What
 * it runs within `meanwhile` is the time in which no slot can be reserved.
 */
async function under(
  trouble: (
    postgres: OwnServer,
    scene: Scene,
    meanwhile: Meanwhile,
    proxy: HangingProxy,
  ) => Promise<void>,
  settings: Record<string, string> = {},
): Promise<Trouble> {
  const postgres = await startPostgresServer({ settings });
  const redis = await freshRedis();
  const workersUrl = new URL(postgres.url);
  const proxy = await startHangingProxy(Number(workersUrl.port));
  workersUrl.hostname = '127.0.0.1';
  workersUrl.port = String(proxy.port);
  afterThisTest(async () => {
    await proxy.close();
    await postgres.stop();
    await redis.drop();
  });
  const scene = await Scene.open({
    queueUrl: redis.url,
    databaseUrl: workersUrl.href,
    rooms: 120,
    latencyMs,
    ratePerSecond,
  });
  const count = async () => (await scene.server.report()).requests.length;
  let sentMeanwhile = 0;
  await scene.server.reached(40);
  await trouble(
    postgres,
    scene,
    async (away) => {
      // Slots granted before are used: they lie less than a second ahead.
      await seconds(1.2);
      const before = await count();
      const result = await away();
      sentMeanwhile += (await count()) - before;
      return result;
    },
    proxy,
  );
  await scene.roomsEnded();
  await scene.queueEmpty();
  const said = await scene.stopWorkers();
  return { findings: await scene.findings(), said, sentMeanwhile };
}

/** How long the trouble lasts, where it is its length that matters. */
const seconds = (count: number) => new Promise((resolve) => setTimeout(resolve, count * 1_000));

const terminateAll = `
  select pg_terminate_backend(pid) from pg_stat_activity
   where pid <> pg_backend_pid() and application_name = 'room-reaper'`;

const connectionsAllowed = 25;

const troubles = {
  'killed and restarted': () =>
    under(async (postgres, scene, meanwhile) => {
      await postgres.kill('SIGKILL');
      await Promise.all(scene.workers.map((worker) => worker.said(/ledger unreachable/)));
      await meanwhile(() => seconds(2));
      await postgres.restart();
    }),

  'with a locked table': () =>
    under(async (postgres, _scene, meanwhile) => {
      await withPostgres(postgres.url, async (client) => {
        await client.query('begin');
        await client.query('lock table room_reaper.attempts in access exclusive mode');
        await meanwhile(() => seconds(4));
        await client.query('rollback');
      });
    }),

  'that hangs': () =>
    under(async (_postgres, _scene, meanwhile, proxy) => {
      proxy.hang();
      // Long: beyond the time after which a statement is run anew on another connection.
      await meanwhile(() => seconds(long ? 45 : 6));
      proxy.resume();
    }),

  'out of connections': () =>
    under(
      async (postgres, scene, meanwhile) => {
        const greedy: pg.Client[] = [];
        const take = async () => {
          const client = new pg.Client({ connectionString: postgres.url });
          client.on('error', () => undefined);
          await client.connect();
          greedy.push(client);
        };
        await take();
        const [first] = greedy;
        // As the workers lose theirs, others take them. Superusers have three more.
        const filled = async () => {
          await first?.query(terminateAll);
          for (;;) {
            const refused = await take().then(
              () => false,
              () => true,
            );
            if (refused) return;
          }
        };
        // A connection that is ended is out of sight before its place is free, so that a refusal
        // alone does not say that all places are taken.
        await until('the workers get no connection', 20_000, async () => {
          await filled();
          return greedy.length === connectionsAllowed ? undefined : `${greedy.length} taken`;
        });
        await Promise.all(scene.workers.map((worker) => worker.said(/ledger unreachable/)));
        await meanwhile(() => seconds(3));
        await Promise.all(greedy.map((client) => client.end()));
      },
      { max_connections: String(connectionsAllowed) },
    ),

  'cutting every connection, again and again': () =>
    under(async (postgres, scene) => {
      const before = (await scene.server.report()).requests.length;
      await withPostgres(postgres.url, async (client) => {
        for (let cuts = 0; cuts < 60; cuts++) {
          await client.query(terminateAll);
          await seconds(0.05);
        }
      });
      await until('the workers go on after the cuts', 20_000, async () => {
        const now = (await scene.server.report()).requests.length;
        return now > before ? undefined : `${now} requests`;
      });
    }),
} as const;

type Name = keyof typeof troubles;
let result: (name: Name) => Trouble;

beforeAll(async () => {
  result = await sideBySide<Name, Trouble>(troubles);
}, 180_000);

describe.each(Object.keys(troubles) as Name[])('a Postgres %s', (name) => {
  test('loses nothing that was answered: every room is destroyed once, with its statistics', () => {
    const { findings } = result(name);
    expect(findings.wrong).toEqual([]);
    expect(findings.outcomes).toEqual({ destroyed: 120 });
    const again = Object.values(findings.report.rooms).filter(({ requests }) => requests !== 1);
    expect(again).toEqual([]);
  });

  test('burns no attempt', () => {
    expect(result(name).findings.rows.filter((row) => row.attempts !== 1)).toEqual([]);
  });

  test('has nothing sent while no slot can be reserved', () => {
    expect(result(name).sentMeanwhile).toBe(0);
  });

  test('makes no burst when it is back', () => {
    const { report, slots } = result(name).findings;
    assertQuotaKept(report, ratePerSecond, slots);
  });

  test('kills no worker, and is logged in a few lines', () => {
    for (const text of result(name).said) {
      expect(text).toContain('worker stopped');
      expect(text).not.toContain('unexpected error');
      const troubled = text.split('\n').filter((line) => /"level":[456]0/.test(line));
      expect(troubled.length).toBeLessThan(20);
    }
  });
});
