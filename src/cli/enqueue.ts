/** `room-reaper enqueue`: put rooms on the queue and leave. */
import { Command } from 'commander';
import { readConfig } from '../config.js';
import { invalid } from '../errors.js';
import { enqueuedToJson, enqueueRooms } from '../operations/enqueue.js';
import { instant, rooms } from '../text.js';
import { exitCodes, print, type Io } from './io.js';
import { withBatchProgress } from './progress.js';
import {
  addRoomFlags,
  printJoined,
  sayGoesOn,
  sayInterrupted,
  withRooms,
  type RoomFlags,
  type UseRooms,
} from './room-request.js';
import { readDuration, readTime } from '../when.js';
import { withService } from './with-service.js';

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
    .option('--delay <TIME>', 'not before this much later: 90s, 30m, 2h, 1d')
    .option('--at <TIME>', 'not before this time: 02:30, or 2026-11-23T02:30:00Z')
    .option('--urgent', 'before everything else that waits')
    .addHelpText('after', help)
    .action(async (file: string | undefined, flags: EnqueueFlags) => {
      const notBeforeMs = readDue(flags, Date.now());
      const config = readConfig(io.env, { app: !flags.dryRun, credentials: false });
      // A single room should not wait behind a list.
      const lane = flags.urgent ? 'urgent' : file === undefined ? 'normal' : 'bulk';
      const task = { verb: 'enqueue', config, file, flags, lane, notBeforeMs } as const;
      const open = (use: Parameters<typeof withService<number>>[2]) => withService(config, io, use);
      io.exitCode = await withRooms({ ...task, unseen: false, open }, io, put(flags, io));
    });
}

/** When the rooms are due, in milliseconds since the epoch; undefined: now. */
function readDue({ delay, at }: EnqueueFlags, nowMs: number): number | undefined {
  if (delay !== undefined && at !== undefined) {
    throw invalid('--delay and --at must not both be given; keep one');
  }
  if (at !== undefined) return readTime('--at', at, nowMs);
  const delayMs = delay === undefined ? 0 : readDuration('--delay', delay);
  return delayMs > 0 ? nowMs + delayMs : undefined;
}

function put(flags: EnqueueFlags, io: Io): UseRooms {
  return async (service, request, signal) => {
    const enqueued = await withBatchProgress(io, (onProgress) =>
      enqueueRooms(service, request, {
        onBatch: (batch) => sayGoesOn(batch, io),
        ...{ onProgress, signal },
      }),
    );
    if (!enqueued.complete) return sayInterrupted(io);
    if (flags.json) {
      print(io, JSON.stringify(enqueuedToJson(request.rooms, enqueued)));
      return exitCodes.ok;
    }
    const { batch, added } = enqueued;
    const dueMs = request.notBeforeMs;
    const due = dueMs === undefined ? '' : `, due ${instant(dueMs, Date.now())}`;
    print(io, `${rooms(added.added)} on the queue${due}`);
    if (added.dueEarlier > 0) {
      print(
        io,
        `but ${rooms(added.dueEarlier)} were asked for before, are due earlier and stay so; to put them off, cancel them first`,
      );
    }
    printJoined(batch, added, io);
    return exitCodes.ok;
  };
}
