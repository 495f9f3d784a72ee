/**
 * Rooms that are never destroyed: RoomIds, and patterns in which `*` stands for any
 * characters, none included. Pure but for what reads their lists.
 */
import { readFileSync, statSync } from 'node:fs';
import { invalid } from './errors.js';
import { doubtfulShape, foreignShape } from './foreign-shape.js';
import { printable } from './redact.js';
import { isRoomId } from './room-id.js';
import { numbered } from './text.js';

export interface ProtectedRooms {
  /** Whether there is anything in it. */
  readonly isEmpty: boolean;
  readonly rooms: readonly string[];
  /** Entries with a `*` in them. */
  readonly patterns: readonly string[];
  /** The entry that protects this room, or undefined. */
  protects(roomId: string): string | undefined;
}

/** Rooms never to destroy. */
export interface Protection {
  rooms: ProtectedRooms;
  /** Of these RoomIds and patterns it is told where they protect no room of the list. */
  patterns: readonly string[];
}

/** Most characters of a pattern. */
const longestPattern = 200;

/** What other programs take for a pattern or an exception. */
const otherWildcard = /^[!^%]|[?$%]$|\?|\\|\[.*\]|\.\*$|\.\+/;

/**
 * What is wrong with an entry, or undefined. A list that protects less than it seems to is not
 * used: what is hardly meant as it stands is refused too. The way out is a `*` in its place.
 */
export function entryProblem(entry: string): string | undefined {
  const got = `got ${JSON.stringify(printable(entry, 60))}`;
  // Without its stars it is the shortest room that it protects.
  const shortest = entry.replaceAll('*', '');
  const isEntry = entry !== '' && (shortest === '' || isRoomId(shortest));
  if (!isEntry || entry.length > longestPattern) {
    return `must be a RoomId or a pattern of 1–48 printable ASCII characters beside its stars, ${got}`;
  }
  const has =
    foreignShape(entry) ??
    doubtfulShape(entry) ??
    (otherWildcard.test(entry) ? 'a wildcard other than *' : undefined);
  if (has === undefined) return undefined;
  return `must be a RoomId or a pattern and nothing else, ${got}, which has ${has}; where that belongs to the RoomId, write * in its place`;
}

/** `2 RoomIds and 1 pattern are protected`, for whoever wonders whether the list is read as meant. */
export function describeProtected({ rooms, patterns }: ProtectedRooms): string {
  return `${numbered(rooms.length, 'RoomId')} and ${numbered(patterns.length, 'pattern')} are protected`;
}

/** The rooms that `PROTECTED_ROOMS_FILE` protects; none where it is not set. @throws as {@link readProtectedFile}. */
export function configuredProtection(file: string | undefined): ProtectedRooms {
  return protectedRooms(file === undefined ? [] : readProtectedFile(file, 'PROTECTED_ROOMS_FILE'));
}

/**
 * The rooms that a user protects beside those of `PROTECTED_ROOMS_FILE`.
 *
 * @param named - how messages call the values: the flag.
 * @param values - each a file of RoomIds and patterns, or one of them.
 * @throws ReaperError `INVALID` where a file cannot be used or a value is neither a file nor a
 *   pattern: a rail that is not there must not be taken for one.
 */
export function readProtected(
  named: string,
  values: readonly string[] = [],
  configuredFile: string | undefined,
): Protection {
  const configured = configuredProtection(configuredFile);
  const entries = [...configured.rooms, ...configured.patterns];
  const patterns: string[] = [];
  for (const value of values) {
    // A pipe, as of <(command), counts; a directory is refused there.
    if (statSync(value, { throwIfNoEntry: false }) !== undefined) {
      entries.push(...readProtectedFile(value, named));
      continue;
    }
    // A mistyped path would protect nothing.
    if (/[\\/]|\.(txt|csv|list|conf)$/i.test(value)) {
      throw invalid(
        `${named} must be a file that exists or a RoomId pattern, got ${JSON.stringify(printable(value))}; there is no such file. For a RoomId that looks like a path, write it into a file`,
      );
    }
    const problem = entryProblem(value);
    if (problem !== undefined) throw invalid(`${named} ${problem}`);
    patterns.push(value);
  }
  return { rooms: protectedRooms([...entries, ...patterns]), patterns };
}

/** @param entries - RoomIds and patterns. A RoomId with a `*` in it is a pattern that protects it too. */
export function protectedRooms(entries: Iterable<string>): ProtectedRooms {
  const rooms = new Set<string>();
  const patterns: { entry: string; parts: string[] }[] = [];
  for (const entry of entries) {
    if (entry.includes('*')) patterns.push({ entry, parts: entry.split('*') });
    else rooms.add(entry);
  }
  return {
    isEmpty: rooms.size === 0 && patterns.length === 0,
    rooms: [...rooms],
    patterns: patterns.map(({ entry }) => entry),
    protects(roomId) {
      if (rooms.has(roomId)) return roomId;
      return patterns.find(({ parts }) => matches(parts, roomId))?.entry;
    },
  };
}

/**
 * Whether `text` is the parts in their order with anything between them. Each part is taken
 * where it comes first, which is right because what follows may be anything; so it is linear,
 * where a regular expression with many `.*` is not.
 */
function matches(parts: readonly string[], text: string): boolean {
  const first = parts[0] ?? '';
  const last = parts.at(-1) ?? '';
  if (text.length < first.length + last.length) return false;
  if (!text.startsWith(first) || !text.endsWith(last)) return false;
  const end = text.length - last.length;
  let from = first.length;
  for (const part of parts.slice(1, -1)) {
    const at = text.indexOf(part, from);
    if (at < 0 || at + part.length > end) return false;
    from = at + part.length;
  }
  return true;
}

/**
 * Reads a list: one RoomId or pattern a line. Blank lines and the CR of line ends are skipped.
 *
 * @param named - how messages call it: the flag or the variable.
 * @throws ReaperError `INVALID` where it cannot be read, a line is no entry, or it has none.
 */
export function readProtectedFile(path: string, named: string): string[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw invalid(
      `${named} must be a readable file, got ${JSON.stringify(printable(path))} (${code ?? 'unreadable'}); nothing was sent`,
      { cause: error },
    );
  }
  const lines = text.replace(/^\ufeff/, '').split('\n');
  const entries = lines.flatMap((line, index) => {
    const entry = line.replace(/\r$/, '');
    if (entry === '') return [];
    const problem = entryProblem(entry);
    if (problem === undefined) return [entry];
    throw invalid(`${named}: line ${index + 1} of ${printable(path)} ${problem}; nothing was sent`);
  });
  if (entries.length > 0) return entries;
  throw invalid(
    `${named} must have a RoomId or a pattern in it, got none in ${JSON.stringify(printable(path))}; where no room is protected, leave it out; nothing was sent`,
  );
}
