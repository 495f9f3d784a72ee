/** What a replay chooses: its flags, checked, and the same in words. */
import { invalid } from '../errors.js';
import { readCodes, readOutcomes } from '../operations/ends.js';
import { replayable, type ReplayRequest } from '../operations/replay.js';
import { checkRoomId } from '../room-id.js';
import { readDuration } from '../when.js';

export interface ChoiceFlags {
  batch?: string;
  code?: string[];
  outcome?: string[];
  since?: string;
  room?: string[];
  all?: boolean;
  force?: boolean;
}

const goneIsNot = '; rooms that are gone, or were created again, are not replayed';

export type Choice = Pick<ReplayRequest, 'codes' | 'outcomes' | 'endedFromMs' | 'roomIds'>;

/** @throws ReaperError `INVALID` where a flag is not valid, or nothing is chosen and `--all` is not said. */
export function readChoice(flags: ChoiceFlags, nowMs: number): Choice {
  const given = [flags.batch, flags.code, flags.outcome, flags.since, flags.room];
  const chosen = given.some((flag) => flag !== undefined);
  if (!chosen && flags.all !== true) {
    throw invalid(
      'nothing to replay; choose by --batch, --code, --outcome, --since or --room, or everything that failed with --all',
    );
  }
  if (chosen && flags.all === true) {
    throw invalid('--all must stand alone; leave it out, or the other flags');
  }
  for (const room of flags.room ?? []) checkRoomId(room, '--room');
  return {
    codes: readCodes('--code', flags.code),
    outcomes: readOutcomes('--outcome', flags.outcome, replayable, goneIsNot),
    endedFromMs:
      flags.since === undefined ? undefined : nowMs - readDuration('--since', flags.since),
    roomIds: flags.room,
  };
}

/** Most rooms that are named in words. */
const roomsNamed = 5;

/** The choice in words, as it is kept with the batch. */
export function describeChoice(flags: ChoiceFlags, parentId: string | undefined): string {
  const { code = [], outcome = [], room = [], since } = flags;
  return [
    ...(parentId === undefined ? [] : [`--batch ${parentId}`]),
    ...code.map((each) => `--code ${each}`),
    ...outcome.map((each) => `--outcome ${each}`),
    ...(since === undefined ? [] : [`--since ${since}`]),
    ...room.slice(0, roomsNamed).map((each) => `--room ${JSON.stringify(each)}`),
    ...(room.length > roomsNamed ? [`and ${room.length - roomsNamed} more rooms`] : []),
    ...(flags.all === true ? ['--all'] : []),
    ...(flags.force === true ? ['--force'] : []),
  ].join(' ');
}
