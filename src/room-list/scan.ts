import type { ProblemEntry, RoomListFormat } from './entry.js';
import { Fingerprint } from './fingerprint.js';
import type { RoomList } from './room-list.js';
import { RoomSet } from './room-set.js';

/** Problems that a summary holds. */
const FIRST_PROBLEMS = 20;

/** What the first pass over a list found. */
export interface RoomListSummary {
  /** Undefined for an empty file and for rooms that came from flags. */
  readonly format?: RoomListFormat;
  /** The header's name of the RoomId column; CSV only. */
  readonly column?: string;
  readonly detectedBy?: 'option' | 'extension' | 'content';
  /** Entries that are legal RoomIds: unique + duplicates. */
  readonly valid: number;
  readonly unique: number;
  readonly duplicates: number;
  /** Entries with a problem, all of them. */
  readonly invalid: number;
  /** The first 20 of them. */
  readonly problems: readonly ProblemEntry[];
  /** Hex SHA-256 over the valid RoomIds in order, joined by newlines. */
  readonly fingerprint: string;
}

/** The first pass: counts and checks a list without keeping it. */
export async function scanRoomList(list: RoomList): Promise<RoomListSummary> {
  let layout: Pick<RoomListSummary, 'format' | 'column' | 'detectedBy'> = {};
  const rooms = new RoomSet();
  const fingerprint = new Fingerprint();
  const problems: ProblemEntry[] = [];
  let valid = 0;
  let invalid = 0;
  const entries = list.entries((found) => {
    layout = found;
  });
  for await (const batch of entries) {
    const roomIds: string[] = [];
    for (const entry of batch) {
      if ('roomId' in entry) {
        roomIds.push(entry.roomId);
        rooms.add(entry.roomId);
      } else {
        invalid += 1;
        if (problems.length < FIRST_PROBLEMS) problems.push(entry);
      }
    }
    valid += roomIds.length;
    fingerprint.add(roomIds);
  }
  const unique = rooms.size;
  return {
    ...layout,
    valid,
    unique,
    duplicates: valid - unique,
    invalid,
    problems,
    fingerprint: fingerprint.digest(),
  };
}
