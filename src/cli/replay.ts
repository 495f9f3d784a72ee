/** `room-reaper replay`: ask again for rooms that are not gone. */
import { Command } from 'commander';
import { readConfig, type Config } from '../config.js';
import { ReaperError } from '../errors.js';
import { forgetBatch, markEnqueued } from '../ledger/batches.js';
import {
  interruptedReplay,
  openReplay,
  planReplay,
  protectedAmong,
  replacedDestructions,
  replayedRooms,
  type ReplayBatch,
  type ReplayChoice,
  type ReplayGroup,
} from '../ledger/replay.js';
import { fromQueue } from '../producer/add.js';
import type { BatchAdded } from '../producer/enqueue-batch.js';
import { createSpaceCheck } from '../producer/space-check.js';
import { newId } from '../queue/destruction-id.js';
import { readMemory } from '../queue/space.js';
import { waitingPage } from '../queue/waiting.js';
import { printable } from '../redact.js';
import { findBatch } from '../operations/find-batch.js';
import { onInterrupt } from './interrupt.js';
import { exitCodes, print, say, type Io } from './io.js';
import { forecast } from '../operations/forecast.js';
import { readOutlook } from '../operations/look-ahead.js';
import { madeUpName } from './made-up-name.js';
import { addProtectFlags, readProtection, reportProtected, type ProtectFlags } from './protect.js';
import { addBatch } from './put-on-queue.js';
import { describeChoice, readChoice, type ChoiceFlags } from './replay-choice.js';
import { planToJson, planToText } from './replay-plan.js';
import { askConsent, collect, consentAbove, readBatchFlags } from './room-request.js';
import { count, rooms } from '../text.js';
import type { Service } from '../operations/service.js';
import { withService } from './with-service.js';
import type { OpenStores } from './with-stores.js';

interface ReplayFlags extends ChoiceFlags, ProtectFlags {
  name?: string;
  by?: string;
  note?: string;
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
    .description('ask again for rooms that are not gone')
    .option('--batch <BATCH>', 'of this batch, by id or name')
    .option('--code <CODE>', 'that ended with this ErrorCode; may be given again', collect)
    .option(
      '--outcome <OUTCOME>',
      'failed, expired, rejected or cancelled; may be given again',
      collect,
    )
    .option('--since <TIME>', 'that ended in the last 90s, 30m, 2h, 1d')
    .option('--room <ID>', 'this room; may be given again', collect)
    .option('--all', 'everything that failed or expired')
    .option('--force', 'also what the API refused for good and would refuse again');
  return addProtectFlags(command, collect)
    .option('--name <NAME>', 'name of the new batch; default: a made-up one')
    .option('--by <NAME>', 'who asks; default: the OS user')
    .option('--note <TEXT>', 'a note that is kept with the batch')
    .option('--dry-run', 'say what would be done and how long it takes; change nothing')
    .option('--yes', `do not ask, even for more than ${count(consentAbove)} rooms`)
    .option('--json', 'print one JSON object on stdout')
    .addHelpText('after', help)
    .action(async (flags: ReplayFlags) => {
      const chosen = readChoice(flags);
      const { name, by, note } = readBatchFlags({
        ...(flags.name === undefined ? {} : { batch: flags.name }),
        ...(flags.by === undefined ? {} : { by: flags.by }),
        ...(flags.note === undefined ? {} : { note: flags.note }),
      });
      const config = readConfig(io.env, { app: true, credentials: false });
      const protection = readProtection(config, flags);
      io.exitCode = await withService(config, io, async (service) => {
        const { database } = service;
        const { queue, jobs } = await service.queue();
        const parent =
          flags.batch === undefined ? undefined : await findBatch(service, flags.batch);
        const choice: ReplayChoice = {
          ...chosen,
          sdkAppId: config.sdkAppId,
          batchId: parent?.id,
          force: flags.force === true,
          protectedRooms: protection.rooms,
        };
        const asked = { name, by, note, ...describeChoice(flags, parent?.id, protection.rooms) };
        return replay({ service, config, database, queue, jobs, choice, flags, io }, asked);
      });
    });
}

interface Surroundings extends Pick<OpenStores, 'database' | 'queue' | 'jobs'> {
  service: Service;
  config: Config;
  choice: ReplayChoice;
  flags: ReplayFlags;
  io: Io;
}

interface Asked {
  name: string | undefined;
  by: string;
  note: string | undefined;
  origin: string;
  fingerprint: string;
}

/** Most protected rooms that are named one by one. */
const namedAtMost = 20;

