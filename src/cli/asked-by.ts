import { userInfo } from 'node:os';

/** Who runs the program, where `--by` does not say: the name of the OS user. */
export function askedBy(flag: string | undefined): string {
  if (flag !== undefined) return flag;
  try {
    return userInfo().username;
  } catch {
    // A container may run as a user that has no name.
    return `uid ${process.getuid?.() ?? 'unknown'}`;
  }
}
