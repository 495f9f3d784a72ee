/** What `destroy` and `enqueue` have in common: the list, what is said of it, and consent. */
import type { Command } from 'commander';
import type { Config } from '../config.js';
import type { Precautions } from '../destruction.js';
import { invalid } from '../errors.js';
import {
  checkLabel,
  previewToJson,
  type BatchLabel,
  type EnqueueRequest,
} from '../operations/enqueue.js';
import { userOfMachine } from '../operations/actions.js';
import { forecast, type Forecast, type Outlook } from '../operations/forecast.js';
import { lookAhead, unseenOutlook } from '../operations/look-ahead.js';
import { checkRooms, refuseUnusable, type CheckedRooms } from '../operations/rooms.js';
import { appOf, type Service } from '../operations/service.js';
import { readOneOf } from '../one-of.js';
import { printable } from '../redact.js';
import { joinRoomLists, listOf, roomListFormats, type RoomList } from '../room-list/room-list.js';
import { openRoomList } from '../room-list/open-room-list.js';
import { count, describePrecautions, rooms } from '../text.js';
import { confirmNumber } from './confirm.js';
import { onInterrupt } from './interrupt.js';
import { collect, exitCodes, print, say, type Io } from './io.js';
import { acceptPlan, describePlan } from './plan.js';
import { addProtectFlags, readProtection, sayProtected, type ProtectFlags } from './protect.js';
import { readTime, readTimeBefore } from '../when.js';

/** More rooms than this need consent. */
export const consentAbove = 1_000;

export interface BatchFlags {
  batch?: string;
  by?: string;
  note?: string;
}

/** Who asks: who runs the program, where `--by` does not say. */
export function askedBy(flag: string | undefined): string {
  return flag ?? userOfMachine();
}

export interface RoomFlags extends ProtectFlags, BatchFlags {
  room?: string[];
  format?: string;
  skipInvalid?: boolean;
  deadline?: string;
  onlyCreatedBefore?: string;
  snapshot?: boolean;
  dryRun?: boolean;
  yes?: boolean;
  json?: boolean;
}

export function addRoomFlags(command: Command): Command {
  command
    .argument(
      '[FILE]',
      'list of rooms: one RoomId a line, CSV with a room_id column, or NDJSON; - is stdin',
    )
    .option('--room <ID>', 'a room; may be given again', collect)
    .option('--format <FORMAT>', 'lines, csv or ndjson, where the file does not tell')
    .option('--skip-invalid', 'leave out lines that are not RoomIds instead of stopping');
  return addProtectFlags(command)
    .option('--batch <NAME>', 'name under which these rooms are reported; default: a made-up one')
    .option('--by <NAME>', 'who asks; default: the OS user')
    .option('--note <TEXT>', 'a note that is kept with the batch')
    .option('--deadline <TIME>', 'say whether it is done by then, and ask where it is not: 02:30')
    .option('--only-created-before <TIME>', 'leave rooms alone that were created later: 23:00')
    .option('--snapshot', 'read the statistics of each room before it is destroyed')
    .option('--dry-run', 'say what would be done and how long it takes; send nothing')
    .option('--yes', `do not ask, even for more than ${count(consentAbove)} rooms`)
    .option('--json', 'print one JSON object on stdout');
}

/**
 * How a batch is called, who asks for it, and why.
 *
 * @throws ReaperError `INVALID` where one of them is empty or too long.
 */
export function readBatchFlags(flags: Pick<BatchFlags, 'by' | 'note'>, name?: string): BatchLabel {
  const { by, note } = flags;
  checkLabel({ name: '--batch', by: '--by', note: '--note' }, { name, by, note });
  return { name, by: askedBy(by), note };
}

interface RoomTask extends Pick<EnqueueRequest, 'lane' | 'notBeforeMs'> {
  verb: 'destroy' | 'enqueue';
  config: Config;
  file: string | undefined;
  flags: RoomFlags;
  /** Neither queue nor ledger are those of the configuration: nothing waits ahead. */
  unseen: boolean;
  /** Opens the service that the rooms are for. */
  open: (use: (service: Service) => Promise<number>) => Promise<number>;
}

/** What is left to do once the rooms are checked and there is consent. @returns the exit code. */
export type UseRooms = (
  service: Service,
  request: EnqueueRequest,
  signal: AbortSignal,
) => Promise<number>;

/**
 * Reads the list and checks all of it, says what would be done (`--dry-run`) or asks for
 * consent, and hands it to `use`.
 *
 * @returns the exit code.
 * @throws ReaperError where the list cannot be used or there is no consent. Nothing was sent.
 */
export async function withRooms(task: RoomTask, io: Io, use: UseRooms): Promise<number> {
  const { verb, config, flags, lane, notBeforeMs, unseen } = task;
  const label = readBatchFlags(flags, flags.batch);
  const deadlineMs =
    flags.deadline === undefined ? undefined : readTime('--deadline', flags.deadline, Date.now());
  const precautions = readPrecautions(flags, notBeforeMs);
  for (const each of describePrecautions(precautions)) say(io, each);
  const protection = readProtection(config, flags, io);
  const list = await openList(task.file, flags, io);
  try {
    const checked = await checkRooms(list, protection);
    sayChecked(checked, flags, io);
    if (!flags.dryRun) refuseUnusable(checked, flags);
    const { unique } = checked.counts;
    const newRooms = { rooms: unique, lane, precautions };
    /** @param isToBe - the rooms are asked for then. */
    const plan = async (isToBe: boolean) => {
      const outlook = unseen
        ? unseenOutlook(config, precautions)
        : await lookAhead(config, newRooms, isToBe);
      return forecast({ rooms: unique, outlook, nowMs: Date.now(), notBeforeMs, deadlineMs });
    };
    if (flags.dryRun) {
      const planned = await plan(false);
      if (config.sdkAppId !== 0 && !unseen) say(io, appOf(config));
      const code = printDryRun(checked, planned, precautions, flags, io);
      // It ends as the run would.
      refuseUnusable(checked, flags);
      return code;
    }
    if (deadlineMs !== undefined) {
      const planned = await plan(true);
      sayNotCounted(planned.outlook, io);
      await acceptPlan(planned, flags.yes ?? false, io);
    }
    // Nothing is made for what nobody agrees to.
    await askConsent(verb, unique, unseen ? undefined : config, flags, io);
    const interrupt = onInterrupt(io);
    try {
      return await task.open((service) =>
        use(
          service,
          { ...label, rooms: checked, lane, notBeforeMs, precautions },
          interrupt.signal,
        ),
      );
    } finally {
      interrupt.dispose();
    }
  } finally {
    await list.close();
  }
}

