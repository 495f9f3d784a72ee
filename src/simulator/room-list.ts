import { readFile } from 'node:fs/promises';
import { ReaperError } from '../errors.js';
import { printable } from '../redact.js';
import { isRoomId } from './check-request.js';
import { parseFaults, type Fault } from './faults.js';

export interface RoomEntry {
  roomId: string;
  faults: Fault[];
}

/** Problems that are spelled out; a wrong file has one in every line. */
const SHOWN = 50;

/** `room-000001` … `room-N`. */
export function* numberedRooms(count: number): Generator<string> {
  for (let number = 1; number <= count; number++) {
    yield `room-${String(number).padStart(6, '0')}`;
  }
}

/**
 * Reads lines `ROOMID` or `ROOMID<TAB>FAULTS` (grammar: faults.ts). Spaces count, a CR at
 * the end does not, blank lines are skipped. A RoomId has no tab, so nothing is ambiguous.
 *
 * Throws ReaperError INVALID that lists every problem with its line.
 */
export function parseRoomList(lines: Iterable<string>, name: string): RoomEntry[] {
  const entries: RoomEntry[] = [];
  const problems: string[] = [];
  let number = 0;
  for (const raw of lines) {
    number++;
    const line = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
    if (line === '') continue;
    const tab = line.indexOf('\t');
    const roomId = tab < 0 ? line : line.slice(0, tab);
    const at = `line ${number}`;
    if (!isRoomId(roomId)) {
      const got = JSON.stringify(roomId.slice(0, 60));
      problems.push(`${at}: RoomId must be 1–48 printable ASCII characters, got ${got}`);
    }
    const parsed = tab < 0 ? undefined : parseFaults(line.slice(tab + 1), 'room');
    for (const problem of parsed?.problems ?? []) problems.push(`${at}: ${problem}`);
    entries.push({ roomId, faults: parsed?.faults ?? [] });
  }
  if (problems.length > 0) throw listProblems(name, problems);
  return entries;
}

/** Reads a room list from a file. Throws ReaperError INVALID when it cannot. */
export async function readRoomList(path: string): Promise<RoomEntry[]> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ReaperError(
      'INVALID',
      `rooms file must be readable, got ${printable(reason)}; check its path`,
      {
        cause,
      },
    );
  }
  return parseRoomList(text.split('\n'), path);
}

function listProblems(name: string, problems: string[]): ReaperError {
  const more = problems.length - SHOWN;
  const shown = problems.slice(0, SHOWN).map((problem) => `  ${problem}`);
  if (more > 0) shown.push(`  and ${more} more`);
  const lines = `lines must be ROOMID or ROOMID<TAB>FAULTS, got ${problems.length} problem(s)`;
  return new ReaperError(
    'INVALID',
    `${printable(name)}: ${lines}; mend them:\n${shown.join('\n')}`,
  );
}
