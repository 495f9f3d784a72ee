/** `room-reaper cancel`: take back what was not sent yet. */
import { Command } from 'commander';
import { readConfig, type Config } from '../config.js';
import { ReaperError } from '../errors.js';
import {
  finishBatches,
  finishedCount,
  readBatches,
  type BatchProgress,
} from '../ledger/batches.js';
import {
  finishCancelled,
  markBatchesCancelled,
  markDestructionsCancelled,
  openOfRooms,
  outcomesOf,
  unfinishedBatches,
} from '../ledger/cancel.js';
import type { Database } from '../ledger/database.js';
import { outcomes, type OutcomeCounts } from '../destruction.js';
import { roomIdProblem } from '../room-id.js';
import type { DestroyQueue } from '../queue/job.js';
import { printable } from '../redact.js';
import { askedBy } from './asked-by.js';
import { sweep, type Swept } from './cancel-sweep.js';
import { findBatch } from './find-batch.js';
import { onInterrupt } from './interrupt.js';
import { exitCodes, print, say, type Io } from './io.js';
import { createProgressLine } from './progress.js';
import { collect } from './room-request.js';
import { createHeapKeeper } from '../operations/small-heap.js';
import { count, duration, outcomeList, rooms } from '../text.js';
import { withStores, type OpenStores } from './with-stores.js';

interface CancelFlags {
  room?: string[];
  all?: boolean;
  by?: string;
  json?: boolean;
}

const help = `
Examples:
  room-reaper cancel evening
  room-reaper cancel 01a2073e-32c4-70d0-899f-5e9c7571380b --by ada
  room-reaper cancel --room live-42 --room "live 43"
  room-reaper cancel --all

From the first moment on workers send nothing of it any more. Rooms that were not sent end
as cancelled and can be asked for again at once; those in flight finish. A room that was
sent before and waited for a retry ends as failed: it may be gone or not. Interrupted, the
same command again goes on.`;

/** Most rooms that are listed one by one. */
const roomsListed = 10;

export function cancelCommand(io: Io): Command {
  return new Command('cancel')
    .description('take back what was not sent yet')
    .argument('[BATCH...]', 'batches, by id or name')
    .option('--room <ID>', 'a room; may be given again', collect)
    .option('--all', 'everything that waits, whoever asked for it')
    .option('--by <NAME>', 'who cancels; default: the OS user')
    .option('--json', 'print one JSON object on stdout')
    .addHelpText('after', help)
    .action(async (batches: string[], flags: CancelFlags) => {
      checkFlags(batches, flags);
      const config = readConfig(io.env, { app: true, credentials: false });
      io.exitCode = await withStores(config, io, (stores) =>
        cancel(config, stores, batches, flags, io),
      );
    });
}

function checkFlags(batches: readonly string[], flags: CancelFlags): void {
  const given = [batches.length > 0, flags.room !== undefined, flags.all === true];
  if (given.filter(Boolean).length > 1) {
    throw new ReaperError(
      'INVALID',
      'cancel takes a BATCH, --room or --all, got more than one; keep one',
    );
  }
  if (!given.includes(true)) {
    throw new ReaperError(
      'INVALID',
      'nothing to cancel; name a BATCH or a --room ID, or everything that waits with --all',
    );
  }
  for (const room of flags.room ?? []) {
    const problem = roomIdProblem(room);
    if (problem !== undefined) throw new ReaperError('INVALID', `--room: ${problem}`);
  }
}

interface Meant {
  /** As they were before. */
  batches: BatchProgress[];
  /** Single destructions. */
  ids: string[];
  /** Rooms asked for by `--room` that nothing waits for. */
  unknownRooms: string[];
}

async function cancel(
  config: Config,
  { database, queue, jobs }: OpenStores,
  names: readonly string[],
  flags: CancelFlags,
  io: Io,
): Promise<number> {
  const startedAt = performance.now();
  const { sdkAppId } = config;
  const by = askedBy(flags.by);
  const everythingBeforeMs = flags.all === true ? Date.now() : undefined;
  const meant = await findMeant(database, queue, sdkAppId, names, flags);
  // Of one that was cancelled before, rooms may have come onto the queue since.
  const open = meant.batches.filter(
    (batch) => batch.finishedAtMs === undefined || batch.cancelledAtMs !== undefined,
  );
  const batchIds = open.map((batch) => batch.id);
  // This is the cancellation; what follows tidies up after it.
  await markBatchesCancelled(database, batchIds, by);
  await markDestructionsCancelled(database, meant.ids, by);

  const interrupt = onInterrupt();
  const line = createProgressLine(io);
  const keepHeapSmall = createHeapKeeper();
  try {
    const swept = await sweep(
      { database, queue, jobs },
      {
        sdkAppId,
        batches: open,
        ids: meant.ids,
        by,
        ...(everythingBeforeMs === undefined ? {} : { everythingBeforeMs }),
      },
      ({ taken }) => {
        line.update(`${rooms(sum(taken))} taken back`);
        keepHeapSmall();
      },
      interrupt.signal,
    ).finally(() => line.end());
    if (interrupt.signal.aborted) {
      say(
        io,
        'interrupted: nothing of it is sent any more; run the same command again to record the rest as cancelled',
      );
      return exitCodes.interrupted;
    }
    await finishBatches(database, sdkAppId);
    if (swept.left.length === 0) await finishCancelled(database, batchIds);
    const report: CancelReport = {
      swept,
      before: meant.batches,
      after: await readAgain(database, sdkAppId, meant.batches),
      inHand: await outcomesOf(database, [...swept.inHand]),
      unknownRooms: meant.unknownRooms,
      seconds: (performance.now() - startedAt) / 1000,
    };
    print(io, flags.json ? JSON.stringify(toJson(report)) : toText(report));
    return exitCodes.ok;
  } finally {
    interrupt.dispose();
  }
}

