/** Redis is killed, hangs, is full, is read-only, drops its connections: under workers with rooms in hand. */
import { beforeAll, describe, expect, test } from 'vitest';
import { openProducer } from '../../src/producer/index.js';
import { afterThisTest } from '../e2e/room-reaper.js';
import { assertQuotaKept } from '../support/quota-kept.js';
import {
  createDatabase,
  freshSdkAppId,
  startRedisServer,
  withRedis,
  type OwnServer,
} from '../support/servers.js';
import { Scene, sideBySide, until } from './scene.js';

/** Beside each other, five lines would want more than two cores have: each is a fifth as fast. */
const ratePerSecond = 40;

interface Trouble {
  /** The log and the ledger, when all is over. */
  findings: Awaited<ReturnType<Scene['findings']>>;
  said: string[];
  /** Jobs that were still open after the trouble, and the failed runs that BullMQ counted for them. */
  open: { jobs: number; runs: number };
}

/**
 * Two workers on 320 rooms; when 60 requests have arrived, `trouble` begins and ends.
 * At that moment rooms wait, requests are in flight and jobs are about to complete.
 */
async function under(trouble: (redis: OwnServer, scene: Scene) => Promise<void>): Promise<Trouble> {
  const redis = await startRedisServer();
  const database = await createDatabase();
  afterThisTest(async () => {
    await redis.stop();
    await database.drop();
  });
  const scene = await Scene.open({
    queueUrl: redis.url,
    databaseUrl: database.url,
    rooms: 320,
    latencyMs: 100,
    ratePerSecond,
  });
  await scene.server.reached(60);
  await trouble(redis, scene);
  const open = await burnt(redis.url, scene);
  await scene.roomsEnded();
  await scene.queueEmpty();
  const said = await scene.stopWorkers();
  return { findings: await scene.findings(), said, open };
}

/**
 * Looks into the jobs for the runs that BullMQ counted (`atm` is its attemptsMade). Where a
 * completion was refused BullMQ may count one: of a destruction that has ended it burns nothing.
 */
async function burnt(url: string, scene: Scene): Promise<{ jobs: number; runs: number }> {
  const ended = new Set(
    (await scene.destructions()).filter((row) => row.outcome !== null).map((row) => row.id),
  );
  return withRedis(url, async (redis) => {
    const found = { jobs: 0, runs: 0 };
    for (const key of await redis.keys('bull:*')) {
      const id = key.split(':').at(-1) ?? '';
      if (!/^[0-9a-f-]{36}$/.test(id) || ended.has(id)) continue;
      found.jobs += 1;
      found.runs += Number((await redis.hget(key, 'atm')) ?? 0);
    }
    return found;
  });
}

/** How long the trouble lasts, where it is its length that matters. */
const seconds = (count: number) => new Promise((resolve) => setTimeout(resolve, count * 1_000));

/** Waits until a worker logged that Redis refuses or is away: the trouble has been met. */
const met = (scene: Scene, pattern: RegExp) =>
  Promise.race(scene.workers.map((worker) => worker.said(pattern)));

const troubles = {
  'killed and restarted': async (redis: OwnServer, scene: Scene) => {
    await redis.kill('SIGKILL');
    await met(scene, /ECONNREFUSED/);
    await redis.restart();
  },
  'not answering for six seconds': async (redis: OwnServer) => {
    await redis.kill('SIGSTOP');
    await seconds(6);
    await redis.kill('SIGCONT');
  },
  full: async (redis: OwnServer, scene: Scene) => {
    await withRedis(redis.url, (client) => client.config('SET', 'maxmemory', '1'));
    await met(scene, /OOM/);
    await seconds(2);
    await withRedis(redis.url, (client) => client.config('SET', 'maxmemory', '0'));
  },
  'read-only': async (redis: OwnServer, scene: Scene) => {
    // A replica of a server that nobody runs: what a failover leaves behind for a while.
    await withRedis(redis.url, (client) => client.replicaof('127.0.0.1', 1));
    await met(scene, /READONLY/);
    await seconds(2);
    await withRedis(redis.url, (client) => client.replicaof('NO', 'ONE'));
  },
  'cutting every connection, again and again': async (redis: OwnServer) => {
    for (let cuts = 0; cuts < 10; cuts++) {
      await withRedis(redis.url, (client) =>
        client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'),
      );
      await seconds(0.15);
    }
  },
} as const;

type Name = keyof typeof troubles;
let result: (name: Name) => Trouble;

interface Asked {
  /** What the call gave: a status, or the error's message. */
  said: string;
  code: string | undefined;
  seconds: number;
}

