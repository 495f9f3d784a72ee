import { timingSafeEqual } from 'node:crypto';
import type { Socket } from 'node:net';
import type { SessionClient, SharedSession } from './shared-session.js';
import { copiesIn, listens } from './unit.js';
import {
  CANCEL_REQUEST,
  GSS_REQUEST,
  MessageReader,
  PROTOCOL_3,
  SSL_REQUEST,
  askPassword,
  closeStatement,
  fatalError,
  prefixStatement,
  textAt,
  typeOf,
} from './wire.js';

export interface ServerHello {
  /** What Postgres answers to a startup message, from AuthenticationOk to ReadyForQuery. */
  startupReply: Buffer;
  /** Asked for where other users of the machine could connect (loopback); null on a Unix socket. */
  password: string | null;
}

let connections = 0;

/** One socket of the embedded server: greets it, cuts what it sends into units, hands them to the session. */
export class ClientConnection implements SessionClient {
  listening = false;
  readonly #socket: Socket;
  readonly #session: SharedSession;
  readonly #hello: ServerHello;
  readonly #reader = new MessageReader();
  readonly #prefix = `c${++connections}_`;
  readonly #statements = new Set<string>();
  #phase: 'startup' | 'password' | 'ready' | 'ended' = 'startup';
  #unit: Buffer[] = [];

  constructor(socket: Socket, session: SharedSession, hello: ServerHello) {
    this.#socket = socket;
    this.#session = session;
    this.#hello = hello;
    socket.setNoDelay(true);
    socket.on('data', (chunk) => this.#receive(chunk));
    // A reset is an ordinary way to leave; 'close' follows it.
    socket.on('error', () => undefined);
    socket.on('close', () => this.#leave());
    session.join(this);
  }

  reply(bytes: Buffer): void {
    if (this.#socket.writable) this.#socket.write(bytes);
  }

  end(sqlState: string, message: string): void {
    if (this.#phase === 'ended') return;
    if (this.#socket.writable) this.#socket.end(fatalError(sqlState, message));
    this.#leave();
    // A client that does not close its side must not hold the server open.
    setTimeout(() => this.#socket.destroy(), 500).unref();
  }

  #receive(chunk: Buffer): void {
    if (this.#phase === 'ended') return;
    try {
      this.#reader.push(chunk);
      for (;;) {
        const message = this.#reader.next(this.#phase !== 'startup');
        if (message === null) return;
        this.#accept(message);
      }
    } catch (error) {
      this.end('08P01', error instanceof Error ? error.message : String(error));
    }
  }

  #accept(message: Buffer): void {
    switch (this.#phase) {
      case 'startup':
        this.#greet(message.readInt32BE(4));
        return;
      case 'password':
        this.#checkPassword(message);
        return;
      case 'ready':
        this.#collect(message);
        return;
      case 'ended':
        return;
    }
  }

  #greet(code: number): void {
    switch (code) {
      case SSL_REQUEST:
      case GSS_REQUEST:
        this.reply(Buffer.from('N'));
        return;
      case CANCEL_REQUEST: // Statements run in one go: there is nothing to interrupt.
        this.#socket.end();
        this.#leave();
        return;
      case PROTOCOL_3:
        if (this.#hello.password === null) this.#welcome();
        else {
          this.#phase = 'password';
          this.reply(askPassword());
        }
        return;
      default:
        this.end('08P01', `protocol version must be 3.0, got code ${code}`);
    }
  }

  #checkPassword(message: Buffer): void {
    const expected = Buffer.from(this.#hello.password ?? '');
    const given = Buffer.from(typeOf(message) === 'p' ? textAt(message, 5) : '');
    if (given.length === expected.length && timingSafeEqual(given, expected)) this.#welcome();
    else this.end('28P01', 'the password of the embedded database is another one');
  }

  /** The same bytes for everyone: a startup message that reached Postgres would change the shared session. */
  #welcome(): void {
    this.#phase = 'ready';
    this.reply(this.#hello.startupReply);
  }

  #collect(message: Buffer): void {
    const type = typeOf(message);
    switch (type) {
      case 'X':
        this.#socket.end();
        this.#leave();
        return;
      case 'H': // Its client would wait for an answer before Sync, and the session with it.
        this.end('0A000', 'the embedded database has no Flush (cursors with a row count)');
        return;
      case 'P':
        if (message[5] !== 0) this.#statements.add(textAt(message, 5));
        break;
    }
    if (copiesIn(message)) {
      // Its data would come after its unit has run, to a session that waits for nobody.
      this.end(
        '0A000',
        'the embedded database has no COPY FROM STDIN; use insert … select unnest()',
      );
      return;
    }
    if (listens(message)) this.listening = true;
    this.#unit.push(prefixStatement(message, this.#prefix));
    if (type !== 'Q' && type !== 'S' && type !== 'F') return;
    this.#session.submit(this, Buffer.concat(this.#unit));
    this.#unit = [];
  }

  #leave(): void {
    if (this.#phase === 'ended') return;
    this.#phase = 'ended';
    this.#session.leave(this);
    for (const name of this.#statements)
      void this.#session.run(closeStatement(this.#prefix + name));
  }
}
