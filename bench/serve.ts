/**
 * What the HTTP service costs.
 *
 * Beside a worker at 200 a second: ten pollers that ask for the status and for a batch once a second
 * each, a report that is downloaded again and again, and a list that is uploaded and put on the
 * queue. The same worker process is measured alone and beside all that, in turns; the time beside
 * it ends when the list is on the queue and a report was read whole. Then a list of a million rooms
 * in one request, with no worker, against `room-reaper enqueue` of the same list.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openEmbedded } from '../src/embedded/open-embedded.js';
import { openDatabase } from '../src/ledger/database.js';
import type { ServerReport } from '../test/support/counting-server.js';
import { withRedis } from '../test/support/redis.js';
import { epochNow } from '../test/support/stalls.js';
import { median, percentile, type Bench, type BenchContext, type Figure } from './bench.js';
import { createOwnDatabase, ownRedis } from './servers.js';
import { openApp, roomIds, type App } from './support/app.js';
import { ratePerSecond, worstWindow } from './support/arrivals.js';
import {
  downloadReport,
  lookOnce,
  onTheQueue,
  poll,
  untilEnqueued,
  upload,
  type Api,
} from './support/http.js';
import { watchArrivals } from './support/kernel-arrivals.js';
import { fillLedger } from './support/ledger-batches.js';
import {
  runProgram,
  startServeProcess,
  startWorkerProcess,
  type Measured,
} from './support/processes.js';

const quota = 200;
const pollers = 10;
const reportId = 'report';
const firstName = 'first';
const statusPath = '/v1/status';

/** Stores, an app and a folder of one run. */
interface Stage {
  program: string;
  app: App;
  env: Record<string, string>;
  cwd: string;
  /** On its way to the embedded database, which must be open in another process. */
  openLedger(): ReturnType<typeof openDatabase>;
}

interface Sizes {
  turns: number;
  /** How long the worker is alone, and at least how long others are beside it, in milliseconds. */
  phaseMs: number;
  /** Rooms of the report, and of each list. */
  report: number;
  list: number;
}

async function onStage<R>(
  { program, servers }: BenchContext,
  redisUrl: string | undefined,
  use: (stage: Stage) => Promise<R>,
): Promise<R> {
  const [app, database] = await Promise.all([openApp(50), createOwnDatabase(servers)]);
  const cwd = mkdtempSync(join(tmpdir(), 'room-reaper-bench-'));
  const dataDir = join(cwd, '.room-reaper');
  const isEmbedded = redisUrl === undefined;
  if (redisUrl !== undefined) await withRedis(redisUrl, (redis) => redis.flushall());
  try {
    return await use({
      ...{ program, app, cwd },
      env: {
        ...app.env,
        LOG_LEVEL: 'warn',
        QUEUE_URL: redisUrl ?? 'embedded',
        DATABASE_URL: isEmbedded ? 'embedded' : database.url,
        RATE_LIMIT_PER_SECOND: String(quota),
      },
      async openLedger() {
        const embedded = isEmbedded ? await openEmbedded(dataDir) : undefined;
        const opened = await openDatabase({
          connection: {
            ...(embedded?.connection ?? { connectionString: database.url }),
            query_timeout: 600_000,
          },
          shownAs: 'the benchmark ledger',
        });
        return {
          ...opened,
          async close() {
            await opened.close();
            await embedded?.close();
          },
        };
      },
    });
  } finally {
    await app.server.close();
    await database.drop();
    rmSync(cwd, { recursive: true, force: true });
  }
}

/** A server, as long as `use` takes. */
async function withServe<R>(
  { program, env, cwd }: Stage,
  use: (api: Api, serve: Measured) => Promise<R>,
): Promise<R> {
  const token = ['token', 'create', '--name', `bench-${Date.now()}`, '--role', 'operator'];
  const created = await runProgram(program, token, { env, cwd });
  const serve = startServeProcess(program, env, { cwd });
  try {
    const url = await serve.said(/serves (http\S+)/);
    return await use({ url, token: /rr_\S+/.exec(created)?.[0] ?? '' }, serve);
  } finally {
    await serve.stop();
  }
}

/** What was seen while others were beside the worker, or while it was alone: on the clock of {@link epochNow}. */
interface Phase {
  fromMs: number;
  toMs: number;
}

interface Beside extends Phase {
  /** How long answers took, in milliseconds, by path. */
  times: Map<string, number[]>;
  /** In seconds. */
  reports: number[];
  uploadSeconds: number;
  enqueueSeconds: number;
  /** Of the server: CPU as a share of one core, and most memory. */
  cpu: number;
  memoryMB: number;
}

