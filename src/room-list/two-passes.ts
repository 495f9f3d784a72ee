/** A list is read twice: a first pass checks it, a second gives its rooms. */
import { createHash } from 'node:crypto';
import type { ProblemEntry, RoomEntry, RoomList, RoomListLayout } from './room-list.js';
import { createRoomSet } from './room-set.js';

/** Problems and doubts that a summary holds, unless it is asked for more. */
const firstProblems = 20;

/** What the first pass over a list found; no layout of an empty file or of rooms from flags. */
export interface RoomListSummary extends Partial<RoomListLayout> {
  /** Entries that are legal RoomIds: unique + duplicates. */
  readonly valid: number;
  readonly unique: number;
  readonly duplicates: number;
  /** Entries with a problem, all of them. */
  readonly invalid: number;
  /** The first of them. */
  readonly problems: readonly ProblemEntry[];
  /** Valid entries that are hardly meant, all of them. */
  readonly doubtful: number;
  /** The first of them. */
  readonly doubts: readonly NonNullable<RoomEntry['doubt']>[];
  /** Hex SHA-256 over the valid RoomIds in order, joined by newlines. */
  readonly fingerprint: string;
}

/** The first pass: counts and checks a list without keeping it. @param most - problems that are kept. */
export async function scanRoomList(list: RoomList, most = firstProblems): Promise<RoomListSummary> {
  let layout: Partial<RoomListLayout> = {};
  const rooms = createRoomSet();
  const fingerprint = createFingerprint();
  const problems: ProblemEntry[] = [];
  const doubts: NonNullable<RoomEntry['doubt']>[] = [];
  let doubtful = 0;
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
        if (entry.doubt === undefined) continue;
        doubtful += 1;
        if (doubts.length < most) doubts.push(entry.doubt);
      } else {
        invalid += 1;
        if (problems.length < most) problems.push(entry);
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
    doubtful,
    doubts,
    fingerprint: fingerprint.digest(),
  };
}

/** The rooms of a list, each once, in batches; to be iterated once. */
export interface UniqueRooms extends AsyncIterable<string[]> {
  /**
   * Known once all batches were taken. Where it differs from the scan's, the list was
   * changed between the two passes.
   */
  readonly fingerprint: string | undefined;
}

export interface UniqueRoomsOptions {
  /**
   * What the scan of the same list found. Where it has no duplicates, none are looked for
   * again, which saves the memory of a second set; a list that was changed meanwhile may
   * then have some, and shows it by its fingerprint.
   */
  readonly summary?: Pick<RoomListSummary, 'duplicates'> | undefined;
}

/** The second pass: the valid RoomIds of a list where they are first seen. */
export function uniqueRooms(list: RoomList, { summary }: UniqueRoomsOptions = {}): UniqueRooms {
  const seen = summary?.duplicates === 0 ? undefined : createRoomSet();
  let fingerprint: string | undefined;
  return {
    get fingerprint() {
      return fingerprint;
    },
    async *[Symbol.asyncIterator]() {
      const found = createFingerprint();
      for await (const batch of list.entries()) {
        const roomIds: string[] = [];
        for (const entry of batch) if ('roomId' in entry) roomIds.push(entry.roomId);
        found.add(roomIds);
        const firstSeen = seen ? roomIds.filter((roomId) => seen.add(roomId)) : roomIds;
        if (firstSeen.length > 0) yield firstSeen;
      }
      fingerprint = found.digest();
    },
  };
}

/**
 * SHA-256 over the valid RoomIds of a list in order, joined by newlines: the same rooms in
 * the same order have the same fingerprint, whatever the list's name and format.
 */
function createFingerprint(): {
  add(roomIds: readonly string[]): void;
  /** The hex digest; nothing can be added afterwards. */
  digest(): string;
} {
  const hash = createHash('sha256');
  let isEmpty = true;
  return {
    add(roomIds) {
      if (roomIds.length === 0) return;
      const joined = roomIds.join('\n');
      hash.update(isEmpty ? joined : `\n${joined}`);
      isEmpty = false;
    },
    digest: () => hash.digest('hex'),
  };
}
