/** The two that are compared: room-reaper and the bare loop, filled, run and checked the same way. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withRedis } from '../../test/support/redis.js';
import { assertEachOnce, openApp, roomIds, type App } from './app.js';
import { worstWindow } from './arrivals.js';
import { bareQueueName, countBareJobs, fillBareQueue } from './bare-queue.js';
import { watchArrivals } from './kernel-arrivals.js';
import { runProgram, startBareWorker, startWorkerProcess, type Measured } from './processes.js';

/** Where a race is run. */
export interface Place {
  /** The built program. */
  program: string;
  /** A Redis, emptied before each race; or `embedded`, for room-reaper alone. */
  queueUrl: string;
  /** Gives an empty database, or `embedded`. */
  openLedger(): Promise<{ url: string; drop: () => Promise<void> }>;
}

/**
 * The bare loop lets BullMQ's limiter count a second, as most do, which sends a second's requests
 * at once; spaced, it asks for them one by one.
 */
export type Contestant = 'room-reaper' | 'bare loop' | 'bare loop, spaced';

export interface RaceOptions {
  rooms: number;
  processes: number;
  latencyMs: number;
  /** Most rooms in hand in one process. */
  concurrency: number;
  /** Requests per second; undefined: lifted. */
  quota: number | undefined;
  /** Arrivals before the measuring of CPU begins, and after it ends. */
  warmUp: number;
  coolDown: number;
  /** Folder for CPU profiles of the worker processes (node --cpu-prof). */
  profile?: string | undefined;
}

export interface RaceResult {
  worstWindow: number;
  /** By whose clock that is; the kernel's where it could be asked, and there is a quota. */
  worstBy: 'kernel' | 'server';
  /** In the order of their arrival, in milliseconds on the server's clock. */
  instants: number[];
  /** CPU of all processes between warm-up and cool-down, per room, in milliseconds. */
  cpuMsPerRoom: number;
  /** From the start of the first process to the last arrival, in seconds. */
  seconds: number;
  /** Slots granted and given up; 0 for the bare loop. */
  granted: number;
  givenUp: number;
}

/** Puts the rooms on an empty queue, starts the processes, waits for the end, checks the work. */
export async function race(
  place: Place,
  contestant: Contestant,
  options: RaceOptions,
): Promise<RaceResult> {
  if (place.queueUrl !== 'embedded') await withRedis(place.queueUrl, (redis) => redis.flushall());
  const app = await openApp(options.latencyMs);
  try {
    return contestant === 'room-reaper'
      ? await raceRoomReaper(place, app, options)
      : await raceBareLoop(place, app, options, contestant === 'bare loop, spaced');
  } finally {
    await app.server.close();
  }
}

/** A quota that nothing reaches: the highest that RATE_LIMIT_PER_SECOND may be. */
const lifted = '100000';

async function raceRoomReaper(place: Place, app: App, options: RaceOptions): Promise<RaceResult> {
  const ledger = await place.openLedger();
  const env = {
    ...app.env,
    QUEUE_URL: place.queueUrl,
    DATABASE_URL: ledger.url,
    WORKER_CONCURRENCY: String(options.concurrency),
    ...(options.quota === undefined
      ? { RATE_LIMIT_PER_SECOND: lifted, ARRIVAL_JITTER_MS: '0' }
      : { RATE_LIMIT_PER_SECOND: String(options.quota) }),
  };
  // The embedded database lives in it.
  const cwd = mkdtempSync(join(tmpdir(), 'room-reaper-bench-'));
  try {
    const stdin = roomIds(options.rooms).join('\n');
    await runProgram(place.program, ['enqueue', '-', '--yes'], { env, stdin, cwd });
    const { logs, ...result } = await run(app, options, () =>
      startWorkerProcess(place.program, env, { cwd, profile: options.profile }),
    );
    // The totals of its one batch, as the ledger has them.
    const status = await runProgram(place.program, ['status', '--json'], { env, cwd });
    const { batches } = JSON.parse(status) as {
      batches: { outcomes: { destroyed: number } }[];
    };
    const saved = batches[0]?.outcomes.destroyed ?? 0;
    if (saved !== options.rooms)
      throw new Error(`the ledger must have ${options.rooms} rooms as destroyed, got ${saved}`);
    return { ...result, ...slots(logs) };
  } finally {
    await ledger.drop();
    rmSync(cwd, { recursive: true, force: true });
  }
}

async function raceBareLoop(
  place: Place,
  app: App,
  options: RaceOptions,
  spaced: boolean,
): Promise<RaceResult> {
  const { quota } = options;
  const limit = spaced
    ? { max: 1, duration: 1_000 / (quota ?? 0) }
    : { max: quota ?? 0, duration: 1_000 };
  await fillBareQueue(place.queueUrl, roomIds(options.rooms));
  const result = await run(app, options, () =>
    startBareWorker(
      {
        redisUrl: place.queueUrl,
        queueName: bareQueueName,
        endpoint: app.server.url,
        sdkAppId: app.sdkAppId,
        secretKey: app.secretKey,
        concurrency: options.concurrency,
        ...(quota === undefined ? {} : { limit }),
      },
      { profile: options.profile },
    ),
  );
  const left = await countBareJobs(place.queueUrl);
  if (left !== 0) throw new Error(`the bare queue must be empty, got ${left} jobs`);
  return { ...result, granted: 0, givenUp: 0 };
}

async function run(
  app: App,
  options: RaceOptions,
  start: () => Measured,
): Promise<Omit<RaceResult, 'granted' | 'givenUp'> & { logs: string[] }> {
  const arrivals = options.quota === undefined ? undefined : await watchArrivals(app.server.url);
  const startedAt = performance.now();
  const processes = Array.from({ length: options.processes }, start);
  const logs: string[] = [];
  let cpuMs = 0;
  let seconds = 0;
  const usedSoFar = async () => {
    const used = await Promise.all(processes.map((each) => each.cpuMs()));
    return used.reduce((sum, each) => sum + each, 0);
  };
  try {
    await Promise.all(processes.map((each) => each.said(/worker started/)));
    await app.server.reached(options.warmUp);
    const before = await usedSoFar();
    await app.server.reached(options.rooms - options.coolDown);
    cpuMs = (await usedSoFar()) - before;
    await app.server.reached(options.rooms);
    seconds = (performance.now() - startedAt) / 1_000;
  } finally {
    // A worker that is told to stop finishes what it has sent.
    logs.push(...(await Promise.all(processes.map((each) => each.stop()))));
  }
  const report = await app.server.report();
  assertEachOnce(report, options.rooms);
  const seen = await arrivals?.stop();
  return {
    worstWindow: seen ? worstWindow(seen) : report.worstWindow,
    worstBy: seen ? 'kernel' : 'server',
    instants: report.requests.map(({ atMs }) => atMs),
    cpuMsPerRoom: cpuMs / (options.rooms - options.coolDown - options.warmUp),
    seconds,
    logs,
  };
}

/** From the last log line of each worker. */
function slots(logs: readonly string[]): { granted: number; givenUp: number } {
  const sum = { granted: 0, givenUp: 0 };
  for (const log of logs) {
    for (const line of log.split('\n')) {
      if (!line.includes('worker stopped')) continue;
      const { granted = 0, givenUp = 0 } = JSON.parse(line) as {
        granted?: number;
        givenUp?: number;
      };
      sum.granted += granted;
      sum.givenUp += givenUp;
    }
  }
  return sum;
}
