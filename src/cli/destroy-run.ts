/** One run of `destroy`: put the rooms on the queue, work, show progress, print what became of them. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../config.js';
import { finishedCount, readBatches, type Batch, type BatchProgress } from '../ledger/batches.js';
import type { Database } from '../ledger/database.js';
import { isGone, outcomes } from '../destruction.js';
import { summarizeBatch } from '../ledger/report.js';
import type { StoppedLine } from '../ledger/reserve.js';
import { slotInterval } from '../limiter/pace.js';
import { createLog } from '../log.js';
import { isPassing } from '../passing.js';
import { openQueue } from '../queue/open.js';
import { printable } from '../redact.js';
import { openStores, type Stores } from '../stores.js';
import { startWorker } from '../worker/worker.js';
import { createBatchEta } from './ahead.js';
import { toJson, toText } from './destroy-report.js';
import { onInterrupt } from './interrupt.js';
import { exitCodes, print, say, type Io } from './io.js';
import { createProgressLine, createRateMeter, describeProgress } from './progress.js';
import { placementOf, putOnQueue, type Put, type PutOptions } from './put-on-queue.js';
import { sayQueueAway } from './queue-away.js';
import { readBatchFlags, type RoomFlags, type RoomRequest } from './room-request.js';
import { rooms } from '../text.js';

/** How often the progress is read, in milliseconds. */
const lookEveryMs = 500;

/** How long the progress shows why an attempt failed, in milliseconds. */
const troubleShownMs = 15_000;

interface Surroundings {
  config: Config;
  request: RoomRequest;
  flags: RoomFlags;
  io: Io;
  stores: Stores;
  database: Database;
  /** Aborts when the user interrupts. */
  signal: AbortSignal;
}

/** @returns the exit code. */
export async function runDestroy(
  config: Config,
  request: RoomRequest,
  flags: RoomFlags,
  io: Io,
): Promise<number> {
  const interrupt = onInterrupt();
  const stores = await openStores(config, (message) => say(io, message));
  try {
    const database = await stores.openLedger(() => undefined);
    try {
      const { signal } = interrupt;
      return await run({ config, request, flags, io, stores, database, signal });
    } finally {
      await database.close();
    }
  } finally {
    await stores.close();
    interrupt.dispose();
  }
}

async function run(surroundings: Surroundings): Promise<number> {
  const { config, request, flags, io, database, signal } = surroundings;
  const startedAt = performance.now();
  const { batch, lastPriority } = await enqueue(surroundings);
  const stopped = signal.aborted
    ? undefined
    : await workUntilEnded(batch, lastPriority, surroundings);

  const progress = await readProgress(database, config, batch);
  if (progress === undefined) {
    sayLedgerAway(batch, io);
    say(io, 'Where rooms are left then, run the same command again to go on.');
    return signal.aborted ? exitCodes.interrupted : exitCodes.usage;
  }
  const summary = await unlessAway(summarizeBatch(database, batch.id));
  if (summary === undefined) {
    sayLedgerAway(batch, io);
    const code = exitCode(progress, stopped, signal, io);
    return code === exitCodes.ok ? exitCodes.usage : code;
  }
  const result = {
    progress,
    summary,
    list: request.summary,
    protected: request.protected,
    seconds: (performance.now() - startedAt) / 1000,
  };
  print(io, flags.json ? toJson(result) : toText(result));
  return exitCode(progress, stopped, signal, io);
}

async function enqueue(surroundings: Surroundings): Promise<Put> {
  const { config, request, flags, io, stores, database, signal } = surroundings;
  const opened = await openQueue({
    sdkAppId: config.sdkAppId,
    connection: stores.queue,
    onError: sayQueueAway(io, config.queueUrl),
  });
  try {
    const options: PutOptions = {
      request,
      sdkAppId: config.sdkAppId,
      ...readBatchFlags(flags),
      placement: placementOf(request),
      deadlineHours: config.deadlineHours,
      signal,
    };
    const put = await putOnQueue(database, opened.queue, options, io);
    if (put.added.pending > 0) {
      const count = rooms(put.added.pending);
      say(
        io,
        `${count} had a destruction pending already, whose outcome counts for this batch too`,
      );
    }
    return put;
  } finally {
    await opened.close();
  }
}

