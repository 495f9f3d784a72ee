/**
 * The bytes of the Postgres wire protocol (version 3) that the embedded server
 * must understand itself; everything else passes through unread.
 *
 * https://www.postgresql.org/docs/current/protocol-message-formats.html
 */

/** First word of the untyped messages that open a connection. */
export const PROTOCOL_3 = 196_608;
export const CANCEL_REQUEST = 80_877_102;
export const SSL_REQUEST = 80_877_103;
export const GSS_REQUEST = 80_877_104;

/** A message beyond this is a broken or foreign client, not a statement of ours. */
const MAX_MESSAGE_BYTES = 256 * 1024 * 1024;

/** Takes chunks as they come from a socket and gives whole messages. */
export class MessageReader {
  #buffer: Buffer = Buffer.alloc(0);

  push(chunk: Buffer): void {
    this.#buffer = this.#buffer.length === 0 ? chunk : Buffer.concat([this.#buffer, chunk]);
  }

  /** The next message with its header, or null until more bytes come. `typed` is false only before the startup message. */
  next(typed: boolean): Buffer | null {
    const header = typed ? 1 : 0;
    if (this.#buffer.length < header + 4) return null;
    const length = this.#buffer.readInt32BE(header) + header;
    if (length < header + 4 || length > MAX_MESSAGE_BYTES) {
      throw new Error(`message length must be 4 to ${MAX_MESSAGE_BYTES} bytes, got ${length}`);
    }
    if (this.#buffer.length < length) return null;
    const message = this.#buffer.subarray(0, length);
    this.#buffer = this.#buffer.subarray(length);
    return message;
  }
}

/** The type letter of a message: 'Q', 'P', 'Z', … */
export function typeOf(message: Buffer): string {
  return String.fromCharCode(message[0] ?? 0);
}

/** Cuts what Postgres answered into messages. */
export function* messagesOf(reply: Buffer): Generator<Buffer> {
  for (let start = 0; start + 5 <= reply.length;) {
    const end = start + 1 + reply.readInt32BE(start + 1);
    yield reply.subarray(start, end);
    start = end;
  }
}

function message(type: string, body: Buffer): Buffer {
  const header = Buffer.alloc(5);
  header.write(type, 0, 'latin1');
  header.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([header, body]);
}

/** A simple query ('Q'). */
export function queryMessage(sql: string): Buffer {
  return message('Q', Buffer.from(`${sql}\0`));
}

/** AuthenticationCleartextPassword: asks for a password. */
export function askPassword(): Buffer {
  return message('R', Buffer.from([0, 0, 0, 3]));
}

/** An error that ends the connection. `sqlState`: https://www.postgresql.org/docs/current/errcodes-appendix.html */
export function fatalError(sqlState: string, text: string): Buffer {
  return message('E', Buffer.from(`SFATAL\0VFATAL\0C${sqlState}\0M${text}\0\0`));
}

/** The text between `start` and the next zero byte. */
export function textAt(bytes: Buffer, start: number): string {
  const end = bytes.indexOf(0, start);
  return bytes.toString('utf8', start, end === -1 ? bytes.length : end);
}

/** The rows of a simple query, every value as text ('' for null). */
export function textRows(reply: Buffer): string[][] {
  const rows: string[][] = [];
  for (const row of messagesOf(reply)) {
    if (typeOf(row) !== 'D') continue;
    const values: string[] = [];
    for (let at = 7; values.length < row.readInt16BE(5);) {
      const length = Math.max(0, row.readInt32BE(at));
      values.push(row.toString('utf8', at + 4, at + 4 + length));
      at += 4 + length;
    }
    rows.push(values);
  }
  return rows;
}

/** A startup message for the one user and database of PGlite. */
export function startupMessage(): Buffer {
  const body = Buffer.from('user\0postgres\0database\0postgres\0\0');
  const header = Buffer.alloc(8);
  header.writeInt32BE(body.length + 8, 0);
  header.writeInt32BE(PROTOCOL_3, 4);
  return Buffer.concat([header, body]);
}

/** Close ('C') of one prepared statement, with Sync. */
export function closeStatement(name: string): Buffer {
  return Buffer.concat([message('C', Buffer.from(`S${name}\0`)), message('S', Buffer.alloc(0))]);
}

/**
 * Puts `prefix` before the name of a prepared statement, so that two connections
 * can use one name although they share a session. Unnamed statements stay as
 * they are: a new Parse replaces them, and units never mix (shared-session.ts).
 */
export function prefixStatement(frame: Buffer, prefix: string): Buffer {
  const at = statementNameAt(frame);
  if (at === null || frame[at] === 0) return frame;
  return message(
    typeOf(frame),
    Buffer.concat([frame.subarray(5, at), Buffer.from(prefix), frame.subarray(at)]),
  );
}

/** Where a message names a prepared statement, or null. */
function statementNameAt(frame: Buffer): number | null {
  switch (typeOf(frame)) {
    case 'P': // Parse: name, query, types
      return 5;
    case 'B': // Bind: portal, statement, values
      return frame.indexOf(0, 5) + 1;
    case 'C': // Close and Describe: kind, name
    case 'D':
      return frame[5] === 'S'.charCodeAt(0) ? 6 : null;
    default:
      return null;
  }
}
