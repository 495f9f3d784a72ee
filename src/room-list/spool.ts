import { randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ReaperError } from '../errors.js';
import { shownPath } from './shown.js';

/**
 * Copies a stream that can be read only once into a temporary file and returns it open.
 * The file is readable by this user alone (0600) and loses its name at once, so that it is
 * gone when it is closed, also after a crash or kill -9.
 */
export async function spool(
  source: AsyncIterable<Uint8Array>,
  spoolDir: string,
): Promise<FileHandle> {
  const file = await createSpoolFile(spoolDir);
  try {
    await writeFile(file, source);
    return file;
  } catch (error) {
    await file.close();
    throw spoolFailure(spoolDir, error);
  }
}

async function createSpoolFile(spoolDir: string): Promise<FileHandle> {
  const path = join(spoolDir, `room-reaper-list-${randomUUID()}`);
  try {
    await mkdir(spoolDir, { recursive: true });
    const file = await open(path, 'wx+', 0o600);
    await unlink(path);
    return file;
  } catch (error) {
    throw spoolFailure(spoolDir, error);
  }
}

function spoolFailure(spoolDir: string, cause: unknown): ReaperError {
  const got = (cause as NodeJS.ErrnoException).code ?? String(cause);
  return new ReaperError(
    'INVALID',
    `A room list from a pipe must be copied to "${shownPath(spoolDir)}" to be read twice, got ${got}; make room or set another temporary directory (TMPDIR), or give the list as a file`,
    { cause },
  );
}
