import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename, join } from 'node:path';
import { orUndefined } from '../or-undefined.js';

/** Where something of the embedded database listens. */
export type Address = { path: string } | { port: number };

/** Part of `pg.PoolConfig`; valid in every process of this machine. */
export interface EmbeddedConnection {
  /** The data directory (the Unix socket lies in it), or 127.0.0.1. */
  host: string;
  port: number;
  user: 'postgres';
  database: 'postgres';
  /** Only on loopback. */
  password?: string;
  ssl: false;
}

/** As `pg` and libpq name it: `<host>/.s.PGSQL.<port>`. */
const socketPort = 5432;

/** 103 on macOS, 107 on Linux (sun_path). */
const longestSocketPath = 103;

/** A socket of a directory that its owner may see under another path, as in a container. */
export function addressIn(dataDir: string, address: Address): Address {
  return 'path' in address ? { path: join(dataDir, basename(address.path)) } : address;
}

export function socketPath(dataDir: string): string {
  return join(dataDir, `.s.PGSQL.${socketPort}`);
}

/** The socket of a beacon (beacon.ts). */
export function beaconName(id: string): string {
  return `owner-${id}.sock`;
}

/**
 * A Unix socket in the data directory where that is possible: it lies where only
 * the directory's owner reaches it, costs no port, stays the same when another
 * process takes the database over, and reaches across containers that share the
 * directory. Loopback with a password on Windows and for long paths.
 */
export function canUseSockets(dataDir: string): boolean {
  const longest = join(dataDir, beaconName('0123456789ab'));
  return process.platform !== 'win32' && Buffer.byteLength(longest) <= longestSocketPath;
}

const account = { user: 'postgres', database: 'postgres' } as const;

export function socketConnection(dataDir: string): EmbeddedConnection {
  return { host: dataDir, port: socketPort, ...account, ssl: false };
}

export function loopbackConnection(port: number, password: string): EmbeddedConnection {
  return { host: '127.0.0.1', port, ...account, password, ssl: false };
}

/** Which machine a process runs on, as far as a process can tell. */
export interface Machine {
  host: string;
  /** One per boot of a Linux kernel, the same in all its containers; undefined elsewhere. */
  boot: string | undefined;
  /** The network a loopback port belongs to (containers have their own); undefined elsewhere. */
  network: string | undefined;
  /** Where a pid means something (containers have their own); undefined elsewhere. */
  processes: string | undefined;
}

export function thisMachine(): Machine {
  return {
    host: hostname(),
    boot: orUndefined(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()),
    network: orUndefined(() => readlinkSync('/proc/self/ns/net')),
    processes: orUndefined(() => readlinkSync('/proc/self/ns/pid')),
  };
}

/**
 * Whether silence at `address` proves that its process on `theirs` has ended: a
 * socket's listener is known to one kernel only, a loopback port to one network.
 */
export function silenceProvesDeath(address: Address, theirs: Machine, ours: Machine): boolean {
  const sameBoot = theirs.boot !== undefined && theirs.boot === ours.boot;
  // The kernel that ran it is gone with everything in it.
  if (!sameBoot && theirs.boot !== undefined && theirs.host === ours.host) return true;
  if (!sameBoot && theirs.host !== ours.host) return false;
  return 'path' in address || theirs.network === ours.network;
}
