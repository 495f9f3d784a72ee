/** `room-reaper rooms`: which rooms are live, and which of a batch live on. */
import { Command } from 'commander';
import { readConfig } from '../config.js';
import { invalid } from '../errors.js';
import {
  describeListEnd,
  listRooms,
  liveFormats,
  liveRows,
  type ListWish,
  type LiveFormat,
} from '../operations/live-rooms-text.js';
import { toStream } from '../operations/report-file.js';
import type { Service } from '../operations/service.js';
import { readOneOf } from '../one-of.js';
import { printable } from '../redact.js';
import { rooms } from '../text.js';
import { readTimeBefore } from '../when.js';
import { onInterrupt } from './interrupt.js';
import { exitCodes, say, type Io } from './io.js';
import { createProgressLine } from './progress.js';
import { widthOf } from './screen.js';
import { withService } from './with-service.js';

interface RoomsFlags extends Partial<Record<'createdBefore' | 'createdAfter' | 'owner', string>> {
  match?: string;
  minViews?: string;
  survivors?: string;
  format?: string;
}

const help = `
Examples:
  room-reaper rooms
  room-reaper rooms --created-before 23:00 | room-reaper destroy -
  room-reaper rooms --survivors new-year

The API lists ten pages of twenty rooms a second; rooms that are not public are not in it.
Exit codes: 0; with --survivors 1 where there are any.`;

export function roomsCommand(io: Io): Command {
  return new Command('rooms')
    .option('--created-before <TIME>', 'only those created before: 23:00, 2026-11-30T23:00Z')
    .option('--created-after <TIME>', 'only those created after')
    .option('--owner <ID>', 'only those of this owner')
    .option('--match <PATTERN>', 'only RoomIds like this; * stands for anything')
    .option('--min-views <N>', 'only those with so many viewers')
    .option('--survivors <BATCH>', 'only rooms of this batch, with what is known of each')
    .option('--format <FORMAT>', 'lines, ndjson, csv or table (default: a table on a terminal)')
    .addHelpText('after', help)
    .action(async (flags: RoomsFlags) => {
      const isTerminal = io.stdout.isTTY === true;
      const format = readOneOf(
        '--format',
        liveFormats,
        flags.format ?? (isTerminal ? 'table' : 'lines'),
      );
      const wish = readWish(flags);
      const config = readConfig(io.env, { app: true, credentials: true });
      io.exitCode = await withService(config, io, (service) => list(service, { format, wish }, io));
    });
}

/** @returns the exit code. */
async function list(
  service: Service,
  { format, wish }: { format: LiveFormat; wish: ListWish },
  io: Io,
): Promise<number> {
  const interrupt = onInterrupt(io);
  const line = createProgressLine(io);
  const output = toStream(io.stdout);
  const rows = liveRows(format, wish.survivors !== undefined, widthOf(io));
  let found = 0;
  try {
    const pages = listRooms(service, wish, interrupt.signal);
    let page = await pages.next();
    await output.write(rows.head);
    for (; page.done !== true; page = await pages.next()) {
      const { pass, seen, rooms: listed } = page.value;
      found += listed.length;
      line.clear();
      await output.write(listed.map((room) => rows.row(room)).join(''));
      line.update(`${rooms(seen)} live so far${pass > 1 ? `, read again (${pass})` : ''}`);
    }
    line.clear();
    for (const each of describeListEnd(page.value, found)) say(io, each);
    return wish.survivors !== undefined && found > 0 ? exitCodes.notGone : exitCodes.ok;
  } catch (error) {
    line.clear();
    if (!interrupt.signal.aborted) throw error;
    say(io, 'interrupted: there may be more rooms');
    return exitCodes.interrupted;
  } finally {
    interrupt.dispose();
  }
}

function readWish(flags: RoomsFlags): ListWish {
  const { createdBefore, createdAfter, minViews, owner, match, survivors } = flags;
  const now = Date.now();
  const time = (flag: string, text?: string) =>
    text === undefined ? undefined : readTimeBefore(flag, text, now);
  return {
    createdBeforeMs: time('--created-before', createdBefore),
    createdAfterMs: time('--created-after', createdAfter),
    minViews: minViews === undefined ? undefined : readCount(minViews),
    ...{ owner, match, survivors },
  };
}

function readCount(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw invalid(`--min-views must be a whole number, got ${printable(JSON.stringify(text))}`);
}
