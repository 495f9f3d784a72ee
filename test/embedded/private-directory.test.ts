/** Whose the data directory is, and who sees into it. A second user is played by `nobody`. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
} from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openEmbedded } from '../../src/embedded/open-embedded.js';
import { ticketNumbers, readTicket } from '../../src/embedded/ticket.js';
import { probeWritable } from '../../src/private-directory.js';
import { afterThisTest } from '../support/clean-up.js';
import { unprivileged } from '../support/unprivileged.js';
import { everythingIn, freshDatabase, open, openToOthers, otherProcess, query } from './fixture.js';

const isRoot = process.getuid?.() === 0;
const nobody = Number(spawnSync('id', ['-u', 'nobody'], { encoding: 'utf8' }).stdout);

function give(directory: string, uid: number): void {
  for (const path of everythingIn(directory)) chownSync(path, uid, uid);
}

/** A folder that everybody may look into. */
function sharedFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'rr-'));
  chmodSync(folder, 0o777);
  afterThisTest(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

describe.skipIf(process.geteuid === undefined)('the data directory', () => {
  test('is probed under a name that nobody knows', () => {
    const dataDir = sharedFolder();
    probeWritable(dataDir);
    expect(readdirSync(dataDir)).toEqual([]);
  });

  test('is closed to others where it is open, which is said, and on loopback nobody hears its password', async () => {
    const dataDir = await freshDatabase('x'.repeat(100));
    chmodSync(dataDir, 0o755);
    chmodSync(join(dataDir, 'postgres'), 0o755);
    const notices: string[] = [];
    const owner = await open(dataDir, { onNotice: (notice) => notices.push(notice) });
    expect(notices.join('\n')).toMatch(/was open to other users: it is closed to them/);
    const number = ticketNumbers(dataDir).at(-1) ?? 0;
    const ticket = readTicket(dataDir, number);
    const password = owner.connection.password ?? '';
    expect(password).toHaveLength(32);
    expect(ticket?.loopback?.password).toBe(password);
    const { address } = ticket ?? {};
    if (address === undefined || 'path' in address) throw new Error('it is not on loopback');
    const said = await new Promise<string>((resolve, reject) => {
      let text = '';
      const socket: Socket = connect({ host: '127.0.0.1', port: address.port });
      socket.setEncoding('utf8').on('error', reject);
      socket.on('data', (chunk: string) => {
        text += chunk;
        if (text.split('\n').length > 2) resolve(text);
      });
      afterThisTest(() => void socket.destroy());
    });
    expect(said).not.toContain(password);
    // The file with the password too.
    expect(openToOthers(dataDir)).toEqual([]);
    const joined = await open(dataDir);
    expect(joined.role).toBe('joined');
    expect(await query(joined, 'select 1 as n')).toEqual([{ n: 1 }]);
  });
});

describe.skipIf(!isRoot)('another user (needs root to play one)', () => {
  test('is refused a directory that is not theirs, with what to do', async () => {
    const dataDir = join(sharedFolder(), 'd');
    mkdirSync(dataDir);
    chmodSync(dataDir, 0o777);
    await unprivileged(() =>
      expect(openEmbedded(dataDir)).rejects.toMatchObject({
        code: 'UNAVAILABLE',
        message: expect.stringMatching(
          /must belong to the user.* got one of root; set ROOM_REAPER_DATA_DIR/,
        ) as string,
      }),
    );
    expect(readdirSync(dataDir)).toEqual([]);
  });

  test('who is root makes nothing in the directory of a user, and says as whom to run', async () => {
    const dataDir = await freshDatabase();
    give(dataDir, nobody);
    const before = everythingIn(dataDir);
    await expect(openEmbedded(dataDir)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining(`sudo -u 'nobody' room-reaper`) as string,
    });
    expect(everythingIn(dataDir)).toEqual(before);
    expect(before.filter((path) => lstatSync(path).uid !== nobody)).toEqual([]);
  });

  test('who is root makes no data directory in the folder of a user', async () => {
    const folder = sharedFolder();
    chownSync(folder, nobody, nobody);
    await expect(openEmbedded(join(folder, '.room-reaper'))).rejects.toMatchObject({
      message: expect.stringContaining(`sudo -u 'nobody' room-reaper`) as string,
    });
    expect(existsSync(join(folder, '.room-reaper'))).toBe(false);
  });

  test('who is root joins the process of a user, and takes nothing over when it ends', async () => {
    const dataDir = await freshDatabase();
    give(dataDir, nobody);
    chmodSync(join(dataDir, '..'), 0o755);
    const owner = otherProcess(dataDir, '', nobody);
    expect(await owner.said()).toBe('owner');
    const notices: string[] = [];
    const joined = await open(dataDir, { onNotice: (notice) => notices.push(notice) });
    expect(joined.role).toBe('joined');
    await owner.kill();
    await expect.poll(() => notices.join('\n'), { timeout: 60_000 }).toMatch(/sudo -u 'nobody'/);
    expect(everythingIn(dataDir).filter((path) => statSync(path).uid !== nobody)).toEqual([]);
  });
});