function readPrecautions(flags: RoomFlags, dueMs = Date.now()): Precautions {
  const { onlyCreatedBefore: before, snapshot } = flags;
  if (before === undefined) return { snapshot };
  return { snapshot, onlyCreatedBeforeMs: readTimeBefore('--only-created-before', before, dueMs) };
}

async function openList(file: string | undefined, flags: RoomFlags, io: Io): Promise<RoomList> {
  const { room } = flags;
  const format =
    flags.format === undefined ? undefined : readOneOf('--format', roomListFormats, flags.format);
  const stdin = io.stdin as AsyncIterable<Uint8Array>;
  const lists = [
    ...(file === undefined ? [] : [await openRoomList(file, { stdin, format })]),
    ...(room === undefined ? [] : [listOf(room)]),
  ];
  if (lists.length === 0) throw invalid('no rooms given; name a FILE (- for stdin) or a --room ID');
  return joinRoomLists(lists);
}

function sayChecked(checked: CheckedRooms, flags: RoomFlags, io: Io): void {
  const { format, column, problems, doubts, counts } = checked;
  if (format !== undefined && format !== 'lines') {
    const where = column === undefined ? '' : `, column ${column}`;
    say(io, `reading ${checked.list.name} as ${format}${where}`);
  }
  for (const { at, problem } of problems) say(io, `${at}: ${problem}`);
  const more = counts.invalid - problems.length;
  if (more > 0) say(io, `… and ${count(more)} more`);
  for (const { at, problem } of doubts) say(io, `warning: ${at}: ${problem}; taken as a RoomId`);
  if (checked.doubtful > doubts.length)
    say(io, `… and ${count(checked.doubtful - doubts.length)} more like these`);
  for (const pattern of checked.unusedPatterns) {
    say(
      io,
      `--protect ${JSON.stringify(printable(pattern))} protects no room of this list (there is no such file; it was taken for a RoomId or pattern)`,
    );
  }
  sayProtected(checked.protected, flags, io);
}

/** Prints what would be done. @returns the exit code: 1 where a deadline would be missed. */
function printDryRun(
  { counts }: CheckedRooms,
  plan: Forecast,
  precautions: Precautions,
  flags: RoomFlags,
  io: Io,
): number {
  sayNotCounted(plan.outlook, io);
  const guarded = counts.protected > 0 ? `, ${count(counts.protected)} protected` : '';
  print(
    io,
    flags.json
      ? JSON.stringify(previewToJson(counts, precautions, plan))
      : `${rooms(counts.unique)} valid, ${count(counts.duplicates)} duplicate, ${count(counts.invalid)} bad${guarded}: ${describePlan(plan)}`,
  );
  return plan.deadline?.missedBySeconds === undefined ? exitCodes.ok : exitCodes.notGone;
}

function sayNotCounted({ notCounted }: Outlook, io: Io): void {
  if (notCounted !== undefined) say(io, `what waits ahead is not counted: ${notCounted}`);
}

/** Goes on with a batch that was not finished: the same list under the same name. */
export function sayGoesOn(batch: { id: string; name: string; isNew: boolean }, io: Io): void {
  if (batch.isNew) return;
  say(io, `going on with batch ${batch.id} (${printable(batch.name)}), which was not finished`);
}

/** Says of a run that was interrupted what is to be done. @returns the exit code. */
export function sayInterrupted(io: Io): number {
  say(io, 'interrupted; run the same command again to add the rest: nothing is added twice');
  return exitCodes.interrupted;
}

/** What stands on the queue for a batch, beside what was added for it. */
export function printJoined(
  batch: { id: string; name: string },
  { pending, finished }: { pending: number; finished: number },
  io: Io,
): void {
  if (pending > 0) print(io, `${rooms(pending)} pending already, not asked for twice`);
  if (finished > 0) print(io, `${rooms(finished)} of this batch ended before`);
  print(io, `batch ${printable(batch.name)} ${batch.id}`);
}

/**
 * @param config - undefined: it is a simulation, and no app's.
 * @throws ReaperError `REFUSED` where consent is needed and was not given.
 */
export async function askConsent(
  verb: string,
  unique: number,
  config: Config | undefined,
  flags: { yes?: boolean },
  io: Io,
): Promise<void> {
  if (unique <= consentAbove || flags.yes) return;
  const ofApp = config === undefined ? '' : ` of ${appOf(config)}`;
  await confirmNumber(
    unique,
    `${verb} ${rooms(unique)}${ofApp} for good?`,
    `${rooms(unique)} need consent; add --yes to ${verb} them all, or --dry-run to see how long it takes`,
    io,
  );
}
