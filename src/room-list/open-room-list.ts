import { randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ReaperError } from '../errors.js';
import { printable } from '../redact.js';
import { readRoomList } from './read-room-list.js';
import type { RoomList, RoomListFormat } from './room-list.js';

export interface OpenRoomListOptions {
  /** What `-` reads. */
  readonly stdin: AsyncIterable<Uint8Array>;
  /** Where a list that can be read only once is kept meanwhile; default: the system's temporary directory. */
  readonly spoolDir?: string | undefined;
  /** The format, whatever extension and content say. */
  readonly format?: RoomListFormat | undefined;
}

const readBytes = 64 * 1024;

/**
 * Opens a list of rooms: a file, or standard input for `-`. What is no regular file (a
 * pipe, `<(command)`) is copied to a temporary file first, because the list is read twice.
 * The file stays open between the passes: renaming or replacing it changes nothing.
 *
 * @throws ReaperError `INVALID` where it cannot be read.
 */
export async function openRoomList(
  pathOrDash: string,
  options: OpenRoomListOptions,
): Promise<RoomList> {
  const spoolDir = options.spoolDir ?? tmpdir();
  if (pathOrDash === '-') {
    return listIn(await spool(options.stdin, spoolDir), 'standard input', undefined, options);
  }
  const file = await openFile(pathOrDash, spoolDir);
  return listIn(file, shown(pathOrDash), pathOrDash, options);
}

function listIn(
  file: FileHandle,
  name: string,
  path: string | undefined,
  { format }: OpenRoomListOptions,
): RoomList {
  return {
    name,
    entries: (onLayout) => readRoomList(bytesOf(file), { name: path, format, onLayout }),
    close: () => file.close(),
  };
}

async function openFile(path: string, spoolDir: string): Promise<FileHandle> {
  const file = await open(path, 'r').catch((error: unknown) => {
    throw openFailure(path, error);
  });
  let spooled: FileHandle | undefined;
  try {
    const stats = await file.stat();
    if (stats.isFile()) return file;
    if (stats.isDirectory()) throw openFailure(path, { code: 'EISDIR' });
    spooled = await spool(file.createReadStream({ autoClose: false }), spoolDir);
  } catch (error) {
    await file.close();
    throw error;
  }
  await file.close();
  return spooled;
}

/**
 * Copies a stream that can be read only once into a temporary file and returns it open.
 * The file is readable by this user alone (0600) and loses its name at once, so that it is
 * gone when it is closed, also after a crash or kill -9.
 */
async function spool(source: AsyncIterable<Uint8Array>, spoolDir: string): Promise<FileHandle> {
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
    `A room list from a pipe must be copied to "${shown(spoolDir)}" to be read twice, got ${got}; make room or set another temporary directory (TMPDIR), or give the list as a file`,
    { cause },
  );
}

/** Reads from the beginning, at positions of its own; the chunk is overwritten by the next. */
async function* bytesOf(file: FileHandle): AsyncGenerator<Buffer, void, undefined> {
  const buffer = Buffer.allocUnsafe(readBytes);
  for (let position = 0; ;) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
    if (bytesRead === 0) return;
    position += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

/** Why a list cannot be opened, and what to do about it. */
function openFailure(path: string, cause: unknown): ReaperError {
  const code = (cause as NodeJS.ErrnoException).code ?? String(cause);
  const name = `"${shown(path)}"`;
  return new ReaperError('INVALID', messages[code]?.(name) ?? unreadable(name, code), { cause });
}

const messages: Readonly<Record<string, (name: string) => string>> = {
  ENOENT: (name) =>
    `Room list must be a file that exists, got ${name}; check the path, or pass - for standard input`,
  EISDIR: (name) => `Room list must be a file, got the directory ${name}; name a file in it`,
  EACCES: (name) =>
    `Room list must be readable, got no permission for ${name}; change its permissions, or pass it through standard input with -`,
};

function unreadable(name: string, code: string): string {
  return `Room list must be readable, got ${code} for ${name}; check the path, or pass - for standard input`;
}

/** A path whole: its end tells most. */
function shown(path: string): string {
  return printable(path, path.length);
}
