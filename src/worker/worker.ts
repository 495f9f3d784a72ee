/**
 * A worker: takes destructions from the queue and ends them. What it is made of, in order:
 * each thing is made from those above it.
 *
 * Shutdown: no more jobs; those that wait for a slot go back to the queue; requests in
 * flight are answered and recorded within a deadline. What is still unanswered then is
 * given up: its attempt is recorded as one that may have acted.
 */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Logger } from 'pino';
import type { Config } from '../config.js';
import type { EndedDestruction } from '../destruction.js';
import { ReaperError } from '../errors.js';
import { finishBatches } from '../ledger/batches.js';
import { latestMigration } from '../ledger/schema.js';
import { markDestructionsCancelled, sentAmong } from '../ledger/cancel.js';
import type { Database } from '../ledger/database.js';
import { claimQueue } from '../ledger/identity.js';
import { lineId, probeNow, readLines, resumeLine, type LineKey } from '../ledger/line.js';
import type { StoppedLine } from '../ledger/grant.js';
import { reserveSlots, type Reservation } from '../ledger/reserve.js';
import { workerName } from '../ledger/workers.js';
import { type LedgerClock, openLedgerClock } from '../limiter/clock.js';
import { createLimiter, type SlotWish } from '../limiter/limiter.js';
import { slotInterval, slotsInWindow } from '../limiter/pace.js';
import { createSlotTimer } from '../limiter/slot-timer.js';
import { patiently, startPatienceMs } from '../passing.js';
import {
  configuredProtection,
  describeProtected,
  type ProtectedRooms,
} from '../protected-rooms.js';
import { openQueue, type OpenQueue } from '../queue/open.js';
import type { Stores } from '../stores.js';
import { createApiClient } from '../tencent/client.js';
import { fingerprintOf, type Credentials } from '../tencent/credentials.js';
import { destroyRoomCommand } from '../tencent/endpoint.js';
import { createSigner } from '../tencent/user-sig.js';
import { createCameBack } from './came-back.js';
import type { WorkerContext } from './context.js';
import { startHeartbeat } from './heartbeat.js';
import { createIntake } from './intake.js';
import { createLedgerWriter } from './ledger-writer.js';
import { createLineGuard } from './line-guard.js';
import { openMetrics, type OpenMetrics } from './metrics.js';
import { createOutageWatch } from './outage-watch.js';
import { processJob } from './process-job.js';
import { watchQueue } from './queue-watch.js';
import { createReads } from './read-line.js';
import { createRejections, manyRejected } from './rejections.js';
import {
  databaseReporter,
  errorReporter,
  progressReporter,
  slownessReporter,
  tellSafely,
} from './reporters.js';
import { createSeal } from './seal.js';
import { createUnsavedResults } from './unsaved-result.js';
import { packageVersion } from './version.js';

/** How often finished batches are noted, in milliseconds. */
const noteBatchesEveryMs = 2_000;

/** How long requests in flight may take after a shutdown was asked for, in milliseconds. */
const shutdownDeadlineMs = 10_000;

export interface StartWorkerOptions {
  stores: Stores;
  log: Logger;
  /** Told when the line is stopped for a reason that a person must mend. */
  onLineStopped?: (line: StoppedLine) => void;
  /** Told when an outage of the API begins, and when it is over (undefined). */
  onOutage?: (outage: StoppedLine | undefined) => void;
  /**
   * Told of each destruction that the ledger has the end of. Not a delivery to rely on: a worker
   * that is killed in between tells nobody, and one whose job runs again may tell it twice.
   */
  onEnded?: (ended: EndedDestruction) => void;
  /** Told why attempts fail. */
  onTrouble?: (reason: string) => void;
  /** Where its metrics and its health can be asked for; undefined: nowhere. */
  metricsPort?: number | undefined;
  /** A person asks for this work: also where the line was stopped for its many rejections. */
  startedByPerson?: boolean;
}

export interface RunningWorker {
  /** Finishes what is in flight within ten seconds, gives the rest back, closes the connections. */
  close(): Promise<void>;
  /**
   * Resolves when it has ended: with the reason where it ended in order by itself, because the
   * ledger is of a newer program now, or the queue belongs to another ledger.
   */
  readonly ended: Promise<ReaperError | undefined>;
}