async function findMeant(
  database: Database,
  queue: DestroyQueue,
  sdkAppId: number,
  names: readonly string[],
  flags: CancelFlags,
): Promise<Meant> {
  const meant: Meant = { batches: [], ids: [], unknownRooms: [] };
  if (flags.all) {
    await finishBatches(database, sdkAppId);
    for (const id of await unfinishedBatches(database, sdkAppId)) {
      meant.batches.push(await findBatch(database, sdkAppId, id, 'BATCH'));
    }
  }
  for (const name of names) {
    const batch = await findBatch(database, sdkAppId, name, 'BATCH');
    if (!meant.batches.some((other) => other.id === batch.id)) meant.batches.push(batch);
  }
  for (const room of new Set(flags.room)) {
    const pending = await queue.getDeduplicationJobId(room);
    // A job that came back from the failed set owns no key; the ledger knows it.
    const ids = new Set(await openOfRooms(database, sdkAppId, [room]));
    if (pending !== null) ids.add(pending);
    meant.ids.push(...ids);
    if (ids.size === 0) meant.unknownRooms.push(room);
  }
  return meant;
}

async function readAgain(
  database: Database,
  sdkAppId: number,
  batches: readonly BatchProgress[],
): Promise<BatchProgress[]> {
  const after: BatchProgress[] = [];
  for (const { id } of batches) {
    after.push(...(await readBatches(database, sdkAppId, { idOrName: id, limit: 1 })));
  }
  return after;
}

interface CancelReport {
  swept: Swept;
  before: BatchProgress[];
  after: BatchProgress[];
  inHand: Awaited<ReturnType<typeof outcomesOf>>;
  unknownRooms: string[];
  seconds: number;
}

const sum = (counts: OutcomeCounts) => outcomes.reduce((total, each) => total + counts[each], 0);

/** Rooms of the batch that were never on the queue, where it was interrupted at that. */
function neverQueued(batch: BatchProgress): number {
  return batch.finishedAtMs === undefined ? 0 : batch.total - finishedCount(batch);
}

function toJson(report: CancelReport): unknown {
  const { swept } = report;
  return {
    cancelled: swept.taken.cancelled,
    sentBefore: swept.taken.failed,
    inHand: report.inHand.map(({ roomId, outcome }) => ({ roomId, outcome: outcome ?? null })),
    leftInHand: swept.left.length,
    goOnForOthers: swept.shared.size,
    nothingWaits: report.unknownRooms,
    batches: report.after.map((batch) => ({
      id: batch.id,
      name: batch.name,
      total: batch.total,
      finished: finishedCount(batch),
      neverQueued: neverQueued(batch),
      outcomes: Object.fromEntries(outcomes.map((outcome) => [outcome, batch[outcome]])),
    })),
    seconds: Math.round(report.seconds * 10) / 10,
  };
}

function toText(report: CancelReport): string {
  const { swept, before, after, inHand } = report;
  const lines = [
    `${rooms(swept.taken.cancelled)} cancelled before they were sent, in ${duration(report.seconds)}`,
  ];
  const cancelledOf = (batches: readonly BatchProgress[]) =>
    batches.reduce((sum, batch) => sum + batch.cancelled, 0);
  const byWorkers = cancelledOf(after) - cancelledOf(before) - swept.taken.cancelled;
  if (byWorkers > 0)
    lines.push(`${rooms(byWorkers)} more were taken back by the workers meanwhile`);
  if (swept.taken.failed > 0) {
    lines.push(
      `${rooms(swept.taken.failed)} waited to be sent again: failed; an earlier request may have destroyed them`,
    );
  }
  if (swept.inHand.size > 0) lines.push(...describeInHand(report));
  if (swept.shared.size > 0) {
    lines.push(`${rooms(swept.shared.size)} go on, because another batch waits for them`);
  }
  for (const room of report.unknownRooms) lines.push(`nothing waits for ${printable(room)}`);
  for (const batch of after) {
    const was = before.find((other) => other.id === batch.id);
    const name = batch.name === undefined ? '' : `${printable(batch.name)} `;
    const ended = was?.finishedAtMs !== undefined;
    lines.push(
      '',
      `batch ${name}${batch.id}${ended ? ' had ended before' : ''}`,
      `  ${count(finishedCount(batch))} of ${rooms(batch.total)}: ${outcomeList(batch) || 'none ended'}`,
    );
    if (neverQueued(batch) > 0)
      lines.push(`  ${rooms(neverQueued(batch))} had not been put on the queue`);
  }
  if (
    inHand.length === 0 &&
    swept.left.length === 0 &&
    sum(swept.taken) === 0 &&
    after.length === 0
  ) {
    lines.shift();
    if (lines.length === 0) lines.push('nothing waits');
  }
  return lines.join('\n');
}

function describeInHand({ swept, inHand }: CancelReport): string[] {
  const ended: Partial<OutcomeCounts> = {};
  for (const { outcome } of inHand) {
    if (outcome !== undefined) ended[outcome] = (ended[outcome] ?? 0) + 1;
  }
  const lines = [
    `${rooms(swept.inHand.size)} in the hand of a worker: ${outcomeList(ended) || 'none ended yet'}`,
  ];
  if (swept.inHand.size <= roomsListed) {
    for (const { roomId, outcome } of inHand) {
      lines.push(`  ${printable(roomId)}: ${outcome ?? 'still in hand'}`);
    }
  }
  const left = inHand.filter(({ id, outcome }) => outcome === undefined && swept.left.includes(id));
  if (left.length > 0) {
    lines.push(
      `${rooms(left.length)} still there: they end by themselves; the same command again says how`,
    );
  }
  return lines;
}
