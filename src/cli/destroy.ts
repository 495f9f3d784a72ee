/** `room-reaper destroy`: the main job in one process. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { readConfig, type Config } from '../config.js';
import { finishedCount, readBatches, type Batch, type BatchProgress } from '../ledger/batches.js';
import { isPassing, type Database } from '../ledger/database.js';
import type { StoppedLine } from '../ledger/reserve.js';
import { summarizeBatch } from '../ledger/report.js';
import { isGone, outcomes } from '../ledger/outcome.js';
import { createLog } from '../log.js';
import { openQueue } from '../queue/open.js';
import { openStores, type Stores } from '../stores.js';
import { startWorker } from '../worker/worker.js';
import { toJson, toText } from './destroy-report.js';
import { onInterrupt } from './interrupt.js';
import { exitCodes, print, say, type Io } from './io.js';
import { createProgressLine, createRateMeter, describeProgress } from './progress.js';
import { putOnQueue } from './put-on-queue.js';
import {
  addRoomFlags,
  askConsent,
  printDryRun,
  readRoomRequest,
  type RoomFlags,
  type RoomRequest,
} from './room-request.js';
import { startSimulation } from './simulate.js';
import { count, rooms } from './text.js';

interface DestroyFlags extends RoomFlags {
  simulate?: boolean;
  simulateFaults?: string;
}

const help = `
Examples:
  room-reaper destroy rooms.txt
  room-reaper destroy rooms.txt --dry-run
  room-reaper destroy rooms.txt --simulate
  room-reaper destroy --room live-42 --room "live 43"
  zcat rooms.csv.gz | room-reaper destroy - --format csv --yes --json

Interrupted, it finishes what is in flight; running the same command again goes on and
asks for no room twice.`;

/** How often the progress is read, in milliseconds. */
const lookEveryMs = 500;

/** How long the progress shows why an attempt failed, in milliseconds. */
const troubleShownMs = 15_000;

export function destroyCommand(io: Io): Command {
  return addRoomFlags(new Command('destroy'))
    .description('destroy rooms and print what became of them')
    .option('--simulate', 'send to a stand-in API instead; needs no credentials')
    .option('--simulate-faults <FILE>', 'rooms that misbehave there, as of simulator --rooms')
    .addHelpText('after', help)
    .action(async (file: string | undefined, flags: DestroyFlags) => {
      io.exitCode = await destroy(file, flags, io);
    });
}

async function destroy(file: string | undefined, flags: DestroyFlags, io: Io): Promise<number> {
  const simulate = flags.simulate === true || flags.simulateFaults !== undefined;
  const real = !simulate && !flags.dryRun;
  const config = readConfig(io.env, { app: real, credentials: real });
  const request = await readRoomRequest(file, flags, io);
  try {
    if (flags.dryRun) {
      printDryRun(request, config, flags, io);
      return exitCodes.ok;
    }
    await askConsent('destroy', request, flags, io);
    if (!simulate) return await destroyWith(config, request, flags, io);
    const simulation = await startSimulation(config, flags.simulateFaults, io);
    try {
      return await destroyWith(simulation.config, request, flags, io);
    } finally {
      await simulation.close();
    }
  } finally {
    await request.list.close();
  }
}

async function destroyWith(
  config: Config,
  request: RoomRequest,
  flags: DestroyFlags,
  io: Io,
): Promise<number> {
  const interrupt = onInterrupt();
  const stores = await openStores(config, (message) => say(io, message));
  try {
    const database = await stores.openLedger(() => undefined);
    try {
      return await work(config, request, flags, io, { stores, database, signal: interrupt.signal });
    } finally {
      await database.close();
    }
  } finally {
    await stores.close();
    interrupt.dispose();
  }
}

interface Surroundings {
  stores: Stores;
  database: Database;
  signal: AbortSignal;
}