/**
 * Starts a worker.
 *
 * @throws ReaperError `UNAVAILABLE` where the queue or the ledger cannot be reached, `INVALID` where
 *   the queue belongs to another ledger, or the port of its metrics is not free.
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
  const protection = configuredProtection(config.protectedRoomsFile);
  if (!protection.isEmpty) log.info(describeProtected(protection));
  const connectionError = errorReporter(log, 'trouble with a server; going on by itself');
  const database = await stores.openLedger(connectionError);
  let clock: LedgerClock | undefined;
  let opened: OpenQueue | undefined;
  let metrics: OpenMetrics | undefined;
  try {
    opened = await openQueue({
      sdkAppId: config.sdkAppId,
      connection: stores.queue,
      onError: connectionError,
    });
    const { ledger } = opened;
    if (!stores.areOne) await patiently(startPatienceMs, () => claimQueue(database, ledger));
    clock = await openLedgerClock(database);
    metrics = await openMetrics(options.metricsPort, {
      queue: () => ledger.read(),
      ledger: () => database.query('ready', 'select 1', []),
    });
    const open = { database, opened, clock, metrics };
    return await run(config, credentials, protection, open, options);
  } catch (error) {
    await metrics?.close();
    clock?.close();
    await opened?.close();
    await database.close();
    throw error;
  }
}

/** What a worker holds open from its start to its end. */
interface Opened {
  database: Database;
  opened: OpenQueue;
  clock: LedgerClock;
  metrics: OpenMetrics;
}

