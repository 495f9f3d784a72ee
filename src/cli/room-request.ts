/** What `destroy` and `enqueue` have in common: reading the list, checking it, asking for consent. */
import type { Command } from 'commander';
import { ReaperError } from '../errors.js';
import {
  joinRoomLists,
  listOf,
  openRoomList,
  scanRoomList,
  type RoomList,
  type RoomListFormat,
  type RoomListSummary,
} from '../room-list/index.js';
import { printable } from '../redact.js';
import { askedBy } from './asked-by.js';
import { confirmNumber } from './confirm.js';
import { exitCodes, print, say, type Io } from './io.js';
import { forecastToJson, type Forecast } from '../operations/forecast.js';
import { describePlan } from './plan.js';
import {
  addProtectFlags,
  withoutProtected,
  type Protection,
  type ProtectFlags,
} from './protect.js';
import { count, rooms } from '../text.js';

/** More rooms than this need consent. */
export const consentAbove = 1_000;

export interface BatchFlags {
  batch?: string;
  by?: string;
  note?: string;
}

export interface RoomFlags extends ProtectFlags, BatchFlags {
  room?: string[];
  format?: RoomListFormat;
  skipInvalid?: boolean;
  deadline?: string;
  dryRun?: boolean;
  yes?: boolean;
  json?: boolean;
}

export const collect = (value: string, before: string[] | undefined) => [...(before ?? []), value];

export function addRoomFlags(command: Command): Command {
  command
    .argument(
      '[FILE]',
      'list of rooms: one RoomId a line, CSV with a room_id column, or NDJSON; - is stdin',
    )
    .option('--room <ID>', 'a room; may be given again', collect)
    .option('--format <FORMAT>', 'lines, csv or ndjson, where the file does not tell')
    .option('--skip-invalid', 'leave out lines that are not RoomIds instead of stopping');
  addProtectFlags(command, collect);
  return addBatchFlags(command)
    .option('--deadline <TIME>', 'say whether it is done by then, and ask where it is not: 02:30')
    .option('--dry-run', 'say what would be done and how long it takes; send nothing')
    .option('--yes', `do not ask, even for more than ${count(consentAbove)} rooms`)
    .option('--json', 'print one JSON object on stdout');
}

export function addBatchFlags(command: Command): Command {
  return command
    .option('--batch <NAME>', 'name under which these rooms are reported; default: a made-up one')
    .option('--by <NAME>', 'who asks; default: the OS user')
    .option('--note <TEXT>', 'a note that is kept with the batch');
}

/** Longest name, asker and note of a batch, in characters. */
const longest = { '--batch': 200, '--by': 200, '--note': 2_000 };

/**
 * How a batch is called, who asks for it, and why.
 *
 * @throws ReaperError `INVALID` where one of them is empty or too long.
 */
export function readBatchFlags(flags: BatchFlags): {
  name: string | undefined;
  by: string;
  note: string | undefined;
} {
  const given = [
    ['--batch', flags.batch],
    ['--by', flags.by],
    ['--note', flags.note],
  ] as const;
  for (const [flag, value] of given) {
    if (value === undefined || (value !== '' && value.length <= longest[flag])) continue;
    throw new ReaperError(
      'INVALID',
      `${flag} must be 1–${longest[flag]} characters, got ${value.length}; shorten it or leave it out`,
    );
  }
  return { name: flags.batch, by: askedBy(flags.by), note: flags.note };
}

export interface RoomRequest {
  list: RoomList;
  summary: RoomListSummary;
  /** Entries that were left out because they are protected. */
  protected: number;
}

/**
 * Reads the list once and checks all of it.
 *
 * @throws ReaperError `INVALID` where there is none, it is empty, or it has bad lines or
 *   protected rooms and they are not to be skipped. Nothing was sent.
 */
