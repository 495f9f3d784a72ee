import type { RoomListEntry, RoomListLayout } from './entry.js';

/** A list of rooms that can be read more than once: a first pass checks it, a second sends it. */
export interface RoomList {
  /** How messages name it: its path, `standard input` or `--room`; safe to print. */
  readonly name: string;
  /** Reads it from its beginning. `onLayout` is told how a file is read, as soon as that is known. */
  entries(onLayout?: (layout: RoomListLayout) => void): AsyncIterable<RoomListEntry[]>;
  /** Gives back the open file. */
  close(): Promise<void>;
}

/** Several lists as one, in their order; closing it closes them. */
export function joinRoomLists(lists: readonly RoomList[]): RoomList {
  return {
    name: lists.map((list) => list.name).join(' and '),
    async *entries(onLayout) {
      for (const list of lists) yield* list.entries(onLayout);
    },
    async close() {
      await Promise.all(lists.map((list) => list.close()));
    },
  };
}
