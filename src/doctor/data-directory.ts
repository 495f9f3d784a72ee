/** Where the embedded database keeps its data. Makes nothing but a file that it takes away again. */
import { existsSync, statfsSync, statSync, accessSync, constants } from 'node:fs';
import { join, resolve } from 'node:path';
import {
  asOwner,
  nearestOf,
  probeWritable,
  strangerOf,
  type Stranger,
} from '../private-directory.js';
import { orUndefined } from '../or-undefined.js';
import { ok, problem, warning, type Finding } from './finding.js';

export interface DirectoryFacts {
  /** It holds a database; else the first program that uses it makes one. */
  made: boolean;
  /** Error code of the file system; undefined: it can be written. */
  cannotWrite: string | undefined;
  freeBytes: number | undefined;
  /** Whose it is, where it is not ours. */
  stranger?: Stranger | undefined;
}

export function readDataDirectory(dataDir: string): DirectoryFacts {
  const directory = resolve(dataDir);
  // Where it is not made yet, its nearest parent decides.
  const nearest = nearestOf(directory);
  const stranger = strangerOf(directory);
  let cannotWrite: string | undefined;
  try {
    if (!statSync(nearest).isDirectory()) cannotWrite = 'ENOTDIR';
    else if (nearest === directory && stranger === undefined) probeWritable(directory);
    else accessSync(nearest, constants.W_OK);
  } catch (error) {
    cannotWrite = (error as NodeJS.ErrnoException).code ?? 'unknown error';
  }
  const space = orUndefined(() => statfsSync(nearest));
  return {
    made: existsSync(join(directory, 'postgres', 'PG_VERSION')),
    cannotWrite,
    freeBytes: space && space.bavail * space.bsize,
    stranger,
  };
}

const megabyte = 1_048_576;

/** An empty database takes about 40 MB, its log up to as much again; 100,000 rooms about 100 MB. */
const littleSpace = 1_024 * megabyte;
const tooLittleSpace = 128 * megabyte;

export function judgeDataDirectory(facts: DirectoryFacts, dataDir: string): Finding {
  const { made, cannotWrite, freeBytes: free, stranger } = facts;
  if (stranger !== undefined && !stranger.mayJoin) {
    return problem(
      `${dataDir} must belong to the user who runs room-reaper, got one of ${stranger.owner}`,
      process.geteuid?.() === 0
        ? asOwner(stranger)
        : 'set ROOM_REAPER_DATA_DIR to a directory of your own, or have its owner changed (chown -R)',
    );
  }
  if (cannotWrite !== undefined) {
    return problem(
      `${dataDir} must be a directory that this user may write, got ${cannotWrite}`,
      'correct its permissions, or set ROOM_REAPER_DATA_DIR to another directory',
    );
  }
  if (free !== undefined && free < littleSpace) {
    const text = `${Math.round(free / megabyte)} MB are free for ${dataDir}`;
    const remedy = 'free some, or set ROOM_REAPER_DATA_DIR to a larger disk';
    return free < tooLittleSpace ? problem(text, remedy) : warning(text, remedy);
  }
  const space = free === undefined ? '' : `, ${(free / megabyte / 1_024).toFixed(1)} GB free`;
  return ok(
    made
      ? `${dataDir} can be written${space}`
      : `${dataDir} holds no database yet; the first program that uses it makes one${space}`,
  );
}
