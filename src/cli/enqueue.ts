/** `room-reaper enqueue`: put rooms on the queue and leave. */
import { Command } from 'commander';
import { readConfig, type Config } from '../config.js';
import { ReaperError } from '../errors.js';
import type { Batch } from '../ledger/batches.js';
import type { Placement } from '../producer/add.js';
import type { BatchAdded } from '../producer/enqueue-batch.js';
import { printable } from '../redact.js';
import { onInterrupt } from './interrupt.js';
import { exitCodes, print, say, type Io } from './io.js';
import { forecast } from '../operations/forecast.js';
import { lookAhead } from '../operations/look-ahead.js';
import { acceptPlan, readDeadline } from './plan.js';
import { putOnQueue } from './put-on-queue.js';
import { readProtection } from './protect.js';
import {
  addRoomFlags,
  askConsent,
  printDryRun,
  readBatchFlags,
  readRoomRequest,
  type RoomFlags,
  type RoomRequest,
} from './room-request.js';
import { instant, rooms } from '../text.js';
import { readDuration, readTime } from './when.js';
import { withStores } from './with-stores.js';

interface EnqueueFlags extends RoomFlags {
  delay?: string;
  at?: string;
  urgent?: boolean;
}

const help = `
Examples:
  room-reaper enqueue rooms.txt
  room-reaper enqueue rooms.txt --at 02:30 --batch new-year
  room-reaper enqueue --room live-42 --urgent
  room-reaper enqueue rooms.txt --by ada --note "after the event" --protect vip.txt

Workers (room-reaper worker) do the rest. Running the same command again while its batch
is unfinished adds nothing twice. room-reaper cancel takes back what was not sent yet.`;

export function enqueueCommand(io: Io): Command {
  return addRoomFlags(new Command('enqueue'))
    .description('put rooms on the queue and leave')
    .option('--delay <TIME>', 'not before this much later: 90s, 30m, 2h, 1d')
    .option('--at <TIME>', 'not before this time: 02:30, or 2026-11-23T02:30:00Z')
    .option('--urgent', 'before everything else that waits')
    .addHelpText('after', help)
    .action(async (file: string | undefined, flags: EnqueueFlags) => {
      io.exitCode = await enqueue(file, flags, io);
    });
}

async function enqueue(file: string | undefined, flags: EnqueueFlags, io: Io): Promise<number> {
  const readAtMs = Date.now();
  const placement = readPlacement(flags, file !== undefined, readAtMs);
  const config = readConfig(io.env, { app: !flags.dryRun, credentials: false });
  readBatchFlags(flags);
  const deadlineMs = readDeadline(flags.deadline, Date.now());
  const request = await readRoomRequest(file, flags, readProtection(config, flags), io);
  try {
    if (flags.dryRun || deadlineMs !== undefined) {
      const { unique } = request.summary;
      const outlook = await lookAhead(config, { rooms: unique, lane: placement.lane });
      const nowMs = Date.now();
      const notBeforeMs = nowMs + placement.delayMs;
      const plan = forecast({ rooms: unique, outlook, nowMs, notBeforeMs, deadlineMs });
      if (flags.dryRun) return printDryRun(request, plan, flags, io);
      await acceptPlan(plan, flags.yes ?? false, io, nowMs);
    }
    await askConsent('enqueue', request.summary.unique, flags, io);
    // Reading a list, and a person, take their time.
    if (flags.at !== undefined) placement.delayMs -= Date.now() - readAtMs;
    return await put(config, request, placement, flags, io);
  } finally {
    await request.list.close();
  }
}

/** @param isList - whether there is a file: a single room should not wait behind a list. */
function readPlacement(flags: EnqueueFlags, isList: boolean, now: number): Placement {
  if (flags.delay !== undefined && flags.at !== undefined) {
    throw new ReaperError('INVALID', '--delay and --at must not both be given; keep one');
  }
  const delayMs =
    flags.delay !== undefined
      ? readDuration('--delay', flags.delay)
      : flags.at !== undefined
        ? readTime('--at', flags.at, now) - now
        : 0;
  return {
    lane: flags.urgent ? 'urgent' : isList ? 'bulk' : 'normal',
    delayMs: Math.round(delayMs),
  };
}

async function put(
  config: Config,
  request: RoomRequest,
  placement: Placement,
  flags: EnqueueFlags,
  io: Io,
): Promise<number> {
  const interrupt = onInterrupt();
  const dueAtMs = Date.now() + placement.delayMs;
  try {
    const result = await withStores(config, io, ({ database, queue }) =>
      putOnQueue(
        database,
        queue,
        {
          request,
          sdkAppId: config.sdkAppId,
          ...readBatchFlags(flags),
          placement,
          deadlineHours: config.deadlineHours,
          signal: interrupt.signal,
        },
        io,
      ),
    );
    if (!result.complete) {
      say(io, 'interrupted; run the same command again to add the rest: nothing is added twice');
      return exitCodes.interrupted;
    }
    report(result.batch, result.added, request, placement, dueAtMs, flags, io);
    return exitCodes.ok;
  } finally {
    interrupt.dispose();
  }
}

function report(
  batch: Batch,
  added: BatchAdded,
  request: RoomRequest,
  placement: Placement,
  dueAtMs: number,
  flags: EnqueueFlags,
  io: Io,
): void {
  const { summary } = request;
  const { dueEarlier, ...counts } = added;
  if (flags.json) {
    print(
      io,
      JSON.stringify({
        batchId: batch.id,
        requested: summary.valid + summary.invalid,
        unique: summary.unique,
        duplicates: summary.duplicates,
        invalid: summary.invalid,
        ...(request.protected > 0 ? { protected: request.protected } : {}),
        ...counts,
        ...(dueEarlier > 0 ? { dueEarlier } : {}),
      }),
    );
    return;
  }
  const due = placement.delayMs > 0 ? `, due ${instant(dueAtMs, Date.now())}` : '';
  print(io, `${rooms(added.added)} on the queue${due}`);
  if (dueEarlier > 0) {
    print(
      io,
      `but ${rooms(dueEarlier)} were asked for before, are due earlier and stay so; to put them off, cancel them first`,
    );
  }
  if (added.pending > 0) print(io, `${rooms(added.pending)} pending already, not asked for twice`);
  if (added.finished > 0) print(io, `${rooms(added.finished)} of this batch ended before`);
  print(io, `batch ${printable(batch.name)} ${batch.id}`);
}
