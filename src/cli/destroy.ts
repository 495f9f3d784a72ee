/** `room-reaper destroy`: the main job in one process. */
import { Command } from 'commander';
import { readConfig, type Config } from '../config.js';
import type { Service } from '../operations/service.js';
import { forkSimulator } from '../simulator/fork.js';
import { simulatedConfig } from '../simulator/simulator-options.js';
import { say, type Io } from './io.js';
import { addRoomFlags, withRooms, type RoomFlags } from './room-request.js';
import { withService } from './with-service.js';

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
    .option('--simulate', 'send to a stand-in API instead; needs no credentials')
    .option('--simulate-faults <FILE>', 'rooms that misbehave there, as of simulator --rooms')
    .addHelpText('after', help)
    .action(async (file: string | undefined, flags: DestroyFlags) => {
      const unseen = flags.simulate === true || flags.simulateFaults !== undefined;
      const real = !unseen && !flags.dryRun;
      const config = readConfig(io.env, { app: real, credentials: real });
      // A single room should not wait behind a list.
      const lane = file === undefined ? 'normal' : 'bulk';
      const open = (use: (service: Service) => Promise<number>) =>
        unseen ? onSimulator(config, flags, io, use) : withService(config, io, use);
      const task = { verb: 'destroy', config, file, flags, lane, unseen, open } as const;
      io.exitCode = await withRooms(
        { ...task, notBeforeMs: undefined },
        io,
        async (service, request, signal) => {
          // A worker with its HTTP client: what is only looked at goes without its memory.
          const { runDestroy } = await import('./destroy-run.js');
          return runDestroy({ service, request, signal, json: flags.json ?? false, io });
        },
      );
    });
}

/**
 * `--simulate`: the whole way against the simulator, in a process of its own.
 *
 * Always on an embedded database of its own: rooms of a simulation on the real queue
 * would be destroyed for real by the workers there.
 */
async function onSimulator(
  config: Config,
  { simulateFaults: roomsFile }: DestroyFlags,
  io: Io,
  use: (service: Service) => Promise<number>,
): Promise<number> {
  const simulator = await forkSimulator({
    anyRoom: true,
    ...(roomsFile === undefined ? {} : { roomsFile }),
  });
  const { url } = simulator;
  say(io, `simulated: every room goes to a stand-in API at ${url}; nothing reaches Tencent`);
  try {
    return await withService(simulatedConfig(config, url), io, use);
  } finally {
    await simulator.close();
  }
}
