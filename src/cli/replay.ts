/** `room-reaper replay`: ask again for rooms that are not gone. */
import { Command } from 'commander';
import { readConfig } from '../config.js';
import {
  previewReplay,
  refuseFutile,
  replay,
  replayedToJson,
  replayPlanToJson,
  unfinishedReplay,
  type ReplayPlan,
  type ReplayRequest,
} from '../operations/replay.js';
import { refuseProtected } from '../operations/rooms.js';
import type { Service } from '../operations/service.js';
import { printable } from '../redact.js';
import { findBatch } from '../operations/find-batch.js';
import { count, rooms } from '../text.js';
import { onInterrupt } from './interrupt.js';
import { collect, exitCodes, print, say, type Io } from './io.js';
import { withBatchProgress } from './progress.js';
import { addProtectFlags, readProtection, sayProtected, type ProtectFlags } from './protect.js';
import { describeChoice, readChoice, type ChoiceFlags } from './replay-choice.js';
import { planToText } from './replay-plan.js';
import {
  askConsent,
  consentAbove,
  printJoined,
  readBatchFlags,
  sayInterrupted,
  type BatchFlags,
} from './room-request.js';
import { withService } from './with-service.js';

interface ReplayFlags extends ChoiceFlags, ProtectFlags, Omit<BatchFlags, 'batch'> {
  name?: string;
  dryRun?: boolean;
  yes?: boolean;
  json?: boolean;
}

const help = `
Examples:
  room-reaper replay --batch evening --dry-run
  room-reaper replay --batch evening
  room-reaper replay --code 100001 --since 2h --by ada --note "after the outage"
  room-reaper replay --room live-42 --outcome rejected --force
  room-reaper replay --all --yes

Chooses rooms from the ledger and asks for them again, as a batch of its own, with new
deadlines. Rooms that are gone by now, or under way, are left out; so are those that the
API refused for good (--force asks for them all the same) and those that were cancelled
(--outcome cancelled asks for them). Workers do the rest. Interrupted, the same command
again goes on and adds nothing twice.`;

export function replayCommand(io: Io): Command {
  const command = new Command('replay')
    .option('--batch <BATCH>', 'of this batch, by id or name')
    .option(
      '--code <CODE>',
      'that ended with this ErrorCode; may be given again, or a list',
      collect,
    )
    .option(
      '--outcome <OUTCOME>',
      'failed, expired, rejected or cancelled; may be given again, or a list',
      collect,
    )
    .option('--since <TIME>', 'that ended in the last 90s, 30m, 2h, 1d')
    .option('--room <ID>', 'this room; may be given again', collect)
    .option('--all', 'everything that failed or expired')
    .option('--force', 'also what the API refused for good and would refuse again');
  return addProtectFlags(command)
    .option('--name <NAME>', 'name of the new batch; default: a made-up one')
    .option('--by <NAME>', 'who asks; default: the OS user')
    .option('--note <TEXT>', 'a note that is kept with the batch')
    .option('--dry-run', 'say what would be done and how long it takes; change nothing')
    .option('--yes', `do not ask, even for more than ${count(consentAbove)} rooms`)
    .option('--json', 'print one JSON object on stdout')
    .addHelpText('after', help)
    .action(async (flags: ReplayFlags) => {
      const choice = readChoice(flags, Date.now());
      const label = readBatchFlags(flags, flags.name);
      const config = readConfig(io.env, { app: true, credentials: false });
      const protectedRooms = readProtection(config, flags, io).rooms;
      io.exitCode = await withService(
        config,
        io,
        async (service) => {
          const parent =
            flags.batch === undefined ? undefined : await findBatch(service, flags.batch);
          const request: ReplayRequest = {
            ...{ ...label, ...choice, protectedRooms, force: flags.force === true },
            batchId: parent?.id,
            origin: describeChoice(flags, parent?.id),
          };
          return planAndReplay(service, request, flags, io);
        },
        { readOnly: flags.dryRun === true, mustBeMade: true },
      );
    });
}

async function planAndReplay(
  service: Service,
  request: ReplayRequest,
  flags: ReplayFlags,
  io: Io,
): Promise<number> {
  const unfinished = await unfinishedReplay(service, request);
  if (unfinished !== undefined) {
    const which = `batch ${unfinished.id} (${printable(unfinished.name)}) of ${rooms(unfinished.total)}, which was not finished`;
    if (!flags.dryRun) {
      say(io, `going on with ${which}`);
      await askConsent('replay', unfinished.total, service.config, flags, io);
      return putAndReport(service, request, unfinished, undefined, flags, io);
    }
    say(io, `without --dry-run this goes on with ${which}; what follows would be a new one`);
  }
  const plan = await previewReplay(service, request);
  sayProtected(plan.protected, flags, io);
  if (flags.dryRun) {
    const json = { dryRun: true, ...replayPlanToJson(plan) };
    print(io, flags.json ? JSON.stringify(json) : planToText(plan));
    // It ends as the run would.
    if (unfinished === undefined) {
      refuseProtected(plan.protected, flags);
      refuseFutile(plan);
    }
    return exitCodes.ok;
  }
  refuseProtected(plan.protected, flags);
  say(io, planToText(plan));
  refuseFutile(plan);
  if (plan.forecast.rooms === 0) {
    if (flags.json) print(io, JSON.stringify(replayedToJson(undefined, plan)));
    return exitCodes.ok;
  }
  await askConsent('replay', plan.forecast.rooms, service.config, flags, io);
  return putAndReport(service, request, undefined, plan, flags, io);
}

async function putAndReport(
  service: Service,
  request: ReplayRequest,
  unfinished: Parameters<typeof replay>[2],
  plan: ReplayPlan | undefined,
  flags: ReplayFlags,
  io: Io,
): Promise<number> {
  const interrupt = onInterrupt(io);
  try {
    const replayed = await withBatchProgress(io, (onProgress) =>
      replay(service, request, unfinished, { onProgress, signal: interrupt.signal }),
    );
    if (replayed === undefined) {
      say(io, 'nothing is left to replay: the rooms are gone or under way by now');
      return exitCodes.ok;
    }
    if (!replayed.complete) return sayInterrupted(io);
    const { batch, added } = replayed;
    if (flags.json) {
      print(io, JSON.stringify(replayedToJson(replayed, plan)));
    } else {
      print(io, `${rooms(added.added)} on the queue`);
      printJoined(batch, added, io);
    }
    return exitCodes.ok;
  } finally {
    interrupt.dispose();
  }
}
