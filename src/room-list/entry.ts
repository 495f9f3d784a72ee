/** One room of a list, or what is wrong at that place of it. */
export type RoomListEntry = RoomEntry | ProblemEntry;

export interface RoomEntry {
  /** Physical line, from 1 (a CSV row with line breaks inside: its first); of a flag, its position. */
  readonly line: number;
  readonly roomId: string;
}

export interface ProblemEntry {
  readonly line: number;
  /** The place in words: `line 12`, or `--room`. */
  readonly at: string;
  /** What is wrong, safe to print. */
  readonly problem: string;
}

export type RoomListFormat = 'lines' | 'csv' | 'ndjson';

/** How a list is read, for a notice to the user. */
export interface RoomListLayout {
  readonly format: RoomListFormat;
  /** The header's name of the RoomId column; CSV only. */
  readonly column?: string;
  /** What told the format: the caller, the file's extension, or its first line. */
  readonly detectedBy: 'option' | 'extension' | 'content';
}

/** Most bytes of one record (a line; a CSV row with its line breaks) that are kept in memory. */
export const MAX_RECORD_BYTES = 64 * 1024;