async function work(
  config: Config,
  request: RoomRequest,
  flags: DestroyFlags,
  io: Io,
  { stores, database, signal }: Surroundings,
): Promise<number> {
  const startedAt = performance.now();
  const interrupted = () => signal.aborted;
  const line = createProgressLine(io);
  const batch = await enqueue(config, request, flags, io, { stores, database, signal });
  if (interrupted()) {
    say(io, `interrupted while putting rooms on the queue, before the first request${howToGoOn}`);
    return exitCodes.interrupted;
  }

  const found: { stopped?: StoppedLine; trouble?: { reason: string; at: number } } = {};
  const log = createLog({
    // The progress line and the report say what there is to say, unless more is asked for.
    level: io.env['LOG_LEVEL'] ? config.logLevel : 'error',
    readable: io.stderr.isTTY === true,
    colour: !io.env['NO_COLOR'],
  });
  const worker = await startWorker(config, {
    stores,
    log,
    probeAtStart: true,
    onLineStopped: (stopped) => {
      found.stopped = stopped;
    },
    onTrouble: (reason) => {
      found.trouble = { reason, at: Date.now() };
    },
  });
  try {
    const rate = createRateMeter();
    for (;;) {
      const progress = await readProgress(database, config, batch);
      if (progress !== undefined) {
        const now = Date.now();
        const trouble =
          found.trouble && now - found.trouble.at < troubleShownMs
            ? ` · ${found.trouble.reason}`
            : '';
        line.update(describeProgress(progress, rate(finishedCount(progress), now), now) + trouble);
        if (finishedCount(progress) >= progress.total) break;
      }
      if (found.stopped !== undefined || interrupted()) break;
      await sleep(lookEveryMs, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    line.end();
    if (interrupted()) say(io, 'interrupted: finishing what is in flight (again to exit at once)');
    await worker.close();
  }

  const [progress] = await readBatches(database, config.sdkAppId, { idOrName: batch.id, limit: 1 });
  if (progress === undefined) throw new Error('the batch is not in the ledger');
  const result = {
    progress,
    summary: await summarizeBatch(database, batch.id),
    list: request.summary,
    seconds: (performance.now() - startedAt) / 1000,
  };
  print(io, flags.json ? toJson(result) : toText(result));
  return exitCode(progress, found.stopped, signal, io);
}

const howToGoOn = '; run the same command again to go on: no room that is done is asked for again';

function exitCode(
  progress: BatchProgress,
  stopped: StoppedLine | undefined,
  signal: AbortSignal,
  io: Io,
): number {
  const left = progress.total - finishedCount(progress);
  if (left > 0 && stopped !== undefined) {
    const code = stopped.code === undefined ? '' : ` (${stopped.code})`;
    say(io, `the line is stopped: ${stopped.reason}${code}. ${rooms(left)} wait on the queue.`);
    if (stopped.remedy !== undefined) say(io, `What to do: ${stopped.remedy}.`);
    say(io, `Then run the same command again to go on.`);
    return exitCodes.stopped;
  }
  if (left > 0 && signal.aborted) {
    say(io, `interrupted: ${rooms(left)} wait on the queue${howToGoOn}`);
    return exitCodes.interrupted;
  }
  const notGone = outcomes
    .filter((outcome) => !isGone(outcome))
    .some((outcome) => progress[outcome] > 0);
  return notGone ? exitCodes.notGone : exitCodes.ok;
}

async function enqueue(
  config: Config,
  request: RoomRequest,
  flags: DestroyFlags,
  io: Io,
  { stores, database, signal }: Surroundings,
): Promise<Batch> {
  const opened = await openQueue({
    sdkAppId: config.sdkAppId,
    connection: stores.queue,
    onError: () => undefined,
  });
  try {
    const put = await putOnQueue(
      database,
      opened.queue,
      {
        request,
        sdkAppId: config.sdkAppId,
        name: flags.batch,
        // A single room should not wait behind a list.
        placement: { lane: request.summary.format === undefined ? 'normal' : 'bulk', delayMs: 0 },
        deadlineHours: config.deadlineHours,
        signal,
      },
      io,
    );
    if (put.added.pending > 0) {
      say(
        io,
        `${rooms(put.added.pending)} had a destruction pending already, whose outcome counts for this batch too`,
      );
    }
    return put.batch;
  } finally {
    await opened.close();
  }
}

/** undefined while the ledger is away: the worker says so, and waits. */
async function readProgress(
  database: Database,
  config: Config,
  batch: Batch,
): Promise<BatchProgress | undefined> {
  try {
    const [progress] = await readBatches(database, config.sdkAppId, {
      idOrName: batch.id,
      limit: 1,
    });
    return progress;
  } catch (error) {
    if (isPassing(error)) return undefined;
    throw error;
  }
}
