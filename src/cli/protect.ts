/** `--protect` and `PROTECTED_ROOMS_FILE`. The worker refuses these rooms once more (src/worker/protected.ts). */
import { statSync } from 'node:fs';
import type { Command } from 'commander';
import type { Config } from '../config.js';
import type { FoundProtected, Protection } from '../operations/rooms.js';
import { entryProblem, protectedRooms, readProtectedFile } from '../protected-rooms.js';
import { printable } from '../redact.js';
import { count, rooms } from '../text.js';
import { invalid } from './invalid.js';
import { say, type Io } from './io.js';

export interface ProtectFlags {
  protect?: string[];
  skipProtected?: boolean;
}

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

/**
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
      throw invalid(
        `--protect must be a file that exists or a RoomId pattern, got ${JSON.stringify(printable(value))}; there is no such file. For a RoomId that looks like a path, write it into a file`,
      );
    }
    const problem = entryProblem(value);
    if (problem !== undefined) throw invalid(`--protect ${problem}`);
    patterns.push(value);
  }
  return { rooms: protectedRooms([...entries, ...patterns]), patterns };
}

function isFile(path: string): boolean {
  // A pipe, as of <(command), counts.
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats !== undefined && !stats.isDirectory();
}

/** Names the protected rooms that were found, and says where they are left out. */
export function sayProtected({ total, named }: FoundProtected, flags: ProtectFlags, io: Io): void {
  for (const { roomId, entry } of named) {
    const by = roomId === entry ? '' : ` by ${JSON.stringify(printable(entry))}`;
    say(io, `${printable(roomId)} is protected${by}`);
  }
  if (total > named.length) say(io, `… and ${count(total - named.length)} more`);
  if (total > 0 && flags.skipProtected)
    say(io, `${rooms(total)} left out, because they are protected`);
}
