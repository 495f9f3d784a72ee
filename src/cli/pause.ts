/** `room-reaper pause` and `room-reaper resume`. */
import { Command } from 'commander';
import { readConfig } from '../config.js';
import { pause, resume } from '../operations/pause.js';
import { printable } from '../redact.js';
import { print, type Io } from './io.js';
import { withService } from './with-service.js';

export function pauseCommand(io: Io): Command {
  return new Command('pause')
    .description('let no worker take up another room, until resume')
    .action(async () => {
      const config = readConfig(io.env, { app: true, credentials: false });
      await withService(config, io, pause);
      print(
        io,
        'paused: what is in hand is finished, the rest waits; run `room-reaper resume` to go on',
      );
    });
}

export function resumeCommand(io: Io): Command {
  return new Command('resume')
    .description('go on after pause, or after the line was stopped and its cause mended')
    .action(async () => {
      const config = readConfig(io.env, { app: true, credentials: false });
      const resumed = await withService(config, io, resume);
      for (const { host, halt } of resumed) {
        const why = printable(halt?.reason ?? '');
        print(io, `line of ${printable(host)} runs again; it was stopped: ${why}`);
      }
      if (resumed.length === 0) print(io, 'the line runs');
    });
}
