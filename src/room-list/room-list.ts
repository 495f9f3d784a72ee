import { doubtfulShape, foreignShape } from '../foreign-shape.js';
import { quoted } from '../redact.js';
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

export const roomListFormats = ['lines', 'csv', 'ndjson'] as const;

export type RoomListFormat = (typeof roomListFormats)[number];

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
  /** Why it is hardly meant, and where; it is a room of the list all the same. */
  readonly doubt?: Omit<ProblemEntry, 'position'>;
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

/** A legal RoomId at a position of a file, unless it is there because the list is none of RoomIds. */
export function roomAt(position: number, roomId: string): RoomListEntry {
  const has = foreignShape(roomId);
  if (has !== undefined) {
    return problemAt(
      position,
      `RoomId must stand alone, got ${quoted(roomId)}, which has ${has}; correct it, or where it is meant, give a list of one RoomId a line with --format lines`,
    );
  }
  return withDoubt({ position, roomId }, `line ${position}`, doubtfulShape(roomId));
}

function withDoubt(room: RoomEntry, at: string, has: string | undefined): RoomEntry {
  if (has === undefined) return room;
  return { ...room, doubt: { at, problem: `${quoted(room.roomId)} has ${has}` } };
}

/** The values of `--room` as a list; its problems name the flag instead of a position. */
export function listOf(rooms: readonly string[], flag = '--room'): RoomList {
  const entries = rooms.map((roomId, index): RoomListEntry => {
    const problem = roomIdProblem(roomId);
    const position = index + 1;
    if (problem !== undefined) return { position, at: flag, problem };
    // Somebody named this very room: it is asked for, whatever it looks like.
    return withDoubt({ position, roomId }, flag, foreignShape(roomId) ?? doubtfulShape(roomId));
  });
  return {
    name: flag,
    // oxlint-disable-next-line typescript/require-await -- RoomList is asynchronous for files
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
