import { Fingerprint } from './fingerprint.js';
import type { RoomList } from './room-list.js';
import { RoomSet } from './room-set.js';
import type { RoomListSummary } from './scan.js';

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
  const seen = summary?.duplicates === 0 ? undefined : new RoomSet();
  let fingerprint: string | undefined;
  return {
    get fingerprint() {
      return fingerprint;
    },
    async *[Symbol.asyncIterator]() {
      const found = new Fingerprint();
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
