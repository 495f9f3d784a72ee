/**
 * Rooms that are never destroyed: RoomIds, and patterns in which `*` stands for any
 * characters, none included. Pure but for `readProtectedFile`.
 */
import { readFileSync } from 'node:fs';
import { ReaperError } from './errors.js';
import { printable } from './redact.js';

export interface ProtectedRooms {
  /** Whether there is anything in it. */
  readonly isEmpty: boolean;
  readonly rooms: readonly string[];
  /** Entries with a `*` in them. */
  readonly patterns: readonly string[];
  /** The entry that protects this room, or undefined. */
  protects(roomId: string): string | undefined;
}

/** What a RoomId may hold, and `*`, which is one of these characters itself. */
const entryRule = /^[\x20-\x7e]{1,200}$/;

/** What is wrong with an entry, or undefined. */
export function entryProblem(entry: string): string | undefined {
  return entryRule.test(entry)
    ? undefined
    : `must be a RoomId or a pattern of 1–200 printable ASCII characters, got ${JSON.stringify(printable(entry, 60))}`;
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
 * Reads a list: one RoomId or pattern a line. Blank lines and the CR of line ends are skipped;
 * spaces count, as in lists of rooms.
 *
 * @param named - how messages call it: the flag or the variable.
 * @throws ReaperError `INVALID` where it cannot be read or a line is no entry: a list that
 *   protects less than it seems to is not used.
 */
export function readProtectedFile(path: string, named: string): string[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new ReaperError(
      'INVALID',
      `${named} must be a readable file, got ${JSON.stringify(printable(path))} (${code ?? 'unreadable'}); nothing was sent`,
      { cause: error },
    );
  }
  return text
    .replace(/^\ufeff/, '')
    .split('\n')
    .flatMap((line, index) => {
      const entry = line.replace(/\r$/, '');
      if (entry === '') return [];
      const problem = entryProblem(entry);
      if (problem === undefined) return [entry];
      throw new ReaperError(
        'INVALID',
        `${named}: line ${index + 1} of ${printable(path)} ${problem}; nothing was sent`,
      );
    });
}