async function lookAndUpload(
  api: Api,
  serve: Measured,
  { phaseMs, report, list }: Sizes,
  turn: number,
): Promise<Beside> {
  const over = new AbortController();
  const times = new Map<string, number[]>();
  const reports: number[] = [];
  async function downloadAgainAndAgain(): Promise<void> {
    while (!over.signal.aborted) {
      const { rooms, seconds } = await downloadReport(api, reportId, over.signal);
      if (rooms !== report) throw new Error(`the report must have ${report} rooms, got ${rooms}`);
      reports.push(seconds);
    }
  }
  async function pollFrom(start: number): Promise<void> {
    await sleep((start * 1_000) / pollers);
    await poll(api, [statusPath, `/v1/batches/${firstName}`], times, over.signal);
  }
  const cpuBefore = await serve.cpuMs();
  const fromMs = epochNow();
  const others = Promise.all([
    downloadAgainAndAgain().catch((error: unknown) => {
      if (!over.signal.aborted) throw error;
    }),
    ...Array.from({ length: pollers }, (_, start) => pollFrom(start)),
  ]);
  const sending = (async () => {
    const { batchId, seconds: uploadSeconds } = await upload(api, `list-${turn}`, list);
    const enqueueSeconds = await untilEnqueued(api, batchId);
    await sleep(Math.max(0, fromMs + phaseMs - epochNow()));
    while (reports.length === 0) await sleep(100);
    return { uploadSeconds, enqueueSeconds };
  })();
  const sent = await Promise.race([sending, others.then(() => sending)]);
  const toMs = epochNow();
  const cpu = ((await serve.cpuMs()) - cpuBefore) / (toMs - fromMs);
  over.abort();
  await others;
  return { fromMs, toMs, times, reports, ...sent, cpu, memoryMB: serve.peakMemoryMB() };
}

async function besideWorker(stage: Stage, sizes: Sizes, say: BenchContext['say']) {
  const { program, app, env, cwd } = stage;
  // Those of the lists come after them.
  const first = roomIds(100 * quota);
  const arrivals = await watchArrivals(app.server.url);
  const worker = startWorkerProcess(program, { ...env, LOG_LEVEL: 'info' }, { cwd });
  const alone: Phase[] = [];
  const beside: Beside[] = [];
  let left = 0;
  try {
    await worker.said(/worker started/);
    const ledger = await stage.openLedger();
    try {
      const { sdkAppId } = app;
      const secondsAgo = 600 + sizes.report / 100;
      await fillLedger(ledger, { sdkAppId, batchId: reportId, rooms: sizes.report, secondsAgo });
    } finally {
      await ledger.close();
    }
    const enqueue = ['enqueue', '-', '--yes', '--batch', firstName];
    await runProgram(program, enqueue, { env, cwd, stdin: first.join('\n') });
    await app.server.reached(2 * quota);
    for (let turn = 1; turn <= sizes.turns; turn++) {
      const fromMs = epochNow();
      await sleep(sizes.phaseMs);
      alone.push({ fromMs, toMs: epochNow() });
      await withServe(stage, async (api, serve) => {
        // Its start is none of what is measured, nor the first look.
        await sleep(2_000);
        await lookOnce(api, [statusPath, `/v1/batches/${firstName}`]);
        const seen = await lookAndUpload(api, serve, sizes, turn);
        beside.push(seen);
        say(`turn ${turn}: the list was on the queue after ${seen.enqueueSeconds.toFixed(1)} s`);
      });
    }
  } finally {
    await worker.stop();
  }
  const instants = await arrivals?.stop();
  await withServe(stage, async (api) => {
    left = await onTheQueue(api);
  });
  const report = await app.server.report();
  assertAllThere(report, left, first.length + sizes.turns * sizes.list);
  // One that was cut off on its way came all the same.
  if (instants !== undefined && instants.length < report.requests.length)
    throw new Error('the kernel must see every request');
  return { alone, beside, report, instants };
}

/** @throws Error unless each room was asked for once at most, and waits where it was not. */
function assertAllThere(report: ServerReport, left: number, asked: number): void {
  const sent = report.requests.length;
  const destroyed = Object.values(report.rooms).filter((room) => room.destroyed).length;
  if (destroyed !== sent) throw new Error(`${sent} rooms must be destroyed, got ${destroyed}`);
  if (sent + left !== asked)
    throw new Error(`${asked} rooms must be sent or wait, got ${sent} and ${left}`);
  if (report.problems.length > 0) throw new Error(report.problems.slice(0, 3).join(', '));
}

function usedIn({ requests, startedAtMs }: ServerReport, { fromMs, toMs }: Phase): number {
  const instants = requests.map(({ atMs }) => startedAtMs + atMs);
  return ratePerSecond(instants.filter((at) => at >= fromMs && at <= toMs)) / quota;
}

