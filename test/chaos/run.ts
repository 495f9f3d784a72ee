/** One run: servers, workers, a producer, an agent of trouble; then what there is to read. */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CountingServer, startCountingServer } from '../support/counting-server.js';
import { type Proxy, startProxy } from '../support/proxy.js';
import { startPostgresServer, startRedisServer } from '../support/servers.js';
import { epochNow } from '../support/stalls.js';
import { carryOut, noFaults, usualFaults } from './agent.js';
import { startFleet } from './fleet.js';
import type { History } from './history.js';
import { askForNewRooms, newProducerRun, produce, replayRest } from './producer.js';
import { countPending, dumpLedger, dumpRedis, readLedger, readQueue } from './read-stores.js';
import { startOutside } from './outside.js';
import { makeWaves, prefixes } from './rooms.js';
import { makeSchedule } from './schedule.js';

export interface RunOptions {
  seed: number;
  rooms: number;
  /** How long things go wrong, in milliseconds. */
  faultsMs: number;
  workers: number;
  /** How long the queue may take to empty afterwards, in milliseconds. */
  drainMs: number;
  /** Told what happens, for whoever watches. */
  say: (line: string) => void;
}

const requestTimeoutMs = 2_000;
const latencyMs = 30;

/** Jobs of a dead worker are taken up within 25 s: it is looked at every so often, in milliseconds. */
const lookEveryMs = 250;

export async function runChaos(options: RunOptions): Promise<History> {
  const { seed, say } = options;
  const sdkAppId = 1_400_000_000 + (seed % 100_000_000);
  const secretKey = randomBytes(32).toString('hex');
  const cleanups: (() => Promise<unknown>)[] = [];
  const own = <T>(thing: T, end: (thing: T) => Promise<unknown>): T => {
    cleanups.unshift(() => end(thing));
    return thing;
  };
  try {
    const stop = (server: { stop: () => Promise<void> }) => server.stop();
    const close = (thing: CountingServer | Proxy) => thing.close();
    const redis = own(await startRedisServer(), stop);
    const postgres = own(await startPostgresServer(), stop);
    const api = own(
      await startCountingServer({
        sdkAppId,
        secretKey,
        adminIdentifier: 'administrator',
        latencyMs,
        permanent: [
          { prefix: prefixes.ghost, answer: { kind: 'unknown' } },
          { prefix: prefixes.refused, answer: { kind: 'code', code: 100006 } },
        ],
      }),
      close,
    );
    const proxies = {
      redis: own(await startProxy(portOf(redis.url)), close),
      postgres: own(await startProxy(portOf(postgres.url)), close),
      api: own(await startProxy(portOf(api.url)), close),
    };
    const env = {
      TENCENT_SDK_APP_ID: String(sdkAppId),
      TENCENT_ENDPOINT: `http://127.0.0.1:${proxies.api.port}`,
      QUEUE_URL: through(redis.url, proxies.redis),
      DATABASE_URL: through(postgres.url, proxies.postgres),
    };
    const fleet = startFleet(options.workers, {
      ...env,
      TENCENT_SECRET_KEY: secretKey,
      REQUEST_TIMEOUT_MS: String(requestTimeoutMs),
      LOG_LEVEL: 'debug',
    });
    cleanups.unshift(() => fleet.close());
    await fleet.working();

    say(`seed ${seed}: ${options.workers} workers work, ${options.rooms} rooms to come`);
    const stage = { fleet, api, redis, postgres, proxies };
    await usualFaults(stage, seed);
    const fromMs = epochNow();
    const produced = newProducerRun();
    const waves = makeWaves(seed, options.rooms, options.faultsMs);
    const producing = produce({ waves, sdkAppId, env }, produced);
    const newRooms = own(askForNewRooms({ sdkAppId, env }, produced), (asker) => asker.close());
    const outside = own(
      await startOutside({
        ...{ seed, sdkAppId, api, databaseUrl: postgres.url, accepted: produced.accepted },
        onWanted: (roomId) => newRooms.ask(roomId),
      }),
      (started) => started.close(),
    );
    // Awaited after the faults: a failure before that must not go unhandled.
    producing.catch(() => undefined);
    const done = await carryOut(makeSchedule(seed, options.faultsMs, options.workers), stage, seed);
    const untilMs = epochNow();
    await noFaults(stage);
    outside.calm();
    say(`faults are over after ${Math.round((untilMs - fromMs) / 1000)} s; waiting for the queue`);

    // One that is never answered is a finding, not a reason to wait for ever.
    await Promise.race([producing, sleep(options.drainMs, undefined, { ref: false })]);
    await fleet.working();
    await untilEmpty(redis.url, sdkAppId, options.drainMs);
    await replayRest('what was left', env, produced);
    const emptyAtMs = await untilEmpty(redis.url, sdkAppId, options.drainMs);
    await fleet.close();
    await outside.finish();
    const server = await api.report();
    const [queue, ledger] = [await readQueue(redis.url, sdkAppId), await readLedger(postgres.url)];
    return {
      seed,
      faults: { fromMs, untilMs },
      emptyAtMs,
      done,
      accepted: produced.accepted,
      unanswered: produced.unanswered,
      batchesAccepted: produced.batchesAccepted,
      server,
      ...{ ends: outside.ends, told: outside.told, created: outside.created },
      apiProxy: await proxies.api.report(),
      ...ledger,
      queue,
      processes: fleet.processes,
      texts: [
        ...fleet.processes.map(({ output }, index) => ({ name: `worker ${index}`, text: output })),
        ...produced.outputs.map((text) => ({ name: 'enqueue', text })),
        { name: 'the queue', text: await dumpRedis(redis.url) },
        { name: 'the ledger', text: await dumpLedger(postgres.url) },
      ],
      secrets: [secretKey, ...server.signatures],
      requestTimeoutMs,
    };
  } finally {
    for (const cleanup of cleanups) await cleanup();
  }
}

function portOf(url: string): number {
  return Number(new URL(url).port);
}

function through(url: string, proxy: Proxy): string {
  const changed = new URL(url);
  changed.port = String(proxy.port);
  return changed.href;
}

/** @returns when it was empty, or undefined where it was not within that time. */
async function untilEmpty(
  redisUrl: string,
  sdkAppId: number,
  limitMs: number,
): Promise<number | undefined> {
  const giveUpAt = epochNow() + limitMs;
  while (epochNow() < giveUpAt) {
    if ((await countPending(redisUrl, sdkAppId)) === 0) return epochNow();
    await sleep(lookEveryMs);
  }
  return undefined;
}
