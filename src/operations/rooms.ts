/** A list of rooms, checked whole before anything is sent: bad lines, duplicates, protected rooms. */
import { ReaperError } from '../errors.js';
import { protectedRooms, type Protection } from '../protected-rooms.js';
import { scanRoomList, type RoomListSummary } from '../room-list/two-passes.js';
import type { RoomList } from '../room-list/room-list.js';
import { printable } from '../redact.js';
import { count } from '../text.js';

export type { Protection };

/** How many entries a list has, and of what kind: the same in every answer about it. */
export interface RoomCounts {
  /** All but the protected ones. */
  requested: number;
  unique: number;
  duplicates: number;
  /** Not RoomIds. */
  invalid: number;
  protected: number;
}

export interface FoundProtected {
  total: number;
  /** The first of them, each with the RoomId or pattern that protects it. */
  named: readonly { roomId: string; entry: string }[];
}

export interface CheckedRooms extends Pick<
  RoomListSummary,
  'format' | 'column' | 'fingerprint' | 'problems' | 'doubtful' | 'doubts'
> {
  /** The list without its protected rooms. */
  list: RoomList;
  counts: RoomCounts;
  protected: FoundProtected;
  /** Patterns that protect no room of the list: mistyped, or a file that is not there. */
  unusedPatterns: readonly string[];
}

/** Most protected rooms that are named one by one. */
export const namedAtMost = 20;

/** Reads the list once and checks all of it. @param mostProblems - that are named; default 20. */
export async function checkRooms(
  list: RoomList,
  protection: Protection,
  mostProblems?: number,
): Promise<CheckedRooms> {
  const named = new Map<string, string>();
  let total = 0;
  const unused = new Map(
    protection.patterns.map((pattern) => [pattern, protectedRooms([pattern])] as const),
  );

  function isProtected(roomId: string): boolean {
    for (const [pattern, rooms] of unused) {
      if (rooms.protects(roomId) !== undefined) unused.delete(pattern);
    }
    const entry = protection.rooms.protects(roomId);
    if (entry === undefined) return false;
    total += 1;
    if (named.size < namedAtMost) named.set(roomId, entry);
    return true;
  }
  const unprotected: RoomList = {
    name: list.name,
    async *entries(onLayout) {
      for await (const batch of list.entries(onLayout)) {
        yield batch.filter((entry) => !('roomId' in entry) || !isProtected(entry.roomId));
      }
    },
    close: () => list.close(),
  };

  const guarded = protection.rooms.isEmpty ? list : unprotected;
  const { valid, unique, duplicates, invalid, ...found } = await scanRoomList(
    guarded,
    mostProblems,
  );
  const counts = { requested: valid + invalid, unique, duplicates, invalid, protected: total };
  return {
    ...found,
    list: guarded,
    counts,
    protected: { total, named: [...named].map(([roomId, entry]) => ({ roomId, entry })) },
    unusedPatterns: [...unused.keys()],
  };
}

export interface LeaveOut {
  skipInvalid?: boolean | undefined;
  skipProtected?: boolean | undefined;
}

/**
 * @throws ReaperError `INVALID` where the list has entries that are not RoomIds and are not to be
 *   left out, or no rooms at all, `REFUSED` where it has protected rooms.
 */
export function refuseUnusable(rooms: CheckedRooms, leaveOut: LeaveOut): void {
  const { unique, invalid } = rooms.counts;
  if (invalid > 0 && !leaveOut.skipInvalid) {
    const entries =
      invalid === 1
        ? 'a line that is not a RoomId'
        : `${count(invalid)} lines that are not RoomIds`;
    throw new ReaperError('INVALID', `the list has ${entries}; nothing was sent`, {
      remedy: 'skip_invalid',
      details: rooms.problems.map(({ position, problem }) => ({ line: position, detail: problem })),
    });
  }
  refuseProtected(rooms.protected, leaveOut);
  if (unique === 0) {
    const left = rooms.protected.total > 0 ? ' that are not protected' : '';
    throw new ReaperError(
      'INVALID',
      `${rooms.list.name} has no rooms in it${left}; nothing was sent`,
    );
  }
}

/** @throws ReaperError `REFUSED` where there are protected rooms and they are not to be left out. */
export function refuseProtected(
  { total, named }: FoundProtected,
  { skipProtected }: LeaveOut,
): void {
  if (total === 0 || skipProtected) return;
  const rooms = total === 1 ? 'a protected room' : `${count(total)} protected rooms`;
  throw new ReaperError('REFUSED', `the list has ${rooms}; nothing was sent`, {
    remedy: 'skip_protected',
    details: named.map(({ roomId, entry }) => ({
      detail: `${printable(roomId)} is protected${roomId === entry ? '' : ` by ${printable(entry)}`}`,
    })),
  });
}

/** A contract with scripts: part of every answer about a list. */
export function roomCountsToJson({ protected: guarded, ...counts }: RoomCounts): object {
  return { ...counts, ...(guarded > 0 ? { protected: guarded } : {}) };
}
