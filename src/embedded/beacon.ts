/**
 * The beacon: a listener that an owner holds from before it claims the data
 * directory until after it has closed it. The kernel takes it away with the
 * process, however that ends, so "does somebody listen there?" tells a living owner
 * from a dead one, where a pid cannot (it may be reused, or belong to another
 * container). It also tells joined processes where the database is, and its end
 * tells them that the owner has gone.
 *
 * It sends JSON texts that end with a newline: `{"guard": id}` at once (processes of earlier
 * versions know it under this name), then `{"connection": {}}` when the database is open, or
 * `{"failed": why}`. On loopback every user of the machine hears it: so where the database is, and
 * its password, are in the ticket alone (ticket.ts), which only the directory's user can read.
 */
import { chmodSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { orUndefined } from '../or-undefined.js';
import type { Address } from './address.js';

type News = { connection: Readonly<Record<string, never>> } | { failed: string };
type Message = { guard: string } | News;

export interface Beacon {
  readonly address: Address;
  /** Tells those who wait, and all who come later. */
  announce(news: News): void;
  close(): void;
}

/** @param at - a free socket path, or port 0. */
export async function lightBeacon(id: string, at: Address): Promise<Beacon> {
  const sockets = new Set<Socket>();
  let news: News | undefined;
  const server = createServer((socket) => {
    socket.unref();
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    send(socket, { guard: id });
    if (news !== undefined) send(socket, news);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen('path' in at ? at : { host: '127.0.0.1', port: at.port }, resolve);
  });
  server.unref();
  if ('path' in at) chmodSync(at.path, 0o600);
  const bound = server.address();
  const port = bound !== null && typeof bound === 'object' ? bound.port : 0;
  return {
    address: 'path' in at ? at : { port },
    announce(what) {
      news = what;
      for (const socket of sockets) send(socket, what);
    },
    close() {
      server.close();
      for (const socket of sockets) socket.end();
    },
  };
}

function send(socket: Socket, message: Message): void {
  socket.write(`${JSON.stringify(message)}\n`);
}

export interface OwnerContact {
  /** Resolves once the database is open. Rejects where its owner could not open it, or went away. */
  readonly opened: Promise<void>;
  /** Resolves when the owner has gone. */
  readonly gone: Promise<void>;
  leave(): void;
}

export type BeaconAnswer =
  | { kind: 'alive'; contact: OwnerContact }
  /** Nobody listens there, or something else does. `missing`: not even the socket's file is left. */
  | { kind: 'silent'; missing: boolean }
  /**
   * Somebody listens and does not speak, or hangs up: stopped, very busy, out of file
   * descriptors, or just closing. No proof of death.
   */
  | { kind: 'stuck' }
  | { kind: 'unreachable'; reason: string };

/** Asks the beacon `id` at `address` whether its owner lives. */
export function askBeacon(id: string, address: Address, answerMs = 5_000): Promise<BeaconAnswer> {
  return new Promise((resolve) => {
    const socket = connect('path' in address ? address : { host: '127.0.0.1', port: address.port });
    const conclude = (answer: BeaconAnswer): void => {
      clearTimeout(timer);
      if (answer.kind !== 'alive') socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => conclude({ kind: 'stuck' }), answerMs);
    const texts = createInterface({ input: socket });
    texts.on('error', () => undefined);
    socket.on('error', (error: NodeJS.ErrnoException) => conclude(answerOf(error)));
    const contact = contactOn(socket, (listener) => texts.on('line', listener));
    texts.once('line', (text) => {
      const said = parse(text);
      const ours = said !== undefined && 'guard' in said && said.guard === id;
      conclude(ours ? { kind: 'alive', contact } : { kind: 'silent', missing: false });
    });
    socket.once('close', () => conclude({ kind: 'stuck' }));
  });
}

function contactOn(
  socket: Socket,
  onText: (listener: (text: string) => void) => void,
): OwnerContact {
  const gone = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  const opened = new Promise<void>((resolve, reject) => {
    onText((text) => {
      const said = parse(text);
      if (said === undefined || 'guard' in said) return;
      // Waiting for the database keeps the process running; having it does not.
      socket.unref();
      if ('connection' in said) resolve();
      else reject(new Error(said.failed));
    });
    void gone.then(() => reject(new Error('the process that held it has gone')));
  });
  opened.catch(() => undefined);
  return { opened, gone, leave: () => socket.destroy() };
}

function parse(text: string): Message | undefined {
  const value = orUndefined<unknown>(() => JSON.parse(text));
  return typeof value === 'object' && value !== null ? (value as Message) : undefined;
}

function answerOf(error: NodeJS.ErrnoException): BeaconAnswer {
  switch (error.code ?? '') {
    case 'ENOENT':
      return { kind: 'silent', missing: true };
    case 'ECONNREFUSED':
      return { kind: 'silent', missing: false };
    case 'EAGAIN': // Its queue of connections is full.
    case 'ECONNRESET':
    case 'EPIPE':
      return { kind: 'stuck' };
    default:
      return { kind: 'unreachable', reason: error.message };
  }
}