/** A producer's calls while its Redis is in each kind of trouble, and after it. */
async function producerUnderTrouble() {
  const redis = await startRedisServer();
  afterThisTest(() => redis.stop());
  const options = { queueUrl: redis.url, sdkAppId: freshSdkAppId() };
  const producer = await openProducer(options);
  let room = 0;

  async function ask(call: () => Promise<string>): Promise<Asked> {
    const askedAt = performance.now();
    const answer = await call().then(
      (said) => ({ said, code: undefined }),
      (error: unknown) => error as { message: string; code: string },
    );
    return {
      said: 'said' in answer ? answer.said : answer.message,
      code: answer.code,
      seconds: (performance.now() - askedAt) / 1000,
    };
  }
  const destroy = () => ask(async () => (await producer.destroy(`room ${(room += 1)}`)).status);
  const destroyPending = () => ask(async () => (await producer.destroy('room 0')).status);
  const open = () => ask(async () => (await openProducer(options)).close().then(() => 'opened'));
  const recovered = () =>
    until('the producer works again', 10_000, async () => {
      const { code, said } = await destroy();
      return code === undefined ? undefined : said;
    });

  try {
    await producer.destroy('room 0');
    await redis.kill('SIGSTOP');
    const hanging = await Promise.all([destroy(), destroyPending(), open()]);
    await redis.kill('SIGCONT');
    await recovered();

    await redis.kill('SIGKILL');
    const away = [await destroy(), await destroyPending(), await open()];
    await redis.restart();
    await recovered();

    await withRedis(redis.url, (client) => client.config('SET', 'maxmemory', '1'));
    const full = [await destroy()];
    await withRedis(redis.url, (client) => client.config('SET', 'maxmemory', '0'));
    await recovered();

    await withRedis(redis.url, (client) => client.replicaof('127.0.0.1', 1));
    const readOnly = [await destroy()];
    await withRedis(redis.url, (client) => client.replicaof('NO', 'ONE'));
    await recovered();
    return { hanging, away, full, readOnly };
  } finally {
    await producer.close();
  }
}

let producer: () => Awaited<ReturnType<typeof producerUnderTrouble>>;

beforeAll(async () => {
  const results = await sideBySide<string, unknown>({
    ...Object.fromEntries(
      Object.entries(troubles).map(([name, trouble]) => [name, () => under(trouble)]),
    ),
    producer: producerUnderTrouble,
  });
  result = (name) => results(name) as Trouble;
  producer = () => results('producer') as ReturnType<typeof producer>;
}, 180_000);

describe('a producer fails with what to do, and works again when Redis does', () => {
  test('at once, where Redis is away', () => {
    for (const { code, said, seconds } of producer().away) {
      expect(code, said).toBe('UNAVAILABLE');
      expect(said).toMatch(/(cannot be reached|ECONNREFUSED); start it/);
      expect(seconds).toBeLessThan(5);
    }
  });

  test('within seconds, where Redis hangs without hanging up', () => {
    for (const { code, said, seconds } of producer().hanging) {
      expect(code, said).toBe('UNAVAILABLE');
      expect(said).toMatch(/does not answer; /);
      expect(seconds).toBeLessThan(20);
    }
  });

  test('where Redis is full', () => {
    expect(producer().full).toMatchObject([
      { code: 'NO_SPACE', said: expect.stringMatching(/full \(OOM\); raise its/) as string },
    ]);
  });

  test('where Redis is read-only', () => {
    expect(producer().readOnly).toMatchObject([
      { code: 'UNAVAILABLE', said: expect.stringMatching(/read-only: a replica/) as string },
    ]);
  });
});

describe.each(Object.keys(troubles) as Name[])('a Redis %s', (name) => {
  test('loses no job: every room is destroyed once and recorded with its statistics', () => {
    const { findings } = result(name);
    expect(findings.wrong).toEqual([]);
    expect(findings.outcomes).toEqual({ destroyed: 320 });
  });

  test('makes no worker ask for a room twice, also where a completion was refused', () => {
    const again = Object.values(result(name).findings.report.rooms).filter(
      ({ requests }) => requests !== 1,
    );
    expect(again).toEqual([]);
  });

  test('burns no attempt: neither BullMQ’s nor the ledger’s', () => {
    const { findings, open } = result(name);
    expect(open.jobs).toBeGreaterThan(50);
    expect(open.runs).toBe(0);
    expect(findings.rows.filter((row) => row.attempts !== 1)).toEqual([]);
  });

  test('kills no worker, and is logged in a few lines', () => {
    // Which each worker wrote until it was told to stop, and exited 0.
    for (const text of result(name).said) {
      expect(text).toContain('worker stopped');
      const troubled = text.split('\n').filter((line) => /"level":[456]0/.test(line));
      expect(troubled.length).toBeLessThan(40);
    }
  });

  test('makes no burst when it is back', () => {
    const { report, slots } = result(name).findings;
    assertQuotaKept(report, ratePerSecond, slots);
  });
});