async function run(
  config: Config,
  credentials: Credentials,
  protection: ProtectedRooms,
  { database, opened, clock, metrics }: Opened,
  options: StartWorkerOptions,
): Promise<RunningWorker> {
  const { log } = options;
  const { sdkAppId, endpoint, proxy, requestTimeoutMs } = config;
  const now = () => clock.now();
  const workerId = randomUUID();
  const worker = { host: hostname(), pid: process.pid };
  const intervalMs = slotInterval(config.rateLimitPerSecond, config.arrivalJitterMs);
  const host = new URL(endpoint).host;
  const lineKey: LineKey = { host, sdkAppId, command: destroyRoomCommand };
  const id = lineId(lineKey);
  const onDatabase = databaseReporter(log);
  const progress = progressReporter(log);

  const inHand = new Set<string>();
  const cameBack = createCameBack({ database, queue: opened.queue, now });
  const intake = await createIntake({
    opened,
    log,
    inHand,
    maximumJobs: config.workerConcurrency,
    failedJobsDays: config.failedJobsDays,
    onFailed: (jobId) => cameBack.isInFailedSet(jobId),
  });
  const rejections = createRejections();
  const guard = createLineGuard({
    database,
    lineId: id,
    sdkAppId,
    intervalMs,
    worker: { workerId, name: workerName(worker) },
    log,
    now,
    pause: () => intake.pause(),
    resume: (probing) => {
      if (!probing) rejections.reset();
      intake.resume(probing);
    },
    onStopped: (line) => {
      if (line.reason === manyRejected) rejections.trip();
      tellSafely(log, options.onLineStopped, line);
    },
    onDatabase,
  });
  const outage = createOutageWatch({
    database,
    lineId: id,
    log,
    onAlone: (reason) => guard.holdBack(reason),
    onOutage: (found) => tellSafely(log, options.onOutage, found),
  });
  const timer = createSlotTimer(() => clock.monotonic());
  const onSlowLedger = slownessReporter(log);
  const limiter = await createLimiter<SlotWish, Reservation>({
    database,
    reserve: reserveSlots,
    clock,
    timer,
    line: lineKey,
    intervalMs,
    jitterMs: config.arrivalJitterMs,
    windowSlots: slotsInWindow(config.rateLimitPerSecond),
    workerId,
    onLead: (lead) => intake.adjust(lead),
    onDatabase,
    onAnswer: (answerMs) => metrics.ledgerAnswered(answerMs),
    onSlowLedger,
    onOutage: (found) => outage.found(found),
    answeredAtMs: () => outage.answeredAtMs,
  });
  const reads = createReads(config.statsRateLimitPerSecond, {
    ...{ database, clock, timer, guard, log, onDatabase, onSlowLedger, workerId, lineKey },
    ...{ random: Math.random, worker: { workerId, name: workerName(worker) } },
    jitterMs: config.arrivalJitterMs,
    onOutage: (found) => tellSafely(log, options.onOutage, found),
  });
  const writer = createLedgerWriter({ database, sdkAppId, workerId, onDatabase });
  const unsaved = createUnsavedResults(writer, createSeal(credentials), (destructionId) =>
    log.warn(
      { destructionId },
      'the result in this job was not written with our key and is not believed: another program wrote it, or the key was changed since; the room is asked about again',
    ),
  );
  const signer = createSigner(credentials);
  const client = createApiClient({ credentials, endpoint, proxy, signer, requestTimeoutMs });
  const context: WorkerContext = {
    now,
    limiter,
    writer,
    unsaved,
    client,
    signer,
    guard,
    outage,
    rejections,
    reads,
    cameBack,
    protectedRooms: protection,
    sentBefore: async (destructionId) =>
      (await sentAmong(database, [destructionId])).has(destructionId),
    takeBack: {
      mark: (destructionId) => markDestructionsCancelled(database, [destructionId], 'a service'),
      takeOff: opened.takeOff,
      freeRoom: (roomId, destructionId) =>
        opened.queue.getBackend().removeDeduplicationKey(roomId, destructionId),
    },
    metrics,
    log,
    onEnded(ended) {
      progress.ended(ended.outcome);
      tellSafely(log, options.onEnded, ended);
    },
    onTrouble: (reason) => options.onTrouble?.(reason),
    laterRetries: config.laterRetries,
    random: Math.random,
    inHand,
    unreadable: new Map(),
    inFlight: new Set(),
  };
  intake.handTo((job, token) => processJob(job, token, context));

  const lines = await patiently(startPatienceMs, () => readLines(database, sdkAppId, intervalMs));
  const state = lines.find((line) => line.id === id)?.state;
  const stoppedLine = state?.kind === 'stopped' ? state.halt : undefined;
  if (stoppedLine === undefined) intake.start();
  else if (stoppedLine.reason !== manyRejected) {
    // Whoever starts a worker has probably mended the cause: one job tries it now.
    await patiently(startPatienceMs, () => probeNow(database, id));
    guard.probe();
  } else if (options.startedByPerson) {
    // Only the list was in doubt, and a person asks for it again.
    await patiently(startPatienceMs, () => resumeLine(database, id));
    intake.start();
  } else {
    guard.foundStopped(stoppedLine);
  }
  log.info({ workerId, host, sdkAppId, ratePerSecond: 1000 / intervalMs }, 'worker started');

  const heartbeat = await startHeartbeat(
    database,
    () => ({
      ...{ id: workerId, lineId: id, sdkAppId, ...worker, version: packageVersion() },
      keyFingerprint: fingerprintOf(credentials),
      ...guard.doing,
      inHand: inHand.size,
      requestTimeoutMs,
    }),
    (version) => endBecause(outdated(version)),
  );
  const noting = noteBatches(database, sdkAppId);
  const watching = options.stores.areOne
    ? undefined
    : watchQueue(() => claimQueue(database, opened.ledger), endBecause);
  progress.begin(() => ({ inHand: inHand.size, ...limiter.counts() }));
  metrics.begin(() => ({ inHand: inHand.size, slots: limiter.counts() }));

  async function closeOnce(): Promise<void> {
    metrics.drain();
    clearInterval(noting);
    watching?.stop();
    heartbeat.stop();
    progress.close();
    guard.close();
    const deadline = setTimeout(() => {
      log.warn(
        { requests: context.inFlight.size },
        'shutdown deadline: giving up the requests in flight',
      );
      for (const request of context.inFlight) request.abandon();
      writer.abandon();
    }, shutdownDeadlineMs);
    const last = new Promise((resolve) => setTimeout(resolve, shutdownDeadlineMs + 1_000).unref());
    // Without a limit it would hang where Redis was never reached.
    await Promise.race([intake.close(), last]);
    clearTimeout(deadline);
    await Promise.race([cameBack.close(), last]);
    clock.close();
    client.close();
    await Promise.race([finishBatches(database, sdkAppId).catch(() => undefined), last]);
    await Promise.race([opened.close(), last]);
    await Promise.race([heartbeat.end(), last]);
    await Promise.race([database.close(), last]);
    await metrics.close();
    log.info({ workerId, ...limiter.counts() }, 'worker stopped');
  }
  let closing: Promise<void> | undefined;
  let tellEnded: (reason: ReaperError | undefined) => void = () => undefined;
  const ended = new Promise<ReaperError | undefined>((resolve) => {
    tellEnded = resolve;
  });
  function close(reason?: ReaperError): Promise<void> {
    return (closing ??= closeOnce().finally(() => tellEnded(reason)));
  }
  function endBecause(reason: ReaperError): void {
    log.error({ workerId }, `ending in order: ${reason.message}`);
    close(reason).catch(() => undefined);
  }
  return { close: () => close(), ended };
}

function outdated(version: number): ReaperError {
  return new ReaperError(
    'UNAVAILABLE',
    `the ledger has schema version ${version} now, this worker knows ${latestMigration()}; start the newer room-reaper in its place`,
  );
}

function noteBatches(database: Database, sdkAppId: number): NodeJS.Timeout {
  let isNoting = false;
  return setInterval(() => {
    // A slow ledger must not be asked by several of them at once.
    if (isNoting) return;
    isNoting = true;
    finishBatches(database, sdkAppId)
      .catch(() => undefined)
      .finally(() => {
        isNoting = false;
      });
  }, noteBatchesEveryMs);
}
