/**
 * The data directory belongs to one user, and nobody else sees into it: what is in it decides
 * which rooms are destroyed. Windows, where there are no user ids, keeps a home to its user.
 */
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { orUndefined } from './or-undefined.js';

const root = 0;

/** A directory of another user. */
export interface Stranger {
  /** Its owner's name, or `#` and the id, as `sudo -u` takes it. */
  owner: string;
  /** We are root, who may join the owner's database. */
  mayJoin: boolean;
}

/**
 * Whose the data directory is, where it is not ours. What root makes would lock others out of
 * their own directory: where it is not made yet, its nearest parent decides for root.
 */
export function strangerOf(dataDir: string): Stranger | undefined {
  const us = process.geteuid?.();
  const isThere = existsSync(dataDir);
  if (us === undefined || (us !== root && !isThere)) return undefined;
  const { uid } = statSync(nearestOf(dataDir));
  return uid === us ? undefined : { owner: nameOf(uid), mayJoin: us === root && isThere };
}

/** The directory, or, where it is not made yet, the nearest parent that is there. */
export function nearestOf(directory: string): string {
  let nearest = directory;
  while (!existsSync(nearest) && dirname(nearest) !== nearest) nearest = dirname(nearest);
  return nearest;
}

function nameOf(uid: number): string {
  const users = orUndefined(() => readFileSync('/etc/passwd', 'utf8')) ?? '';
  const name = users.split('\n').find((line) => line.split(':')[2] === String(uid));
  return name?.split(':')[0] ?? `#${uid}`;
}

/** What root is told who would run the database in another user's directory. */
export function asOwner({ owner }: Stranger): string {
  return `run it as that user: sudo -u '${owner}' room-reaper …; what root makes there would lock them out`;
}

/**
 * Makes our directory where it is not there, and closes it to others where it is open.
 *
 * @returns whether it was open.
 * @throws the file system's error.
 */
export function closeToOthers(directory: string): boolean {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  if (process.geteuid === undefined || (statSync(directory).mode & 0o077) === 0) return false;
  chmodSync(directory, 0o700);
  return true;
}

/** @throws the file system's error where no file can be made in a directory. */
export function probeWritable(directory: string): void {
  const probe = join(directory, `.probe-${randomBytes(8).toString('hex')}`);
  // Nothing that is there already is written to, nor what a link leads to.
  writeFileSync(probe, '', { flag: 'wx', mode: 0o600 });
  rmSync(probe);
}