/** @returns why the line was stopped, where that ended it. */
async function workUntilEnded(
  batch: Batch,
  lastPriority: number,
  { config, io, stores, database, signal }: Surroundings,
): Promise<StoppedLine | undefined> {
  const line = createProgressLine(io);
  const found: {
    stopped?: StoppedLine;
    outage?: StoppedLine | undefined;
    trouble?: { reason: string; at: number };
  } = {};
  const log = createLog({
    // The progress line and the report say what there is to say, unless more is asked for.
    level: io.env['LOG_LEVEL'] ? config.logLevel : 'error',
    readable: io.stderr.isTTY === true,
    colour: !io.env['NO_COLOR'],
    destination: io.stderr,
  });
  const worker = await startWorker(config, {
    stores,
    log,
    startedByPerson: true,
    onLineStopped: (stopped) => {
      found.stopped = stopped;
    },
    onOutage: (outage) => {
      found.outage = outage;
      say(
        io,
        outage === undefined
          ? 'the API works again: going on'
          : `the API does not work: ${printable(outage.reason)}. Nothing is spent; one room tries every two seconds, and the rest follows by itself`,
      );
    },
    onTrouble: (reason) => {
      found.trouble = { reason, at: Date.now() };
    },
  });
  const interrupted = () => signal.aborted;
  const watched = await openQueue({
    sdkAppId: config.sdkAppId,
    connection: stores.queue,
    failFast: true,
    onError: () => undefined,
  }).catch(async (error: unknown) => {
    await worker.close();
    throw error;
  });
  const eta = createBatchEta({
    queue: watched.queue,
    database,
    sdkAppId: config.sdkAppId,
    host: new URL(config.endpoint).host,
    intervalMs: slotInterval(config.rateLimitPerSecond, config.arrivalJitterMs),
    lastPriority,
  });
  try {
    const rate = createRateMeter();
    for (;;) {
      const progress = await readProgress(database, config, batch);
      if (progress !== undefined) {
        const now = Date.now();
        const ratePerSecond = rate(finishedCount(progress), now);
        const secondsLeft = await eta(progress.total - finishedCount(progress), now);
        const { trouble } = found;
        const recent = trouble !== undefined && now - trouble.at < troubleShownMs;
        const why =
          found.outage === undefined ? (recent ? trouble.reason : '') : 'outage of the API';
        line.update(
          describeProgress(progress, ratePerSecond, secondsLeft, now) +
            (why === '' ? '' : ` · ${why}`),
        );
        if (finishedCount(progress) >= progress.total) break;
      }
      if (found.stopped !== undefined || interrupted()) break;
      await sleep(lookEveryMs, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    line.end();
    if (interrupted()) say(io, 'interrupted: finishing what is in flight (again to exit at once)');
    await worker.close();
    await watched.close();
  }
  return found.stopped;
}

function exitCode(
  progress: BatchProgress,
  stopped: StoppedLine | undefined,
  signal: AbortSignal,
  io: Io,
): number {
  const left = progress.total - finishedCount(progress);
  if (left > 0 && stopped !== undefined) {
    const code = stopped.code === undefined ? '' : ` (${stopped.code})`;
    say(
      io,
      `the line is stopped: ${printable(stopped.reason)}${code}. ${rooms(left)} still to do.`,
    );
    if (stopped.remedy !== undefined) say(io, `What to do: ${printable(stopped.remedy)}.`);
    say(io, 'Then run the same command again to go on.');
    return exitCodes.stopped;
  }
  if (left > 0 && signal.aborted) {
    say(
      io,
      `interrupted with ${rooms(left)} still to do; run the same command again to go on: no room that is done is asked for again`,
    );
    return exitCodes.interrupted;
  }
  const notGone = outcomes
    .filter((outcome) => !isGone(outcome))
    .some((outcome) => progress[outcome] > 0);
  return notGone ? exitCodes.notGone : exitCodes.ok;
}

function sayLedgerAway({ id }: Batch, io: Io): void {
  say(
    io,
    `the ledger cannot be reached: room-reaper report ${id} says what is done when it is back`,
  );
}

/** undefined while the ledger is away: the worker says so, and waits. */
async function readProgress(
  database: Database,
  config: Config,
  batch: Batch,
): Promise<BatchProgress | undefined> {
  const found = readBatches(database, config.sdkAppId, { idOrName: batch.id, limit: 1 });
  return (await unlessAway(found))?.[0];
}

async function unlessAway<R>(answer: Promise<R>): Promise<R | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (isPassing(error)) return undefined;
    throw error;
  }
}