export async function readRoomRequest(
  file: string | undefined,
  flags: RoomFlags,
  protection: Protection,
  io: Io,
): Promise<RoomRequest> {
  if (flags.format !== undefined && !['lines', 'csv', 'ndjson'].includes(flags.format)) {
    throw new ReaperError(
      'INVALID',
      `--format must be lines, csv or ndjson, got ${printable(JSON.stringify(flags.format))}`,
    );
  }
  const lists: RoomList[] = [];
  if (file !== undefined) {
    lists.push(
      await openRoomList(file, {
        stdin: io.stdin as AsyncIterable<Uint8Array>,
        ...(flags.format === undefined ? {} : { format: flags.format }),
      }),
    );
  }
  if (flags.room !== undefined) lists.push(listOf(flags.room));
  if (lists.length === 0) {
    throw new ReaperError('INVALID', 'no rooms given; name a FILE (- for stdin) or a --room ID');
  }
  const guarded = withoutProtected(
    lists.length === 1 && lists[0] ? lists[0] : joinRoomLists(lists),
    protection,
  );
  const { list } = guarded;
  try {
    const summary = await scanRoomList(list);
    if (summary.format !== undefined && summary.format !== 'lines') {
      const column = summary.column === undefined ? '' : `, column ${summary.column}`;
      say(io, `reading ${list.name} as ${summary.format}${column}`);
    }
    reportProblems(summary, flags, io);
    const guardedCount = guarded.check(flags, io);
    if (summary.valid === 0 && !flags.dryRun) {
      const left = guardedCount > 0 ? ' that are not protected' : '';
      throw new ReaperError('INVALID', `${list.name} has no rooms in it${left}; nothing was sent`);
    }
    return { list, summary, protected: guardedCount };
  } catch (error) {
    await list.close();
    throw error;
  }
}

function reportProblems(summary: RoomListSummary, flags: RoomFlags, io: Io): void {
  if (summary.invalid === 0) return;
  for (const { at, problem } of summary.problems) say(io, `${at}: ${problem}`);
  const more = summary.invalid - summary.problems.length;
  if (more > 0) say(io, `… and ${count(more)} more`);
  if (flags.skipInvalid || flags.dryRun) return;
  const lines =
    summary.invalid === 1
      ? 'a line that is not a RoomId'
      : `${count(summary.invalid)} lines that are not RoomIds`;
  throw new ReaperError(
    'INVALID',
    `the list has ${lines}; nothing was sent. Correct it, or leave such lines out with --skip-invalid`,
  );
}

/** Prints what would be done. @returns the exit code: 1 where a deadline would be missed. */
export function printDryRun(
  request: RoomRequest,
  plan: Forecast,
  flags: RoomFlags,
  io: Io,
): number {
  const { summary } = request;
  const missed = plan.deadline?.missedBySeconds !== undefined;
  if (plan.outlook.notCounted !== undefined)
    say(io, `what waits ahead is not counted: ${plan.outlook.notCounted}`);
  if (flags.json) {
    print(
      io,
      JSON.stringify({
        dryRun: true,
        requested: summary.valid + summary.invalid,
        unique: summary.unique,
        duplicates: summary.duplicates,
        invalid: summary.invalid,
        ...(request.protected > 0 ? { protected: request.protected } : {}),
        ...forecastToJson(plan),
      }),
    );
  } else {
    print(
      io,
      `${rooms(summary.unique)} valid, ${count(summary.duplicates)} duplicate, ${count(summary.invalid)} bad${request.protected > 0 ? `, ${count(request.protected)} protected` : ''}: ` +
        describePlan(plan, Date.now()),
    );
  }
  return missed ? exitCodes.notGone : exitCodes.ok;
}

/** @throws ReaperError `INVALID` where consent is needed and was not given. */
export async function askConsent(
  verb: string,
  unique: number,
  flags: { yes?: boolean },
  io: Io,
): Promise<void> {
  if (unique <= consentAbove || flags.yes) return;
  await confirmNumber(
    unique,
    `${verb} ${rooms(unique)} for good?`,
    `${rooms(unique)} need consent; add --yes to ${verb} them all, or --dry-run to see how long it takes`,
    io,
  );
}
