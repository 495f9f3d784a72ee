/**
 * A worker: takes destructions from the queue and ends them.
 *
 * Locks: a job in hand is locked for 15 s and its lock renewed at half of that; every 10 s
 * some worker looks for jobs without a lock. So the jobs of a dead worker run again after
 * 25 s at most, any number of times: what was sent is known to the ledger, so running
 * again is harmless. A shorter lock would be lost by a machine that pauses for seconds.
 *
 * Shutdown: no more jobs; those that wait for a slot go back to the queue; requests in
 * flight are answered and recorded within a deadline. What is still unanswered then is
 * given up: its attempt is recorded as one that may have acted.
 */
import { UnrecoverableError } from 'bullmq';
import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import type { Config } from '../config.js';
import { ReaperError } from '../errors.js';
import { finishBatches } from '../ledger/batches.js';
import { sentAmong } from '../ledger/cancel.js';
import type { Database } from '../ledger/database.js';
import {
  brakeLine,
  lineId,
  probeNow,
  readLines,
  resumeLine,
  type LineKey,
} from '../ledger/line.js';
import type { OutcomeCounts } from '../destruction.js';
import type { StoppedLine } from '../ledger/reserve.js';
import { createLimiter } from '../limiter/limiter.js';
import { slotInterval, slotsInWindow } from '../limiter/pace.js';
import { isPassing, patiently, startPatienceMs } from '../passing.js';
import { protectedRooms, readProtectedFile, type ProtectedRooms } from '../protected-rooms.js';
import { openQueue, type OpenQueue } from '../queue/open.js';
import type { Stores } from '../stores.js';
import { createApiClient } from '../tencent/client.js';
import type { Credentials } from '../tencent/credentials.js';
import { destroyRoomCommand } from '../tencent/endpoint.js';
import { createSigner } from '../tencent/user-sig.js';
import { createCameBack } from './came-back.js';
import type { WorkerContext } from './context.js';
import { createLedgerWriter } from './ledger-writer.js';
import { createLineGuard } from './line-guard.js';
import { createOutageWatch } from './outage-watch.js';
import { processJob, toRetryLane } from './process-job.js';
import { createRejections, manyRejected } from './rejections.js';
import { databaseReporter, errorReporter, slownessReporter } from './reporters.js';
import { RetryLater } from './signals.js';

const lockDurationMs = 15_000;
const stalledIntervalMs = 10_000;

/** Jobs in hand at the start, until the limiter knows how many are right. */
const firstConcurrency = 20;

/** How often finished batches are noted, in milliseconds. */
const noteBatchesEveryMs = 2_000;

/** How often a busy worker logs what it did, in milliseconds. */
const logEveryMs = 10_000;

/** How long requests in flight may take after a shutdown was asked for, in milliseconds. */
const shutdownDeadlineMs = 10_000;

export interface StartWorkerOptions {
  stores: Stores;
  log: Logger;
  /** Told when the line is stopped for a reason that a person must mend. */
  onLineStopped?: (line: StoppedLine) => void;
  /** Told when an outage of the API begins, and when it is over (undefined). */
  onOutage?: (outage: StoppedLine | undefined) => void;
  /** Told why attempts fail. */
  onTrouble?: (reason: string) => void;
  /** A person asks for this work: also where the line was stopped for its many rejections. */
  startedByPerson?: boolean;
}

export interface RunningWorker {
  /** Finishes what is in flight within ten seconds, gives the rest back, closes the connections. */
  close(): Promise<void>;
}

/**
 * Starts a worker.
 *
 * @throws ReaperError `UNAVAILABLE` where the queue or the ledger cannot be reached.
 */
export async function startWorker(
  config: Config,
  options: StartWorkerOptions,
): Promise<RunningWorker> {
  const { log, stores } = options;
  const { credentials } = config;
  if (credentials === undefined) {
    throw new ReaperError(
      'INVALID',
      'TENCENT_SECRET_KEY must be set to the key of your app; a worker signs requests',
    );
  }
  const guarded = protectedRooms(
    config.protectedRoomsFile === undefined
      ? []
      : readProtectedFile(config.protectedRoomsFile, 'PROTECTED_ROOMS_FILE'),
  );
  const connectionError = errorReporter(log, 'trouble with a server; going on by itself');
  const database = await stores.openLedger(connectionError);
  let opened: OpenQueue | undefined;
  try {
    opened = await openQueue({
      sdkAppId: config.sdkAppId,
      connection: stores.queue,
      onError: connectionError,
    });
    return await run(config, credentials, guarded, database, opened, options);
  } catch (error) {
    await opened?.close();
    await database.close();
    throw error;
  }
}

