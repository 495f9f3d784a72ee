/** `room-reaper pause` and `room-reaper resume`. */
import { Command } from 'commander';
import { pause, readLimitLeft, resume } from '../operations/pause.js';
import { printable } from '../redact.js';
import { pausedBy } from '../text.js';
import { print, say, type Io } from './io.js';
import { readBatchFlags } from './room-request.js';
import { withOwnService } from './with-service.js';

const help = `
Examples:
  room-reaper pause --note "the key is changed"
  room-reaper resume                    also after a line was stopped and its cause mended`;

export function pauseCommand(io: Io): Command {
  return new Command('pause')
    .option('--by <NAME>', 'who pauses; default: the OS user')
    .option('--note <TEXT>', 'why, for whoever looks')
    .addHelpText('after', help)
    .action(async (flags: { by?: string; note?: string }) => {
      const { by, note } = readBatchFlags(flags);
      const paused = await withOwnService(io, (service) => pause(service, { by, note }));
      const since = pausedBy(paused.mark, Date.now());
      print(io, paused.isNew ? since : `${since} (already)`);
      print(io, 'what is in hand is finished, the rest waits; run `room-reaper resume` to go on');
    });
}

export function resumeCommand(io: Io): Command {
  return new Command('resume').addHelpText('after', help).action(async () => {
    const [resumed, limit] = await withOwnService(
      io,
      async (service) => [await resume(service), await readLimitLeft(service)] as const,
    );
    if (resumed.wasPaused) print(io, `it was ${pausedBy(resumed.mark, Date.now())}`);
    for (const { host, command, halt } of resumed.lines) {
      const why = printable(halt?.reason ?? '');
      const what = command === undefined ? 'line' : command;
      print(io, `${what} of ${printable(host)} runs again; it was stopped: ${why}`);
    }
    if (resumed.lines.length === 0) print(io, 'the line runs');
    if (limit !== undefined) say(io, limit);
  });
}
