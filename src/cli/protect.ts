/**
 * Protected rooms on the command line: refused before anything is sent, or left out.
 * The worker refuses them once more (src/worker/protected.ts).
 */
import { statSync } from 'node:fs';
import type { Command } from 'commander';
import type { Config } from '../config.js';
import { ReaperError } from '../errors.js';
import type { RoomList } from '../room-list/room-list.js';
import {
  entryProblem,
  protectedRooms,
  readProtectedFile,
  type ProtectedRooms,
} from '../protected-rooms.js';
import { printable } from '../redact.js';
import { say, type Io } from './io.js';
import { count, rooms } from '../text.js';

export interface ProtectFlags {
  protect?: string[];
  skipProtected?: boolean;
}

/** Most protected rooms that are named one by one. */
const namedAtMost = 20;

export function addProtectFlags(
  command: Command,
  collect: (value: string, before: string[] | undefined) => string[],
): Command {
  return command
    .option(
      '--protect <FILE|PATTERN>',
      'rooms never to destroy: a file of RoomIds and * patterns, or one of them; may be given again',
      collect,
    )
    .option('--skip-protected', 'leave protected rooms out instead of stopping');
}

export interface Protection {
  rooms: ProtectedRooms;
  /** Values of `--protect` that are no files: RoomIds and patterns. */
  patterns: string[];
}

/**
 * What `PROTECTED_ROOMS_FILE` and `--protect` name.
 *
 * @throws ReaperError `INVALID` where a file cannot be used or a value is neither a file nor a
 *   pattern: a rail that is not there must not be taken for one.
 */
export function readProtection(
  config: Pick<Config, 'protectedRoomsFile'>,
  flags: ProtectFlags,
): Protection {
  const entries: string[] = [];
  const patterns: string[] = [];
  if (config.protectedRoomsFile !== undefined) {
    entries.push(...readProtectedFile(config.protectedRoomsFile, 'PROTECTED_ROOMS_FILE'));
  }
  for (const value of flags.protect ?? []) {
    if (isFile(value)) {
      entries.push(...readProtectedFile(value, '--protect'));
      continue;
    }
    // A mistyped path would protect nothing.
    if (/[\\/]|\.(txt|csv|list|conf)$/i.test(value)) {
      throw new ReaperError(
        'INVALID',
        `--protect must be a file that exists or a RoomId pattern, got ${JSON.stringify(printable(value))}; there is no such file. For a RoomId that looks like a path, write it into a file`,
      );
    }
    const problem = entryProblem(value);
    if (problem !== undefined) throw new ReaperError('INVALID', `--protect ${problem}`);
    patterns.push(value);
  }
  return { rooms: protectedRooms([...entries, ...patterns]), patterns };
}

function isFile(path: string): boolean {
  // A pipe, as of <(command), counts.
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats !== undefined && !stats.isDirectory();
}

/** Protected rooms that were found in a list. */
export interface Guarded {
  list: RoomList;
  /** Told after the first pass; throws where they are not to be left out. */
  check(flags: ProtectFlags & { dryRun?: boolean }, io: Io): number;
}

/** The list without its protected rooms. */
export function withoutProtected(list: RoomList, protection: Protection): Guarded {
  const found = new Map<string, string>();
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
    if (found.size < namedAtMost) found.set(roomId, entry);
    return true;
  }

  return {
    list: protection.rooms.isEmpty
      ? list
      : {
          name: list.name,
          async *entries(onLayout) {
            for await (const batch of list.entries(onLayout)) {
              yield batch.filter((entry) => !('roomId' in entry) || !isProtected(entry.roomId));
            }
          },
          close: () => list.close(),
        },
    check(flags, io) {
      for (const pattern of unused.keys()) {
        say(
          io,
          `--protect ${JSON.stringify(printable(pattern))} protects no room of this list (there is no such file; it was taken for a RoomId or pattern)`,
        );
      }
      if (total > 0) reportProtected(found, total, flags, io);
      return total;
    },
  };
}

/** @throws ReaperError `INVALID` unless they are to be left out. */
export function reportProtected(
  found: ReadonlyMap<string, string>,
  total: number,
  flags: ProtectFlags & { dryRun?: boolean },
  io: Io,
): void {
  for (const [roomId, entry] of found) {
    say(
      io,
      roomId === entry
        ? `${printable(roomId)} is protected`
        : `${printable(roomId)} is protected by ${JSON.stringify(printable(entry))}`,
    );
  }
  if (total > found.size) say(io, `… and ${count(total - found.size)} more`);
  if (flags.skipProtected) {
    say(io, `${rooms(total)} left out, because they are protected`);
    return;
  }
  if (flags.dryRun) return;
  throw new ReaperError(
    'INVALID',
    `the list has ${total === 1 ? 'a protected room' : `${count(total)} protected rooms`}; nothing was sent. Take them out, or leave them out with --skip-protected`,
  );
}
