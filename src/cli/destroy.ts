/** `room-reaper destroy`: the main job in one process. */
import { Command } from 'commander';
import { readConfig } from '../config.js';
import type { Io } from './io.js';
import { forecast } from '../operations/forecast.js';
import { lookAhead, unseenOutlook } from '../operations/look-ahead.js';
import { acceptPlan, readDeadline } from './plan.js';
import { readProtection } from './protect.js';
import { placementOf } from './put-on-queue.js';
import {
  addRoomFlags,
  askConsent,
  printDryRun,
  readBatchFlags,
  readRoomRequest,
  type RoomFlags,
} from './room-request.js';
import { startSimulation } from './simulate.js';

interface DestroyFlags extends RoomFlags {
  simulate?: boolean;
  simulateFaults?: string;
}

const help = `
Examples:
  room-reaper destroy rooms.txt
  room-reaper destroy rooms.txt --dry-run --deadline 02:30
  room-reaper destroy rooms.txt --simulate
  room-reaper destroy --room live-42 --room "live 43"
  room-reaper destroy rooms.txt --protect vip.txt --protect 'always-on-*' --skip-protected
  room-reaper destroy rooms.txt --batch new-year --by ada --note "after the event"
  zcat rooms.csv.gz | room-reaper destroy - --format csv --yes --json

Interrupted, it finishes what is in flight; running the same command again goes on and
asks for no room twice.`;

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
  readBatchFlags(flags);
  const deadlineMs = readDeadline(flags.deadline, Date.now());
  const request = await readRoomRequest(file, flags, readProtection(config, flags), io);
  try {
    if (flags.dryRun || deadlineMs !== undefined) {
      const { unique } = request.summary;
      const outlook = simulate
        ? unseenOutlook(config)
        : await lookAhead(config, { rooms: unique, lane: placementOf(request).lane });
      const nowMs = Date.now();
      const plan = forecast({ rooms: unique, outlook, nowMs, deadlineMs });
      if (flags.dryRun) return printDryRun(request, plan, flags, io);
      await acceptPlan(plan, flags.yes ?? false, io, nowMs);
    }
    await askConsent('destroy', request.summary.unique, flags, io);
    // A worker with its HTTP client: other commands go without its memory.
    const { runDestroy } = await import('./destroy-run.js');
    if (!simulate) return await runDestroy(config, request, flags, io);
    const simulation = await startSimulation(config, flags.simulateFaults, io);
    try {
      return await runDestroy(simulation.config, request, flags, io);
    } finally {
      await simulation.close();
    }
  } finally {
    await request.list.close();
  }
}
