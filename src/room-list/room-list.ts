import { roomIdProblem } from '../room-id.js';

/** A list of rooms that can be read more than once: a first pass checks it, a second sends it. */
export interface RoomList {
  /** How messages name it: its path, `standard input` or `--room`; safe to print. */
  readonly name: string;
  /** Reads it from its beginning. `onLayout` is told how a file is read, as soon as that is known. */
  entries(onLayout?: (layout: RoomListLayout) => void): AsyncIterable<RoomListEntry[]>;
  /** Gives back the open file. */
  close(): Promise<void>;
}

export type RoomListFormat = 'lines' | 'csv' | 'ndjson';

/** How a list is read, for a notice to the user. */
export interface RoomListLayout {
  readonly format: RoomListFormat;
  /** The header's name of the RoomId column; CSV only. */
  readonly column?: string;
  /** What told the format: the caller, the file's extension, or its beginning. */
  readonly detectedBy: 'option' | 'extension' | 'content';
}

/** One room of a list, or what is wrong at that place of it. */
export type RoomListEntry = RoomEntry | ProblemEntry;

export interface RoomEntry {
  /**
   * Where it stands, from 1: as editors number the lines of a file (a CSV row with line breaks
   * inside: its first), or which of the flags it is.
   */
  readonly position: number;
  readonly roomId: string;
}

export interface ProblemEntry {
  readonly position: number;
  /** The place in words: `line 12`, or `--room`. */
  readonly at: string;
  /** What is wrong, safe to print. */
  readonly problem: string;
}

/** What is wrong at a position of a file. */
export function problemAt(position: number, problem: string): ProblemEntry {
  return { position, at: `line ${position}`, problem };
}

/** The values of `--room` as a list; its problems name the flag instead of a position. */
export function listOf(rooms: readonly string[], flag = '--room'): RoomList {
  const entries = rooms.map((roomId, index): RoomListEntry => {
    const problem = roomIdProblem(roomId);
    const position = index + 1;
    return problem === undefined ? { position, roomId } : { position, at: flag, problem };
  });
  return {
    name: flag,
    // eslint-disable-next-line @typescript-eslint/require-await -- RoomList is asynchronous for files
    async *entries() {
      if (entries.length > 0) yield entries;
    },
    close: () => Promise.resolve(),
  };
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
