/** `room-reaper pause` and `room-reaper resume`. */
import { Command } from 'commander';
import { readConfig } from '../config.js';
import { readLines, resumeLine } from '../ledger/line.js';
import { slotInterval } from '../limiter/pace.js';
import { printable } from '../redact.js';
import { print, type Io } from './io.js';
import { withStores } from './with-stores.js';

export function pauseCommand(io: Io): Command {
  return new Command('pause')
    .description('let no worker take up another room, until resume')
    .action(() =>
      withStores(readConfig(io.env, { app: true, credentials: false }), io, async ({ queue }) => {
        await queue.pause();
        print(
          io,
          'paused: what is in hand is finished, the rest waits; run `room-reaper resume` to go on',
        );
      }),
    );
}

export function resumeCommand(io: Io): Command {
  return new Command('resume')
    .description('go on after pause, or after the line was stopped and its cause mended')
    .action(() => {
      const config = readConfig(io.env, { app: true, credentials: false });
      return withStores(config, io, async ({ queue, database }) => {
        await queue.resume();
        const intervalMs = slotInterval(config.rateLimitPerSecond, config.arrivalJitterMs);
        const stopped = [];
        for (const line of await readLines(database, config.sdkAppId, intervalMs)) {
          if (await resumeLine(database, line.id)) stopped.push(line);
        }
        for (const line of stopped) {
          print(
            io,
            `line of ${printable(line.host)} runs again; it was stopped: ${printable(line.stopped?.reason ?? '')}`,
          );
        }
        if (stopped.length === 0) print(io, 'the line runs');
      });
    });
}
