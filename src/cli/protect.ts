/** `--protect` and `PROTECTED_ROOMS_FILE`. The worker refuses these rooms once more (src/worker/protected.ts). */
import type { Command } from 'commander';
import type { Config } from '../config.js';
import type { FoundProtected } from '../operations/rooms.js';
import { describeProtected, readProtected, type Protection } from '../protected-rooms.js';
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

/** Reads them and says how many there are. @throws as {@link readProtected}. */
export function readProtection(
  config: Pick<Config, 'protectedRoomsFile'>,
  flags: ProtectFlags,
  io: Io,
): Protection {
  const protection = readProtected('--protect', flags.protect, config.protectedRoomsFile);
  if (!protection.rooms.isEmpty) say(io, describeProtected(protection.rooms));
  return protection;
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
