/** `--protect` and `PROTECTED_ROOMS_FILE`. The worker refuses these rooms once more (src/worker/protected.ts). */
import { statSync } from 'node:fs';
import type { Command } from 'commander';
import type { Config } from '../config.js';
import { invalid } from '../errors.js';
import type { FoundProtected, Protection } from '../operations/rooms.js';
import {
  configuredProtection,
  describeProtected,
  entryProblem,
  protectedRooms,
  readProtectedFile,
} from '../protected-rooms.js';
import { printable } from '../redact.js';
import { count, rooms } from '../text.js';
import { collect, say, type Io } from './io.js';

export interface ProtectFlags {
  protect?: string[];
  skipProtected?: boolean;
}

export function addProtectFlags(command: Command): Command {
  return command
    .option(
      '--protect <FILE|PATTERN>',
      'rooms never to destroy: a file of RoomIds and * patterns, or one of them; may be given again',
      collect,
    )
    .option('--skip-protected', 'leave protected rooms out instead of stopping');
}

/**
 * Reads them and says how many there are.
 *
 * @throws ReaperError `INVALID` where a file cannot be used or a value is neither a file nor a
 *   pattern: a rail that is not there must not be taken for one.
 */
export function readProtection(
  config: Pick<Config, 'protectedRoomsFile'>,
  flags: ProtectFlags,
  io: Io,
): Protection {
  const configured = configuredProtection(config.protectedRoomsFile);
  const entries = [...configured.rooms, ...configured.patterns];
  const patterns: string[] = [];
  for (const value of flags.protect ?? []) {
    const stats = statSync(value, { throwIfNoEntry: false });
    // A pipe, as of <(command), counts; a directory is refused there.
    if (stats !== undefined) {
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
  const all = protectedRooms([...entries, ...patterns]);
  if (!all.isEmpty) say(io, describeProtected(all));
  return { rooms: all, patterns };
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