async function run(
  config: Config,
  credentials: Credentials,
  guarded: ProtectedRooms,
  database: Database,
  opened: OpenQueue,
  options: StartWorkerOptions,
): Promise<RunningWorker> {
  const { log } = options;
  const workerId = randomUUID();
  const intervalMs = slotInterval(config.rateLimitPerSecond, config.arrivalJitterMs);
  const lineKey: LineKey = {
    host: new URL(config.endpoint).host,
    sdkAppId: config.sdkAppId,
    command: destroyRoomCommand,
  };
  const id = lineId(lineKey);
  const onDatabase = databaseReporter(log);

  const outage = createOutageWatch({
    database,
    lineId: id,
    log,
    onAlone: (reason) => guard.holdBack(reason),
    onOutage: (found) => tell(options.onOutage, found),
  });
  const limiter = await createLimiter({
    database,
    line: lineKey,
    intervalMs,
    jitterMs: config.arrivalJitterMs,
    windowSlots: slotsInWindow(config.rateLimitPerSecond),
    workerId,
    maximumJobs: config.workerConcurrency,
    allowedJobs: () => bullWorker.concurrency,
    onJobsToHold: (jobs) => {
      if (guard.phase === 'running') bullWorker.concurrency = jobs;
    },
    onDatabase,
    onSlowLedger: slownessReporter(log),
    onOutage: (found) => outage.found(found),
    answeredAtMs: () => outage.answeredAtMs,
  });
  const writer = createLedgerWriter({
    database,
    sdkAppId: config.sdkAppId,
    workerId,
    onDatabase,
  });
  const signer = createSigner(credentials);
  const client = createApiClient({
    credentials,
    endpoint: config.endpoint,
    signer,
    requestTimeoutMs: config.requestTimeoutMs,
  });
  const rejections = createRejections();
  const guard = createLineGuard({
    database,
    lineId: id,
    sdkAppId: config.sdkAppId,
    intervalMs,
    log,
    now: () => limiter.now(),
    pause: () => void bullWorker.pause(true),
    resume: (probing) => {
      if (!probing) rejections.reset();
      bullWorker.concurrency = probing ? 1 : Math.min(firstConcurrency, config.workerConcurrency);
      void bullWorker.resume();
    },
    onStopped: (line) => {
      if (line.reason === manyRejected) rejections.trip();
      tell(options.onLineStopped, line);
    },
  });

  /** What a listener of the service throws is its own trouble, and must not stop the worker. */
  function tell<T>(listener: ((news: T) => unknown) | undefined, news: T): void {
    // It may be an async one.
    Promise.resolve(news)
      .then(listener)
      .catch((error: unknown) => {
        log.error({ err: error }, 'a listener of the worker failed');
      });
  }

  async function brake(reason: string): Promise<void> {
    try {
      const rate = await brakeLine(database, id, intervalMs, reason);
      if (rate !== undefined) log.warn({ reason, ratePerSecond: rate }, 'line braked');
    } catch (error) {
      if (!isPassing(error)) throw error;
      onDatabase(error as Error);
    }
  }

  const cameBack = createCameBack({ database, queue: opened.queue, now: () => limiter.now() });
  let ended: Partial<OutcomeCounts> = {};
  const context: WorkerContext = {
    limiter,
    writer,
    client,
    signer,
    guard,
    outage,
    rejections,
    cameBack,
    protectedRooms: guarded,
    sentBefore: async (id) => (await sentAmong(database, [id])).has(id),
    log,
    lineKey,
    brake,
    onEnded: (outcome) => {
      ended[outcome] = (ended[outcome] ?? 0) + 1;
    },
    onTrouble: (reason) => options.onTrouble?.(reason),
    laterRetries: config.laterRetries,
    random: Math.random,
    inHand: new Set(),
    unreadable: new Map(),
    unrecorded: new Set(),
    inFlight: new Set(),
  };

  const bullWorker = await opened.createWorker(
    (job, token) => {
      // How often and how late a job is retried is decided here, not by whoever put it on
      // the queue; in Redis, a hundred thousand times, these options would cost memory.
      job.opts = {
        ...job.opts,
        attempts: Number.MAX_SAFE_INTEGER,
        backoff: { type: 'room-reaper' },
        stackTraceLimit: 0,
      };
      return processJob(job, token, context);
    },
    {
      autorun: false,
      concurrency: Math.min(firstConcurrency, config.workerConcurrency),
      lockDuration: lockDurationMs,
      stalledInterval: stalledIntervalMs,
      maxStalledCount: 1_000_000,
      // While Redis is away, how soon the next try, in milliseconds.
      runRetryDelay: 1_000,
      removeOnComplete: { count: 0 },
      removeOnFail: { age: config.failedJobsDays * 24 * 3600 },
      settings: {
        backoffStrategy: (_runs, _type, error) =>
          error instanceof RetryLater ? error.delayMs : 10_000,
      },
    },
  );
  bullWorker.on('stalled', (jobId) => {
    log.warn({ destructionId: jobId }, 'job of a dead or paused worker taken back');
    // On Postgres it would go behind all others of its lane.
    void opened.queue
      .getJob(jobId)
      .then((job) => job && toRetryLane(job))
      .catch(() => undefined);
  });

  bullWorker.on('failed', (job, error) => {
    if (job?.id !== undefined && error instanceof UnrecoverableError)
      cameBack.isInFailedSet(job.id);
  });

  const begin = () => void bullWorker.run().catch(errorReporter(log, 'worker loop ended'));
  const lines = await patiently(startPatienceMs, () =>
    readLines(database, config.sdkAppId, intervalMs),
  );
  const state = lines.find((line) => line.id === id)?.state;
  const stoppedLine = state?.kind === 'stopped' ? state.halt : undefined;
  if (stoppedLine === undefined) begin();
  else if (stoppedLine.reason !== manyRejected) {
    // Whoever starts a worker has probably mended the cause: one job tries it now.
    await patiently(startPatienceMs, () => probeNow(database, id));
    guard.probe();
  } else if (options.startedByPerson) {
    // Only the list was in doubt, and a person asks for it again.
    await patiently(startPatienceMs, () => resumeLine(database, id));
    begin();
  } else {
    guard.foundStopped(stoppedLine);
  }
  log.info(
    { workerId, host: lineKey.host, sdkAppId: config.sdkAppId, ratePerSecond: 1000 / intervalMs },
    'worker started',
  );

  let isNoting = false;
  const noting = setInterval(() => {
    // A slow ledger must not be asked by several of them at once.
    if (isNoting) return;
    isNoting = true;
    finishBatches(database, config.sdkAppId)
      .catch(() => undefined)
      .finally(() => {
        isNoting = false;
      });
  }, noteBatchesEveryMs);
  const logging = setInterval(() => {
    if (Object.keys(ended).length === 0) return;
    log.info({ ended, inHand: context.inHand.size, ...limiter.counts() }, 'progress');
    ended = {};
  }, logEveryMs);

  async function closeOnce(): Promise<void> {
    clearInterval(noting);
    clearInterval(logging);
    guard.close();
    const deadline = setTimeout(() => {
      log.warn(
        { requests: context.inFlight.size },
        'shutdown deadline: giving up the requests in flight',
      );
      for (const request of context.inFlight) request.abandon();
      writer.abandon();
    }, shutdownDeadlineMs);
    // Its own wait has no limit, and hangs where Redis was never reached.
    const last = new Promise((resolve) => setTimeout(resolve, shutdownDeadlineMs + 1_000).unref());
    await Promise.race([bullWorker.close(), last]);
    clearTimeout(deadline);
    await Promise.race([cameBack.close(), last]);
    limiter.close();
    client.close();
    await Promise.race([finishBatches(database, config.sdkAppId).catch(() => undefined), last]);
    await Promise.race([opened.close(), last]);
    await Promise.race([database.close(), last]);
    log.info({ workerId, ...limiter.counts() }, 'worker stopped');
  }
  let closing: Promise<void> | undefined;
  return { close: () => (closing ??= closeOnce()) };
}
