/**
 * The guard: a listener that an owner holds from before it claims the data
 * directory until after it has closed it. The kernel takes it away with the
 * process, however that ends, so "does somebody listen there?" tells a living owner
 * from a dead one, where a pid cannot (it may be reused, or belong to another
 * container). It also tells joined processes where the database is, and its end
 * tells them that the owner has gone.
 *
 * It says, in lines of JSON: `{"guard": id}` at once, then `{"connection": …}` when
 * the database is open, or `{"failed": why}`.
 */
import { chmodSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { Address, EmbeddedConnection } from './endpoint.js';

type Line = { guard: string } | { connection: EmbeddedConnection } | { failed: string };

export class Guard {
  readonly address: Address;
  readonly #id: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #news: Line | null = null;

  /** @param at a free socket path, or port 0 */
  static async open(id: string, at: Address): Promise<Guard> {
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen('path' in at ? at : { host: '127.0.0.1', port: at.port }, resolve);
    });
    server.unref();
    if ('path' in at) chmodSync(at.path, 0o600);
    const bound = server.address();
    const port = bound !== null && typeof bound === 'object' ? bound.port : 0;
    return new Guard(id, 'path' in at ? at : { port }, server);
  }

  private constructor(id: string, address: Address, server: Server) {
    this.address = address;
    this.#id = id;
    this.#server = server;
    server.on('connection', (socket) => {
      socket.unref();
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => this.#sockets.delete(socket));
      say(socket, { guard: this.#id });
      if (this.#news !== null) say(socket, this.#news);
    });
  }

  /** Tells those who wait, and all who come later. */
  announce(news: Line): void {
    this.#news = news;
    for (const socket of this.#sockets) say(socket, news);
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.end();
  }
}

function say(socket: Socket, line: Line): void {
  socket.write(`${JSON.stringify(line)}\n`);
}

export interface GuardContact {
  /** Where the database is, once it is open. Rejects where its owner could not open it, or went away. */
  readonly connection: Promise<EmbeddedConnection>;
  /** Resolves when the owner has gone. */
  readonly gone: Promise<void>;
  leave(): void;
}

export type GuardAnswer =
  | { kind: 'alive'; contact: GuardContact }
  /** Nobody listens there, or something else does. `missing`: not even the socket's file is left. */
  | { kind: 'silent'; missing: boolean }
  /**
   * Somebody listens and does not speak, or hangs up: stopped, very busy, out of file
   * descriptors, or just closing. No proof of death.
   */
  | { kind: 'stuck' }
  | { kind: 'unreachable'; reason: string };

const ANSWER_MS = 5_000;

/** Asks the guard `id` at `address` whether its owner lives. */
export function askGuard(id: string, address: Address, answerMs = ANSWER_MS): Promise<GuardAnswer> {
  return new Promise((resolve) => {
    const socket = connect('path' in address ? address : { host: '127.0.0.1', port: address.port });
    const conclude = (answer: GuardAnswer): void => {
      clearTimeout(timer);
      if (answer.kind !== 'alive') socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => conclude({ kind: 'stuck' }), answerMs);
    const lines = createInterface({ input: socket });
    lines.on('error', () => undefined);
    socket.on('error', (error: NodeJS.ErrnoException) => conclude(answerOf(error)));
    const contact = contactOn(socket, (listener) => lines.on('line', listener));
    lines.once('line', (line) => {
      const said = parse(line);
      const ours = said !== null && 'guard' in said && said.guard === id;
      conclude(ours ? { kind: 'alive', contact } : { kind: 'silent', missing: false });
    });
    socket.once('close', () => conclude({ kind: 'stuck' }));
  });
}

function contactOn(
  socket: Socket,
  onLine: (listener: (line: string) => void) => void,
): GuardContact {
  const gone = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  const connection = new Promise<EmbeddedConnection>((resolve, reject) => {
    onLine((line) => {
      const said = parse(line);
      if (said === null || 'guard' in said) return;
      // Waiting for the database keeps the process running; having it does not.
      socket.unref();
      if ('connection' in said) resolve(said.connection);
      else reject(new Error(said.failed));
    });
    void gone.then(() => reject(new Error('the process that held it has gone')));
  });
  connection.catch(() => undefined);
  return { connection, gone, leave: () => socket.destroy() };
}

function parse(line: string): Line | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Line) : null;
  } catch {
    return null;
  }
}

function answerOf(error: NodeJS.ErrnoException): GuardAnswer {
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