async function replay(surroundings: Surroundings, asked: Asked): Promise<number> {
  const { service, config, database, choice, flags, io } = surroundings;
  const unfinished = await interruptedReplay(
    database,
    config.sdkAppId,
    asked,
    // Later its rooms on the queue have expired.
    config.deadlineHours * 3_600_000,
  );
  if (unfinished !== undefined) {
    const which = `batch ${unfinished.id} (${printable(unfinished.name)}) of ${rooms(unfinished.total)}, which was not finished`;
    if (!flags.dryRun) {
      say(io, `going on with ${which}`);
      await askConsent('replay', unfinished.total, flags, io);
      return putAndReport(unfinished, surroundings, { rooms: unfinished.total });
    }
    say(io, `without --dry-run this goes on with ${which}; what follows would be a new one`);
  }
  const plan = await planReplay(database, choice);
  const total = roomsOf(plan, 'replay');
  const ahead = await readOutlook(service, undefined);
  const outlook = {
    origin: asked.origin,
    plan,
    forecast: forecast({ rooms: total, outlook: ahead, nowMs: Date.now() }),
  };
  await refuseProtected(surroundings, plan);
  if (flags.dryRun) {
    print(
      io,
      flags.json ? JSON.stringify({ dryRun: true, ...planToJson(outlook) }) : planToText(outlook),
    );
    return exitCodes.ok;
  }
  say(io, planToText(outlook));
  if (total === 0) {
    if (roomsOf(plan, 'refused') > 0) {
      throw new ReaperError(
        'INVALID',
        'every room chosen was refused for good and would be refused again; add --force to ask all the same',
      );
    }
    if (flags.json) print(io, JSON.stringify({ batchId: null, ...planToJson(outlook) }));
    return exitCodes.ok;
  }
  await askConsent('replay', total, flags, io);
  const batch = await openReplay(database, choice, {
    ...asked,
    id: newId(),
    madeUpName: madeUpName(Math.random),
  });
  if (batch === undefined) {
    say(io, 'nothing is left to replay: the rooms are gone or under way by now');
    return exitCodes.ok;
  }
  return putAndReport(batch, surroundings, planToJson(outlook));
}

/** @param inJson - what `--json` says of it besides. */
async function putAndReport(
  batch: ReplayBatch,
  surroundings: Surroundings,
  inJson: Record<string, unknown>,
): Promise<number> {
  const { flags, io } = surroundings;
  const added = await put(batch, surroundings);
  if (added === undefined) {
    say(io, 'interrupted; run the same command again to add the rest: nothing is added twice');
    return exitCodes.interrupted;
  }
  if (flags.json) {
    const { id: batchId, name, parentId = null } = batch;
    const { added: count, pending, finished } = added;
    const counts = { added: count, pending, finished };
    print(io, JSON.stringify({ batchId, name, parentId, ...counts, ...inJson }));
  } else {
    print(io, `${rooms(added.added)} on the queue`);
    if (added.pending > 0)
      print(io, `${rooms(added.pending)} pending already, not asked for twice`);
    if (added.finished > 0) print(io, `${rooms(added.finished)} of this batch ended before`);
    print(io, `batch ${printable(batch.name)} ${batch.id}`);
  }
  return exitCodes.ok;
}

function roomsOf(plan: readonly ReplayGroup[], fate: ReplayGroup['fate']): number {
  return plan
    .filter((group) => group.fate === fate)
    .reduce((total, group) => total + group.rooms, 0);
}

/** @throws ReaperError `INVALID` where protected rooms were chosen and are not to be left out. */
async function refuseProtected(
  { database, choice, flags, io }: Surroundings,
  plan: readonly ReplayGroup[],
): Promise<void> {
  const total = roomsOf(plan, 'protected');
  if (total === 0) return;
  const named = await protectedAmong(database, choice, namedAtMost);
  reportProtected(new Map(named.map((room) => [room, room])), total, flags, io);
}

/** Puts the rooms of the replay on the queue. @returns undefined where it was interrupted. */
async function put(
  batch: ReplayBatch,
  { config, database, queue, jobs, choice, io }: Surroundings,
): Promise<BatchAdded | undefined> {
  const interrupt = onInterrupt();
  try {
    const space = createSpaceCheck({
      readMemory: () => fromQueue(readMemory(queue)),
      ...(batch.isNew ? { total: batch.total } : {}),
    });
    await space.beforeFirst().catch(async (error: unknown) => {
      if (batch.isNew) await forgetBatch(database, batch.id);
      throw error;
    });
    const added = await addBatch(
      { database, queue, space, signal: interrupt.signal, io },
      batch,
      replayedRooms(database, batch.id, waitingPage),
      {
        // Rooms asked for one by one should not wait behind a list.
        placement: { lane: choice.roomIds === undefined ? 'bulk' : 'normal', delayMs: 0 },
        deadlineHours: config.deadlineHours,
      },
    );
    if (interrupt.signal.aborted) return undefined;
    // What is replayed is not for anybody to retry from the failed set any more.
    for await (const page of replayedRooms(database, batch.id, waitingPage)) {
      await jobs.remove(await replacedDestructions(database, config.sdkAppId, batch.id, page));
    }
    await markEnqueued(database, batch.id, added.lastPriority);
    return added;
  } finally {
    interrupt.dispose();
  }
}
