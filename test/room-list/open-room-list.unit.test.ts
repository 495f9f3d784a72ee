import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import {
  appendFile,
  chmod,
  mkdtemp,
  readdir,
  readlink,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ReaperError } from '../../src/errors.js';
import { openRoomList } from '../../src/room-list/open-room-list.js';
import { scanRoomList, uniqueRooms } from '../../src/room-list/two-passes.js';
import { all, chunksOf } from './lists.js';
import { unprivileged } from '../support/unprivileged.js';

let folder: string;
const noStdin = chunksOf();

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'room-list-test-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

async function written(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
}

test('a file is read twice, its extension tells the format', async () => {
  const path = await written('rooms.csv', 'room_id\na\nb\na\n');
  const list = await openRoomList(path, { stdin: noStdin });
  expect(list.name).toBe(path);
  expect(await scanRoomList(list)).toMatchObject({
    format: 'csv',
    column: 'room_id',
    detectedBy: 'extension',
    unique: 2,
  });
  expect(await all(uniqueRooms(list))).toEqual(['a', 'b']);
  await list.close();
});

test('a format given by the caller holds for both passes', async () => {
  const path = await written('rooms.csv', 'room_id\na\n');
  const list = await openRoomList(path, { stdin: noStdin, format: 'lines' });
  expect(await scanRoomList(list)).toMatchObject({ format: 'lines', unique: 2 });
  expect(await all(uniqueRooms(list))).toEqual(['room_id', 'a']);
  await list.close();
});

test('a file that is replaced or removed between the passes is read as it was', async () => {
  const path = await written('rooms.txt', 'a\nb\n');
  const list = await openRoomList(path, { stdin: noStdin });
  const summary = await scanRoomList(list);
  await rename(await written('other.txt', 'c\n'), path);
  await rm(path);
  const rooms = uniqueRooms(list, { summary });
  expect(await all(rooms)).toEqual(['a', 'b']);
  expect(rooms.fingerprint).toBe(summary.fingerprint);
  await list.close();
});

test('a file that grows between the passes has another fingerprint', async () => {
  const path = await written('rooms.txt', 'a\nb\n');
  const list = await openRoomList(path, { stdin: noStdin });
  const summary = await scanRoomList(list);
  await appendFile(path, 'c\n');
  const rooms = uniqueRooms(list, { summary });
  expect(await all(rooms)).toEqual(['a', 'b', 'c']);
  expect(rooms.fingerprint).not.toBe(summary.fingerprint);
  await list.close();
});

test('- is standard input, read twice, and leaves no file', async () => {
  const spoolDir = join(folder, 'spool');
  const stdin = Readable.from([Buffer.from('room_id\na'), Buffer.from('b\nc\n')]);
  const list = await openRoomList('-', { stdin, spoolDir });
  expect(list.name).toBe('standard input');
  expect(await scanRoomList(list)).toMatchObject({
    format: 'csv',
    detectedBy: 'content',
    unique: 2,
  });
  expect(await all(uniqueRooms(list))).toEqual(['ab', 'c']);
  await list.close();
  expect(await readdir(spoolDir)).toEqual([]);
});

test.runIf(process.platform === 'linux')(
  'standard input is kept in a file that only this user could read, and that a crash would not leave',
  async () => {
    const spoolDir = join(folder, 'spool');
    const list = await openRoomList('-', { stdin: Readable.from([Buffer.from('a')]), spoolDir });
    const kept = await openFilesIn(spoolDir);
    expect(kept.map(({ mode }) => mode & 0o777)).toEqual([0o600]);
    expect(await readdir(spoolDir)).toEqual([]);
    await list.close();
    expect(await openFilesIn(spoolDir)).toEqual([]);
  },
);

/** The files below a folder that this process has open, whether or not they still have a name. */
async function openFilesIn(spoolDir: string) {
  const descriptors = (await readdir('/proc/self/fd')).map((fd) => `/proc/self/fd/${fd}`);
  const targets = await Promise.all(descriptors.map((fd) => readlink(fd).catch(() => '')));
  const kept = descriptors.filter((_, index) => targets[index]?.startsWith(spoolDir));
  return await Promise.all(kept.map((fd) => stat(fd)));
}

test('standard input that breaks off leaves no file and is an error', async () => {
  const spoolDir = join(folder, 'spool');
  // oxlint-disable-next-line typescript/require-await -- stands for a stream
  async function* broken() {
    yield Buffer.from('a\n');
    throw Object.assign(new Error('read failed'), { code: 'EIO' });
  }
  await expect(openRoomList('-', { stdin: broken(), spoolDir })).rejects.toMatchObject({
    code: 'INVALID',
    message: expect.stringContaining('got EIO;') as unknown,
  });
  expect(await readdir(spoolDir)).toEqual([]);
});

test.skipIf(process.platform === 'win32')('a named pipe is read twice too', async () => {
  const path = join(folder, 'pipe');
  execFileSync('mkfifo', [path]);
  const writing = writeFile(path, 'a\nb\n');
  const list = await openRoomList(path, { stdin: noStdin, spoolDir: folder });
  await writing;
  expect(await scanRoomList(list)).toMatchObject({ unique: 2 });
  expect(await all(uniqueRooms(list))).toEqual(['a', 'b']);
  await list.close();
  expect(await readdir(folder)).toEqual(['pipe']);
});

async function refusal(path: string, spoolDir?: string): Promise<string> {
  const stdin = chunksOf('a\n');
  const error = await openRoomList(path, { stdin, spoolDir }).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(ReaperError);
  expect(error).toMatchObject({ code: 'INVALID' });
  return (error as ReaperError).message;
}

test('a file that does not exist is refused with the next step', async () => {
  const path = join(folder, 'no\u001b[31m房间.txt');
  expect(await refusal(path)).toBe(
    `Room list must be a file that exists, got "${join(folder, 'no')}\\u001b[31m房间.txt"; check the path, or pass - for standard input`,
  );
});

test('a directory is refused', async () => {
  expect(await refusal(folder)).toBe(
    `Room list must be a file, got the directory "${folder}"; name a file in it`,
  );
});

test('a path below a file is refused', async () => {
  const path = await written('rooms.txt', '');
  expect(await refusal(join(path, 'x'))).toContain('Room list must be readable, got ENOTDIR for');
});

test('a file without permission is refused', async () => {
  const path = await written('rooms.txt', 'a');
  await chmod(path, 0);
  expect(await unprivileged(() => refusal(path))).toContain(
    `got no permission for "${path}"; change its permissions`,
  );
});

test('a temporary directory that cannot be used is refused with the next step', async () => {
  const path = await written('a-file', '');
  expect(await refusal('-', join(path, 'spool'))).toMatch(
    /to be read twice, got ENOTDIR; make room or set another temporary directory/,
  );
  expect(existsSync(path)).toBe(true);
});
