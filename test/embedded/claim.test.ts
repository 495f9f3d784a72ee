import { linkSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  claimDirectory,
  takeNumber,
  type Claim,
  type Ownership,
} from '../../src/embedded/claim.js';
import { silenceProvesDeath, thisMachine } from '../../src/embedded/address.js';
import { placeTicket, readTicket, type Ticket } from '../../src/embedded/ticket.js';
import { freshPath } from './fixture.js';

function emptyDirectory(): string {
  const dataDir = freshPath();
  mkdirSync(dataDir);
  return dataDir;
}

/** The ticket of an owner whose beacon is not there (any more). */
function silentTicket(dataDir: string, changes: Partial<Ticket> = {}): Ticket {
  return {
    guard: 'dead',
    address: { path: join(dataDir, 'owner-dead.sock') },
    // A pid above every kernel's highest.
    pid: 2 ** 30,
    machine: thisMachine(),
    startedAt: '2026-01-01T00:00:00.000Z',
    released: false,
    loopback: undefined,
    ...changes,
  };
}

function owned(claims: Claim[]): Ownership[] {
  return claims.filter((claim) => claim.kind === 'owned');
}

describe('claiming a data directory', () => {
  test('the first process owns the data directory, the second finds the first', async () => {
    const dataDir = emptyDirectory();
    const first = await claimDirectory(dataDir);
    const second = await claimDirectory(dataDir);
    expect([first.kind, second.kind]).toEqual(['owned', 'joined']);
  });

  test('a data directory that is released goes to the next', async () => {
    const dataDir = emptyDirectory();
    const [first] = owned([await claimDirectory(dataDir)]);
    first?.release();
    expect((await claimDirectory(dataDir)).kind).toBe('owned');
  });

  test('the ticket of a dead owner is taken over, and its traces are removed', async () => {
    const dataDir = emptyDirectory();
    placeTicket(dataDir, 7, silentTicket(dataDir));
    expect((await claimDirectory(dataDir)).kind).toBe('owned');
    const names = readdirSync(dataDir).sort();
    expect(names).toEqual(['owner-000008.json', expect.stringMatching(/^owner-.*sock$/)]);
  });

  test('a dead owner whose pid another process has now is taken over all the same', async () => {
    const dataDir = emptyDirectory();
    const [killed] = owned([await claimDirectory(dataDir)]);
    const ticket = readTicket(dataDir, 1);
    if (ticket === undefined || !('path' in ticket.address)) throw new Error('no socket');
    // As after kill -9: the socket's file is there, nobody listens; the pid is a living one (ours).
    const { path } = ticket.address;
    linkSync(path, `${path}.kept`);
    killed?.beacon.close();
    renameSync(`${path}.kept`, path);
    expect(ticket.pid).toBe(process.pid);
    expect((await claimDirectory(dataDir)).kind).toBe('owned');
  });

  test('however many claim a data directory at once after a crash, one owns it', async () => {
    for (let round = 0; round < 20; round++) {
      const dataDir = emptyDirectory();
      placeTicket(dataDir, 3, silentTicket(dataDir));
      const claims = await Promise.all(Array.from({ length: 8 }, () => claimDirectory(dataDir)));
      expect(owned(claims)).toHaveLength(1);
      for (const { beacon } of owned(claims)) beacon.close();
    }
  });

  test('a process that comes late with an old view does not become a second owner', async () => {
    const dataDir = emptyDirectory();
    placeTicket(dataDir, 9, silentTicket(dataDir, { released: true }));
    expect((await claimDirectory(dataDir)).kind).toBe('owned');
    // It saw number 4 as the highest long ago: 5 is free, but no longer the highest.
    expect(await takeNumber(dataDir, 5, undefined)).toBeUndefined();
    expect((await claimDirectory(dataDir)).kind).toBe('joined');
  });

  test('an owner on another machine is not taken over: the message says who and what to do', async () => {
    const dataDir = emptyDirectory();
    const machine = {
      host: 'elsewhere',
      boot: 'another',
      network: undefined,
      processes: undefined,
    };
    placeTicket(dataDir, 1, silentTicket(dataDir, { machine }));
    await expect(claimDirectory(dataDir)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(/one machine only.*on elsewhere.*DATABASE_URL/) as string,
    });
  });

  test('an owner that sees the directory under another path is found', async () => {
    const dataDir = emptyDirectory();
    expect((await claimDirectory(dataDir)).kind).toBe('owned');
    // As one directory is mounted in two places.
    const elsewhere = freshPath();
    renameSync(dataDir, elsewhere);
    expect((await claimDirectory(elsewhere)).kind).toBe('joined');
  });

  test('of an owner in another container, whose pid says nothing here, a socket that is not there proves nothing', async () => {
    const dataDir = emptyDirectory();
    const machine = { ...thisMachine(), host: 'container', processes: 'pid:[1]' };
    placeTicket(dataDir, 1, silentTicket(dataDir, { machine }));
    await expect(claimDirectory(dataDir)).rejects.toThrow(/must be reachable, got no socket/);
  });

  test('an owner that runs but whose socket was deleted is not taken over', async () => {
    const dataDir = emptyDirectory();
    expect((await claimDirectory(dataDir)).kind).toBe('owned');
    for (const name of readdirSync(dataDir)) {
      if (name.endsWith('.sock')) rmSync(join(dataDir, name));
    }
    await expect(claimDirectory(dataDir)).rejects.toThrow(/must be reachable, got no socket/);
  });
});

describe('silence proves death', () => {
  const here = { host: 'a', boot: '1', network: 'n', processes: 'p' };
  const socket = { path: 'x' };
  const port = { port: 1 };

  test.each([
    ['on this machine', socket, here, true],
    ['in another container of this machine, on a socket', socket, { ...here, host: 'b' }, true],
    ['in a container with another network, on a port', port, { ...here, network: 'm' }, false],
    ['on this machine before it was started again', port, { ...here, boot: '0' }, true],
    ['on another machine', socket, { ...here, host: 'b', boot: '2' }, false],
    ['on another machine of unknown boot', socket, { ...here, host: 'b', boot: undefined }, false],
  ])('silence of an owner proves its death, %s: %o', (_where, address, theirs, proves) => {
    expect(silenceProvesDeath(address, theirs, here)).toBe(proves);
  });
});
