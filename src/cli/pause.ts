/** `room-reaper pause` and `room-reaper resume`. */
import { Command } from 'commander';
import { pause, readLimitLeft, resume } from '../operations/pause.js';
import { printable } from '../redact.js';
import { print, say, type Io } from './io.js';
import { withOwnService } from './with-service.js';

const help = `
Examples:
  room-reaper pause      before a key or a server is changed
  room-reaper resume     also after a line was stopped and its cause mended`;

export function pauseCommand(io: Io): Command {
  return new Command('pause').addHelpText('after', help).action(async () => {
    await withOwnService(io, pause);
    print(
      io,
      'paused: what is in hand is finished, the rest waits; run `room-reaper resume` to go on',
    );
  });
}

export function resumeCommand(io: Io): Command {
  return new Command('resume').addHelpText('after', help).action(async () => {
    const [resumed, limit] = await withOwnService(
      io,
      async (service) => [await resume(service), await readLimitLeft(service)] as const,
    );
    for (const { host, halt } of resumed) {
      const why = printable(halt?.reason ?? '');
      print(io, `line of ${printable(host)} runs again; it was stopped: ${why}`);
    }
    if (resumed.length === 0) print(io, 'the line runs');
    if (limit !== undefined) say(io, limit);
  });
}
