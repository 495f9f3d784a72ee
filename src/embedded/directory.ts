import { chmodSync, existsSync, readFileSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ReaperError } from '../errors.js';
import { orUndefined } from '../or-undefined.js';
import { asOwner, closeToOthers, probeWritable, strangerOf } from '../private-directory.js';
import { syncPath } from './durable.js';
import { createDatabase } from './thread-host.js';

/** PGlite 0.5 is Postgres 18; a data directory belongs to one major version. */
export const postgresMajor = '18';

/**
 * Makes the data directory, for its user only, and checks that files can be made in it.
 *
 * @returns why this user may only join the one who runs the database there (root in another's
 *   directory); undefined: may run it.
 * @throws ReaperError `UNAVAILABLE` where it can do neither.
 */
export function prepareDataDirectory(
  dataDir: string,
  notice: (message: string) => void,
): string | undefined {
  try {
    const stranger = strangerOf(dataDir);
    if (stranger?.mayJoin) return asOwner(stranger);
    // Made between two looks, it may be another's.
    const isOpen = stranger === undefined && closeToOthers(dataDir);
    const other = stranger ?? strangerOf(dataDir);
    if (other !== undefined) {
      const isRoot = process.geteuid?.() === 0;
      throw new ReaperError(
        'UNAVAILABLE',
        `the data directory ${dataDir} must belong to the user who runs room-reaper, got one of ${other.owner}; ${isRoot ? asOwner(other) : 'set ROOM_REAPER_DATA_DIR to a directory of your own, or have its owner changed (chown -R)'}`,
      );
    }
    if (isOpen) {
      notice(`the data directory ${dataDir} was open to other users: it is closed to them (0700)`);
    }
    probeWritable(dataDir);
    return undefined;
  } catch (error) {
    throw explain(dataDir, error);
  }
}

/**
 * The directory of Postgres itself; made where there is none. Call as the owner of the data
 * directory.
 *
 * @throws ReaperError `UNAVAILABLE` where it holds no database of our version, or what went
 *   wrong while one was made.
 */
export async function prepareDatabase(
  dataDir: string,
  notice: (message: string) => void,
): Promise<string> {
  const directory = join(dataDir, 'postgres');
  if (existsSync(directory) && readdirSync(directory).length > 0) {
    checkVersion(dataDir, directory);
    // Earlier versions left its files open to all who could get there.
    chmodSync(directory, 0o700);
    return directory;
  }
  notice(
    `making the embedded database in ${dataDir}; it needs about 300 MB of memory (up to 800 MB this first time) and serves this machine only`,
  );
  // Made beside and moved when whole: a process killed here leaves no half database behind.
  const draft = join(dataDir, 'postgres.new');
  rmSync(draft, { recursive: true, force: true });
  await createDatabase(draft);
  chmodSync(draft, 0o700);
  rmSync(directory, { recursive: true, force: true });
  renameSync(draft, directory);
  syncPath(dataDir);
  return directory;
}

function checkVersion(dataDir: string, directory: string): void {
  const version = orUndefined(() => readFileSync(join(directory, 'PG_VERSION'), 'utf8').trim());
  if (version === postgresMajor) return;
  throw new ReaperError(
    'UNAVAILABLE',
    version === undefined
      ? `${directory} must hold a Postgres database, got files without PG_VERSION; restore it from a backup, or move it away to start with an empty one`
      : `the database in ${dataDir} must be of Postgres ${postgresMajor}, got version ${version}; open it with the room-reaper that made it, or move ${directory} away to start with an empty one`,
  );
}

/** What to do about an error of the file system or of Postgres while the database opens. */
export function explain(dataDir: string, error: unknown): ReaperError {
  if (error instanceof ReaperError) return error;
  const text = error instanceof Error ? error.message : String(error);
  const say = (rule: string, next: string): ReaperError =>
    new ReaperError(
      'UNAVAILABLE',
      `the data directory ${dataDir} must ${rule}, got "${text}"; ${next}`,
      { cause: error },
    );
  if (
    /Cannot find (module|package)|ERR_MODULE_NOT_FOUND|pglite\.(wasm|data)|initdb\.wasm/.test(text)
  ) {
    return new ReaperError(
      'UNAVAILABLE',
      `the embedded database must find the files of the package @electric-sql/pglite, got "${text}"; install it with room-reaper (npm install without --omit=optional), leave both out of a bundle (external), or set QUEUE_URL and DATABASE_URL to servers`,
      { cause: error },
    );
  }
  if (/ENOSPC|EDQUOT|No space left|Disk quota/i.test(text)) {
    return say('have free space', 'free some, or set ROOM_REAPER_DATA_DIR to a larger disk');
  }
  if (/EACCES|EPERM|EROFS|ENOENT|Permission denied|Read-only/i.test(text)) {
    return say(
      'be writable by this user',
      'correct its permissions, or set ROOM_REAPER_DATA_DIR to another directory',
    );
  }
  if (/ENOTDIR|EEXIST/.test(text)) {
    return say('be a directory', 'set ROOM_REAPER_DATA_DIR to another path');
  }
  if (/ENOTSUP|EOPNOTSUPP|EMLINK/.test(text)) {
    return say(
      'be on a file system with hard links',
      'set ROOM_REAPER_DATA_DIR to a directory on a local disk',
    );
  }
  return say(
    'hold a database that opens',
    `keep a copy of it, then restore a backup, or move ${join(dataDir, 'postgres')} away to start with an empty one`,
  );
}