function figuresOf(
  where: string,
  { alone, beside, report, instants }: Awaited<ReturnType<typeof besideWorker>>,
  { list, report: rooms }: Sizes,
): Figure[] {
  const used = beside.map((phase) => usedIn(report, phase));
  const usedAlone = alone.map((phase) => usedIn(report, phase));
  const answers = (isStatus: boolean) =>
    beside.flatMap(({ times }) =>
      [...times].flatMap(([path, each]) => ((path === statusPath) === isStatus ? each : [])),
    );
  const seconds = (of: (seen: Beside) => number) => median(beside.map(of));
  return [
    { name: 'quota used, worker alone', value: median(usedAlone) },
    { name: 'quota used, others beside it', value: median(used), goal: { atLeast: 0.97 } },
    {
      name: 'quota used beside others, × alone',
      value: median(used.map((share, turn) => share / (usedAlone[turn] ?? Number.NaN))),
    },
    {
      name: `worst window, by the ${instants ? 'kernel' : 'server'}'s clock`,
      value: instants ? worstWindow(instants) : report.worstWindow,
      goal: { atMost: quota },
    },
    {
      name: 'GET /v1/status, p99 in ms',
      value: percentile(answers(true), 0.99),
      goal: { atMost: 100 },
    },
    { name: 'GET /v1/batches/{id}, p99 in ms', value: percentile(answers(false), 0.99) },
    {
      name: `report of ${rooms} rooms, s`,
      value: median(beside.flatMap(({ reports }) => reports)),
    },
    { name: `list of ${list} rooms, s to 202`, value: seconds((seen) => seen.uploadSeconds) },
    {
      name: `list of ${list} rooms, s from there until on the queue`,
      value: seconds((seen) => seen.enqueueSeconds),
    },
    { name: 'CPU of serve, share of a core', value: seconds((seen) => seen.cpu) },
    {
      name: 'memory of serve in MB',
      value: Math.max(...beside.map((seen) => seen.memoryMB)),
      goal: { atMost: 250 },
    },
  ].map(({ name, ...figure }) => ({ ...figure, name: `${where}: ${name}` }));
}

/** One list in one request, with nothing beside it, against `enqueue` of the same. */
async function oneLargeList(
  context: BenchContext,
  redisUrl: string,
  rooms: number,
): Promise<Figure[]> {
  const enqueueSeconds = await onStage(context, redisUrl, async ({ program, env, cwd }) => {
    const stdin = Array.from({ length: rooms }, (_, number) => `list-${number}\n`).join('');
    const beganAt = performance.now();
    await runProgram(program, ['enqueue', '-', '--yes'], { env, cwd, stdin });
    return (performance.now() - beganAt) / 1_000;
  });
  context.say(`enqueue took ${enqueueSeconds.toFixed(1)} s`);
  return onStage(context, redisUrl, (stage) =>
    withServe(stage, async (api, serve) => {
      const { batchId, seconds } = await upload(api, 'list', rooms);
      const onQueueSeconds = await untilEnqueued(api, batchId);
      const waiting = await onTheQueue(api);
      if (waiting !== rooms) throw new Error(`${rooms} rooms must wait, got ${waiting}`);
      const of = `${rooms} rooms in one request`;
      return [
        { name: `${of}, s to 202`, value: seconds },
        { name: `${of}, rooms/s put on the queue from there`, value: rooms / onQueueSeconds },
        {
          name: `${of}, speed from there × enqueue`,
          value: enqueueSeconds / onQueueSeconds,
          goal: { atLeast: 0.8 },
        },
        { name: `${of}, all of it × enqueue`, value: enqueueSeconds / (seconds + onQueueSeconds) },
        { name: `${of}, memory in MB`, value: serve.peakMemoryMB(), goal: { atMost: 250 } },
      ];
    }),
  );
}

export default {
  title: 'a worker beside the HTTP service, and a million rooms in one request',
  async run(context) {
    const { short, servers, say } = context;
    const sizes: Sizes = short
      ? { turns: 1, phaseMs: 2_000, report: 2_000, list: 2_000 }
      : { turns: 2, phaseMs: 10_000, report: 100_000, list: 100_000 };
    /** It is one thread for all: a list of 100,000 would take it minutes beside a worker. */
    const less: Sizes = { ...sizes, report: sizes.report / 5, list: sizes.list / 5 };
    const redis = await ownRedis(servers);
    try {
      const figures: Figure[] = [];
      for (const [where, url, size] of [
        ['Redis and Postgres', redis.url, sizes],
        ['embedded default', undefined, less],
      ] as const) {
        const seen = await onStage(context, url, (stage) => besideWorker(stage, size, say));
        figures.push(...figuresOf(where, seen, size));
      }
      return [...figures, ...(await oneLargeList(context, redis.url, short ? 5_000 : 1_000_000))];
    } finally {
      await redis.stop();
    }
  },
} satisfies Bench;
