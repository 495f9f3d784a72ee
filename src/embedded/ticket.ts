import { linkSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ReaperError } from '../errors.js';
import { addressIn, type Address, type Machine } from './address.js';

/** The lock file of one owner, `owner-<number>.json`: who it is and how to ask whether it lives. */
export interface Ticket {
  /** The id of its beacon. Processes of earlier versions read it under this name. */
  guard: string;
  address: Address;
  pid: number;
  machine: Machine;
  startedAt: string;
  /** The owner closed the database and will not touch it again. */
  released: boolean;
  /** The loopback port and password of the database, for the next owner to keep; undefined on a Unix socket. */
  loopback: Loopback | undefined;
}

export interface Loopback {
  port: number;
  password: string;
}

export function ticketPath(dataDir: string, number: number): string {
  return join(dataDir, `owner-${String(number).padStart(6, '0')}.json`);
}

/** Ascending. */
export function ticketNumbers(dataDir: string): number[] {
  return readdirSync(dataDir)
    .map((name) => /^owner-(\d{6,})\.json$/.exec(name)?.[1])
    .filter((digits) => digits !== undefined)
    .map(Number)
    .sort((one, other) => one - other);
}

/**
 * A ticket, or undefined where it is gone meanwhile.
 *
 * @throws ReaperError `UNAVAILABLE` where it is no JSON.
 */
export function readTicket(dataDir: string, number: number): Ticket | undefined {
  const path = ticketPath(dataDir, number);
  try {
    return JSON.parse(readFileSync(path, 'utf8'), (_key, value: unknown) =>
      // What is unknown was written as null once.
      value === null ? undefined : value,
    ) as Ticket;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new ReaperError(
      'UNAVAILABLE',
      `the lock file ${path} must be readable JSON, got ${String(error)}; make sure that no room-reaper uses this directory, then delete it`,
      { cause: error },
    );
  }
}

/**
 * Puts a ticket under its number, whole and at once, unless there is one.
 *
 * @returns whether it was put there.
 */
export function placeTicket(dataDir: string, number: number, ticket: Ticket): boolean {
  return withDraft(dataDir, ticket, (draft) => {
    try {
      // Unlike rename, link fails where the name is taken; unlike O_EXCL, nobody sees half a file.
      linkSync(draft, ticketPath(dataDir, number));
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
      throw error;
    }
  });
}

/** Changes the own ticket. */
export function replaceTicket(dataDir: string, number: number, ticket: Ticket): void {
  withDraft(dataDir, ticket, (draft) => renameSync(draft, ticketPath(dataDir, number)));
}

function withDraft<T>(dataDir: string, ticket: Ticket, use: (draft: string) => T): T {
  const draft = join(dataDir, `draft-${ticket.guard}.json`);
  try {
    // On the disk before it has its name: after a power cut an empty ticket would be nobody's.
    writeFileSync(draft, `${JSON.stringify(ticket, null, 2)}\n`, {
      ...{ mode: 0o600, flag: 'wx', flush: true },
    });
    return use(draft);
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Removes a ticket that a later one has replaced, with the socket of its beacon. */
export function discardTicket(dataDir: string, number: number): void {
  const ticket = readTicket(dataDir, number);
  const address = ticket && addressIn(dataDir, ticket.address);
  if (address !== undefined && 'path' in address) rmSync(address.path, { force: true });
  rmSync(ticketPath(dataDir, number), { force: true });
}
