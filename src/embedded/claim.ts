/**
 * Who owns the data directory: at most one process, whatever is killed when.
 *
 * Owners are numbered. To own the directory, a process
 *
 * 1. looks at the highest ticket; its owner must be gone (beacon.ts);
 * 2. lights its own beacon, **then** places the next number (`link`, which fails where
 *    the number is taken);
 * 3. looks again: only if its number is the highest does it own the directory.
 *    Otherwise it starts again at 1.
 *
 * A ticket never comes back to life, and the highest ticket is never removed, also
 * not at a clean end (it is marked released): so the highest number never falls.
 *
 * Why there cannot be two: let A own number a. While A lives, nobody can place the
 * first number above a. For to place n + 1 one must have seen n as the highest, with
 * a dead owner. If n is a, its owner was alive whenever it was seen, because A's beacon
 * was lit before the ticket was placed. If what was seen as a was an earlier ticket of that
 * number, it had been removed by an owner with a higher one; that higher number still
 * stands (or a yet higher), A would have seen it in step 3 and not be the owner. And a
 * number below a leads to one that is at most a.
 *
 * (A single lock file has no such proof: between "its owner is dead" and "remove it"
 * another process can have replaced it, and the lock of a living owner is removed.)
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ReaperError } from '../errors.js';
import {
  addressIn,
  beaconName,
  canUseSockets,
  silenceProvesDeath,
  thisMachine,
} from './address.js';
import { askBeacon, lightBeacon, type Beacon, type OwnerContact } from './beacon.js';
import {
  discardTicket,
  placeTicket,
  readTicket,
  replaceTicket,
  ticketNumbers,
  ticketPath,
  type Loopback,
  type Ticket,
} from './ticket.js';

export interface Ownership {
  kind: 'owned';
  beacon: Beacon;
  /** Where the database before listened on loopback. */
  previous: Loopback | undefined;
  /** Writes down where the database listens on loopback. */
  noteLoopback(loopback: Loopback): void;
  /** Call when the database is closed. */
  release(): void;
}

export type Claim =
  | Ownership
  | {
      kind: 'joined';
      contact: OwnerContact;
      /** Where the database is, once it is open, by its ticket; undefined: that has been replaced. */
      whereabouts: () => Loopback | 'socket' | undefined;
    };

/** An owner that hangs up may just be closing: it is asked again for so long. */
const patienceMs = 10_000;

/**
 * Becomes the owner of the data directory, or finds the one who is.
 *
 * @param joinOnly - what to do instead, for one who may not become its owner.
 * @throws ReaperError `UNAVAILABLE` where neither can be had, with what to do.
 */
export async function claimDirectory(dataDir: string, joinOnly?: string): Promise<Claim> {
  for (;;) {
    const number = ticketNumbers(dataDir).at(-1) ?? 0;
    const ticket = number === 0 ? undefined : readTicket(dataDir, number);
    if (number > 0 && ticket === undefined) continue; // Replaced meanwhile: look again.
    if (ticket !== undefined && !ticket.released) {
      const contact = await contactOwner(dataDir, number, ticket);
      if (contact !== undefined) {
        const onSocket = 'path' in ticket.address;
        const whereabouts = () => (onSocket ? 'socket' : readTicket(dataDir, number)?.loopback);
        return { kind: 'joined', contact, whereabouts };
      }
    }
    if (joinOnly !== undefined) {
      throw unavailable(
        `the data directory ${dataDir} must belong to the user who runs the database in it, got root, and no process to join; ${joinOnly}`,
      );
    }
    const owned = await takeNumber(dataDir, number + 1, ticket?.loopback);
    if (owned !== undefined) return owned;
  }
}

/** Steps 2 and 3: undefined where the number is taken or no longer the highest. */
export async function takeNumber(
  dataDir: string,
  number: number,
  previous: Loopback | undefined,
): Promise<Ownership | undefined> {
  const id = randomBytes(6).toString('hex');
  const beacon = await beaconIn(dataDir, id);
  const ticket: Ticket = {
    guard: id,
    address: beacon.address,
    pid: process.pid,
    machine: thisMachine(),
    startedAt: new Date().toISOString(),
    released: false,
    loopback: previous,
  };
  let owned = false;
  try {
    owned =
      placeTicket(dataDir, number, ticket) && ticketNumbers(dataDir).every((n) => n <= number);
  } finally {
    if (!owned) beacon.close();
  }
  if (!owned) return undefined;
  for (const older of ticketNumbers(dataDir)) if (older < number) discardTicket(dataDir, older);
  return {
    kind: 'owned',
    beacon,
    previous,
    noteLoopback(loopback) {
      ticket.loopback = loopback;
      replaceTicket(dataDir, number, ticket);
    },
    release() {
      ticket.released = true;
      try {
        replaceTicket(dataDir, number, ticket);
      } catch {
        // Disk full, or the directory is gone: the closed beacon says the same on this machine.
      }
      beacon.close();
    },
  };
}

async function beaconIn(dataDir: string, id: string): Promise<Beacon> {
  if (canUseSockets(dataDir)) {
    try {
      return await lightBeacon(id, { path: join(dataDir, beaconName(id)) });
    } catch {
      // Some file systems (folders shared with a virtual machine) hold no sockets.
    }
  }
  return lightBeacon(id, { port: 0 });
}

/** A living owner, or undefined where it is certainly gone. */
async function contactOwner(
  dataDir: string,
  number: number,
  ticket: Ticket,
): Promise<OwnerContact | undefined> {
  const { pid, machine, address, startedAt } = ticket;
  const owner = `process ${pid} on ${machine.host} (since ${startedAt})`;
  const otherwise = `if that process no longer exists, delete ${ticketPath(dataDir, number)}`;
  const until = Date.now() + patienceMs;
  for (;;) {
    const answer = await askBeacon(ticket.guard, addressIn(dataDir, address));
    switch (answer.kind) {
      case 'alive':
        return answer.contact;
      case 'silent': {
        if (!silenceProvesDeath(address, machine, thisMachine())) {
          throw unavailable(
            `the data directory ${dataDir} must be used on one machine only, got an owner on another: ${owner}; stop it there, or use Postgres (QUEUE_URL, DATABASE_URL) to work on several machines; ${otherwise}`,
          );
        }
        // Somebody cleaned up its socket while it runs.
        if (answer.missing && mayBeRunning(ticket)) {
          throw unavailable(
            `the owner of the data directory ${dataDir} must be reachable, got no socket of ${owner}; stop it, then start again; ${otherwise}`,
          );
        }
        return undefined;
      }
      case 'unreachable':
        throw unavailable(
          `the owner of the data directory ${dataDir} must be reachable, got "${answer.reason}" from ${owner}; run as the same user`,
        );
      case 'stuck':
        if (readTicket(dataDir, number)?.released !== false) return undefined;
        if (Date.now() > until) {
          throw unavailable(
            `the owner of the data directory ${dataDir} must answer, got silence from ${owner}; it may be stopped or overloaded: continue or stop it; ${otherwise}`,
          );
        }
        await sleep(100);
    }
  }
}

/** Of a pid of another container nothing is known, but for what ended with the kernel. */
function mayBeRunning({ pid, machine }: Ticket): boolean {
  const here = thisMachine();
  if (machine.boot !== here.boot) return false;
  if (machine.processes !== here.processes) return true;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function unavailable(message: string): ReaperError {
  return new ReaperError('UNAVAILABLE', message);
}
