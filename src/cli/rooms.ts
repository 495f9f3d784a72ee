/** `room-reaper rooms`: which rooms are live, and which of a batch live on. */
import { Command } from 'commander';
import { invalid } from '../errors.js';
import { liveFormats, liveRows, type LiveFormat } from '../operations/live-rooms-text.js';
import {
  readLiveRooms,
  type ListEnd,
  type ListProgress,
  type LiveRoomsWish,
} from '../operations/live-rooms.js';
import type { Service } from '../operations/service.js';
import { readSurvivors } from '../operations/survivors.js';
import { printable } from '../redact.js';
import { count, rooms } from '../text.js';
import { readConfig } from '../config.js';
import { readTimeBefore } from '../when.js';
import { exitCodes, print, say, type Io } from './io.js';
import { createProgressLine } from './progress.js';
import { onInterrupt } from './interrupt.js';
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
      const format = readFormat(flags.format ?? (isTerminal ? 'table' : 'lines'));
      const config = readConfig(io.env, { app: true, credentials: true });
      io.exitCode = await withService(config, io, (service) =>
        list(service, { ...flags, format, wish: readWish(flags) }, io),
      );
    });
}

/** @returns the exit code. */
async function list(
  service: Service,
  { survivors, format, wish }: { survivors?: string; format: LiveFormat; wish: LiveRoomsWish },
  io: Io,
): Promise<number> {
  const interrupt = onInterrupt(io);
  const line = createProgressLine(io);
  const { signal } = interrupt;
  const run = {
    signal,
    onProgress: ({ pass, seen }: ListProgress) =>
      line.update(`${rooms(seen)} live so far${pass > 1 ? `, read again (${pass})` : ''}`),
  };
  const rows = liveRows(format, survivors !== undefined, widthOf(io));
  let found = 0;
  try {
    const live =
      survivors === undefined
        ? readLiveRooms(service, wish, run)
        : readSurvivors(service, survivors, wish, run);
    if (rows.head !== '') print(io, rows.head.trimEnd());
    let page = await live.next();
    for (; page.done !== true; page = await live.next()) {
      line.end();
      found += page.value.length;
      print(
        io,
        page.value
          .map((room) => rows.row(room))
          .join('')
          .trimEnd(),
      );
    }
    line.end();
    for (const each of describeEnd(page.value, found)) say(io, each);
    return survivors !== undefined && found > 0 ? exitCodes.notGone : exitCodes.ok;
  } catch (error) {
    if (!signal.aborted) throw error;
    line.end();
    say(io, 'interrupted: there may be more rooms');
    return exitCodes.interrupted;
  } finally {
    line.end();
    interrupt.dispose();
  }
}

function describeEnd({ seen, unreadable, movedOn }: ListEnd, found: number): string[] {
  const again = movedOn ? '; the list still moved, so there may be more' : '';
  return [
    `${count(found)} of ${rooms(seen)} that are listed${again}`,
    ...(unreadable > 0 ? [`${rooms(unreadable)} with an id that nobody can ask for`] : []),
    'rooms that are not public are not listed',
  ];
}

function readWish({ createdBefore, createdAfter, owner, match, minViews }: RoomsFlags) {
  const now = Date.now();
  const time = (flag: string, text?: string) =>
    text === undefined ? undefined : readTimeBefore(flag, text, now);
  return {
    createdBeforeMs: time('--created-before', createdBefore),
    createdAfterMs: time('--created-after', createdAfter),
    ...{ owner, match, minViews: minViews === undefined ? undefined : readCount(minViews) },
  };
}

function readCount(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw invalid(`--min-views must be a whole number, got ${printable(JSON.stringify(text))}`);
}

function readFormat(text: string): LiveFormat {
  const format = liveFormats.find((each) => each === text);
  if (format !== undefined) return format;
  throw invalid(
    `--format must be lines, ndjson, csv or table, got ${printable(JSON.stringify(text))}`,
  );
}
