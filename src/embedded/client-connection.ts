import { timingSafeEqual } from 'node:crypto';
import type { Socket } from 'node:net';
import type { SessionClient, SharedSession } from './shared-session.js';
import {
  askPassword,
  closeStatement,
  copiesIn,
  createMessageReader,
  fatalError,
  listens,
  openingCodes,
  prefixStatement,
  textAt,
  typeOf,
} from './wire.js';

export interface ServerHello {
  /** What Postgres answers to a startup message, from AuthenticationOk to ReadyForQuery. */
  startupReply: Buffer;
  /** Asked for where other users of the machine could connect (loopback); undefined on a Unix socket. */
  password: string | undefined;
}

let connections = 0;

/** One socket of the embedded server: greets it, cuts what it sends into units, hands them to the session. */
export function serveClient(socket: Socket, session: SharedSession, hello: ServerHello): void {
  const reader = createMessageReader();
  const prefix = `c${++connections}_`;
  const statements = new Set<string>();
  let phase: 'startup' | 'password' | 'ready' | 'ended' = 'startup';
  let listening = false;
  let unit: Buffer[] = [];

  const client: SessionClient = {
    get listening() {
      return listening;
    },
    reply,
    end,
  };

  function reply(bytes: Buffer): void {
    if (socket.writable) socket.write(bytes);
  }

  function end(sqlState: string, message: string): void {
    if (phase === 'ended') return;
    if (socket.writable) socket.end(fatalError(sqlState, message));
    leave();
    // A client that does not close its side must not hold the server open.
    setTimeout(() => socket.destroy(), 500).unref();
  }

  function receive(chunk: Buffer): void {
    if (phase === 'ended') return;
    try {
      reader.push(chunk);
      for (;;) {
        const message = reader.next(phase !== 'startup');
        if (message === undefined) return;
        accept(message);
      }
    } catch (error) {
      end('08P01', error instanceof Error ? error.message : String(error));
    }
  }

  function accept(message: Buffer): void {
    switch (phase) {
      case 'startup':
        greet(message.readInt32BE(4));
        return;
      case 'password':
        checkPassword(message);
        return;
      case 'ready':
        collect(message);
        return;
      case 'ended':
        return;
    }
  }

  function greet(code: number): void {
    switch (code) {
      case openingCodes.sslRequest:
      case openingCodes.gssRequest:
        reply(Buffer.from('N'));
        return;
      case openingCodes.cancelRequest: // Statements run in one go: there is nothing to interrupt.
        socket.end();
        leave();
        return;
      case openingCodes.protocol3:
        if (hello.password === undefined) welcome();
        else {
          phase = 'password';
          reply(askPassword());
        }
        return;
      default:
        end('08P01', `protocol version must be 3.0, got code ${code}`);
    }
  }

  function checkPassword(message: Buffer): void {
    const expected = Buffer.from(hello.password ?? '');
    const given = Buffer.from(typeOf(message) === 'p' ? textAt(message, 5) : '');
    if (given.length === expected.length && timingSafeEqual(given, expected)) welcome();
    else end('28P01', 'the password of the embedded database is another one');
  }

  /** The same bytes for everyone: a startup message that reached Postgres would change the shared session. */
  function welcome(): void {
    phase = 'ready';
    reply(hello.startupReply);
  }

  function collect(message: Buffer): void {
    const type = typeOf(message);
    switch (type) {
      case 'X':
        socket.end();
        leave();
        return;
      case 'H': // Its client would wait for an answer before Sync, and the session with it.
        end('0A000', 'the embedded database has no Flush (cursors with a row count)');
        return;
      case 'P':
        if (message[5] !== 0) statements.add(textAt(message, 5));
        break;
    }
    if (copiesIn(message)) {
      // Its data would come after its unit has run, to a session that waits for nobody.
      end('0A000', 'the embedded database has no COPY FROM STDIN; use insert … select unnest()');
      return;
    }
    if (listens(message)) listening = true;
    unit.push(prefixStatement(message, prefix));
    if (type !== 'Q' && type !== 'S' && type !== 'F') return;
    session.submit(client, Buffer.concat(unit));
    unit = [];
  }

  function leave(): void {
    if (phase === 'ended') return;
    phase = 'ended';
    session.leave(client);
    for (const name of statements) void session.run(closeStatement(prefix + name));
  }

  socket.setNoDelay(true);
  socket.on('data', receive);
  // A reset is an ordinary way to leave; 'close' follows it.
  socket.on('error', () => undefined);
  socket.on('close', leave);
  session.join(client);
}
