/** `room-reaper cancel`: take back what was not sent yet. */
import { Command } from 'commander';
import { invalid } from '../errors.js';
import {
  cancel,
  cancelJson,
  endsInHand,
  finishedCount,
  isNothing,
  neverQueued,
  takenByWorkers,
  type CancelReport,
} from '../operations/cancel.js';
import type { Service } from '../operations/service.js';
import { printable } from '../redact.js';
import { checkRoomId } from '../room-id.js';
import { count, duration, outcomeList, rooms } from '../text.js';
import { onInterrupt } from './interrupt.js';
import { collect, exitCodes, print, say, type Io } from './io.js';
import { createHeapKeeper } from '../operations/small-heap.js';
import { createProgressLine } from './progress.js';
import { askedBy } from './room-request.js';
import { show } from './screen.js';
import { withOwnService } from './with-service.js';

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
    .argument('[BATCH...]', 'batches, by id or name')
    .option('--room <ID>', 'a room; may be given again', collect)
    .option('--all', 'everything that waits, whoever asked for it')
    .option('--by <NAME>', 'who cancels; default: the OS user')
    .option('--json', 'print one JSON object on stdout')
    .addHelpText('after', help)
    .action(async (batches: string[], flags: CancelFlags) => {
      checkFlags(batches, flags);
      io.exitCode = await withOwnService(io, (service) => runCancel(service, batches, flags, io));
    });
}

function checkFlags(batches: readonly string[], flags: CancelFlags): void {
  const given = [batches.length > 0, flags.room !== undefined, flags.all === true];
  if (given.filter(Boolean).length > 1) {
    throw invalid('cancel takes a BATCH, --room or --all, got more than one; keep one');
  }
  if (!given.includes(true)) {
    throw invalid(
      'nothing to cancel; name a BATCH or a --room ID, or everything that waits with --all',
    );
  }
  for (const room of flags.room ?? []) checkRoomId(room, '--room');
}

/** @returns the exit code. */
async function runCancel(
  service: Service,
  batches: readonly string[],
  { room = [], all = false, by, json }: CancelFlags,
  io: Io,
): Promise<number> {
  const interrupt = onInterrupt(io);
  const line = createProgressLine(io);
  const keepHeapSmall = createHeapKeeper();
  const onProgress = (taken: number) => {
    line.update(`${rooms(taken)} taken back`);
    keepHeapSmall();
  };
  try {
    const wish = { batches, rooms: room, all, by: askedBy(by) };
    const { signal } = interrupt;
    const report = await cancel(service, wish, { onProgress, signal }).finally(() => line.end());
    if (report === undefined) {
      say(
        io,
        'interrupted: nothing of it is sent any more; run the same command again to record the rest as cancelled',
      );
      return exitCodes.interrupted;
    }
    if (json) print(io, JSON.stringify(cancelJson(report)));
    else show(io, toText(report));
    return exitCodes.ok;
  } finally {
    interrupt.dispose();
  }
}

function toText(report: CancelReport): string {
  const { swept, before, after } = report;
  const lines = [
    `${rooms(swept.taken.cancelled)} cancelled before they were sent, in ${duration(report.seconds)}`,
  ];
  const byWorkers = takenByWorkers(report);
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
  if (isNothing(report)) {
    lines.shift();
    if (lines.length === 0) lines.push('nothing waits');
  }
  return lines.join('\n');
}

function describeInHand(report: CancelReport): string[] {
  const { swept, inHand } = report;
  const { ended, left } = endsInHand(report);
  const lines = [
    `${rooms(swept.inHand.size)} in the hand of a worker: ${outcomeList(ended) || 'none ended yet'}`,
  ];
  if (swept.inHand.size <= roomsListed) {
    for (const { roomId, outcome } of inHand) {
      lines.push(`  ${printable(roomId)}: ${outcome ?? 'still in hand'}`);
    }
  }
  if (left.length > 0) {
    lines.push(
      `${rooms(left.length)} still there: they end by themselves; the same command again says how`,
    );
  }
  return lines;
}
