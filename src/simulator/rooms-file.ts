import { readFile } from 'node:fs/promises';
import { ReaperError } from '../errors.js';
import { printable } from '../redact.js';
import { isRoomId } from '../room-id.js';
import { parseFaults, type Fault } from './faults.js';

export interface RoomWithFaults {
  roomId: string;
  faults: Fault[];
}

/** Problems that are spelled out; a wrong file has one in every row. */
const shownProblems = 50;

/** `room-000001` … `room-N`. */
export function* numberedRooms(count: number): Generator<string> {
  for (let number = 1; number <= count; number++) {
    yield `room-${String(number).padStart(6, '0')}`;
  }
}

/**
 * Reads rows `ROOMID` or `ROOMID<TAB>FAULTS` (grammar: faults.ts). Spaces count, a CR at
 * the end does not, blank rows are skipped. A RoomId has no tab, so nothing is ambiguous.
 *
 * @throws ReaperError `INVALID` that lists every problem with its place.
 */
export function parseRooms(texts: Iterable<string>, name: string): RoomWithFaults[] {
  const entries: RoomWithFaults[] = [];
  const problems: string[] = [];
  let number = 0;
  for (const raw of texts) {
    number++;
    const text = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
    if (text === '') continue;
    const tab = text.indexOf('\t');
    const roomId = tab < 0 ? text : text.slice(0, tab);
    const at = `line ${number}`;
    if (!isRoomId(roomId)) {
      const got = JSON.stringify(roomId.slice(0, 60));
      problems.push(`${at}: RoomId must be 1–48 printable ASCII characters, got ${got}`);
    }
    const parsed = tab < 0 ? undefined : parseFaults(text.slice(tab + 1), 'room');
    for (const problem of parsed?.problems ?? []) problems.push(`${at}: ${problem}`);
    entries.push({ roomId, faults: parsed?.faults ?? [] });
  }
  if (problems.length > 0) throw listProblems(name, problems);
  return entries;
}

/**
 * Reads such rows from a file.
 *
 * @throws ReaperError `INVALID` where it cannot.
 */
export async function readRoomsFile(path: string): Promise<RoomWithFaults[]> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const message = `rooms file must be readable, got ${printable(reason)}; check its path`;
    throw new ReaperError('INVALID', message, { cause });
  }
  return parseRooms(text.split('\n'), path);
}

function listProblems(name: string, problems: string[]): ReaperError {
  const more = problems.length - shownProblems;
  const shown = problems.slice(0, shownProblems).map((problem) => `  ${problem}`);
  if (more > 0) shown.push(`  and ${more} more`);
  const rule = `lines must be ROOMID or ROOMID<TAB>FAULTS, got ${problems.length} problem(s)`;
  return new ReaperError('INVALID', `${printable(name)}: ${rule}; mend them:\n${shown.join('\n')}`);
}
