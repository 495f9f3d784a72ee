/**
 * The bytes of the Postgres wire protocol (version 3) that the embedded server
 * must understand itself; everything else passes through unread.
 *
 * https://www.postgresql.org/docs/current/protocol-message-formats.html
 */

/** First word of the untyped messages that open a connection. */
export const openingCodes = {
  protocol3: 196_608,
  cancelRequest: 80_877_102,
  sslRequest: 80_877_103,
  gssRequest: 80_877_104,
} as const;

/** A message beyond this is a broken or foreign client, not a statement of ours. */
const maxMessageBytes = 256 * 1024 * 1024;

export function createMessageReader() {
  let buffer: Buffer = Buffer.alloc(0);
  return {
    /** Takes a chunk as it comes from a socket. */
    push(chunk: Buffer): void {
      buffer = buffer.length === 0 ? chunk : Buffer.concat([buffer, chunk]);
    },
    /**
     * The next message with its header, or undefined until more bytes come.
     *
     * @param typed - false only before the startup message.
     * @throws Error where the length is one that no message has.
     */
    next(typed: boolean): Buffer | undefined {
      const header = typed ? 1 : 0;
      if (buffer.length < header + 4) return undefined;
      const length = buffer.readInt32BE(header) + header;
      if (length < header + 4 || length > maxMessageBytes) {
        throw new Error(`message length must be 4 to ${maxMessageBytes} bytes, got ${length}`);
      }
      if (buffer.length < length) return undefined;
      const message = buffer.subarray(0, length);
      buffer = buffer.subarray(length);
      return message;
    },
  };
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
  header.writeInt32BE(openingCodes.protocol3, 4);
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
  if (at === undefined || frame[at] === 0) return frame;
  return message(
    typeOf(frame),
    Buffer.concat([frame.subarray(5, at), Buffer.from(prefix), frame.subarray(at)]),
  );
}

/** Where a message names a prepared statement, or undefined. */
function statementNameAt(frame: Buffer): number | undefined {
  switch (typeOf(frame)) {
    case 'P': // Parse: name, query, types
      return 5;
    case 'B': // Bind: portal, statement, values
      return frame.indexOf(0, 5) + 1;
    case 'C': // Close and Describe: kind, name
    case 'D':
      return frame[5] === 'S'.charCodeAt(0) ? 6 : undefined;
    default:
      return undefined;
  }
}

/** What Postgres answered to one unit (shared-session.ts). */
export interface UnitReply {
  /** For the client that sent the unit. */
  own: Buffer;
  /** NotificationResponse messages, for every client that listens. */
  notifications: Buffer[];
  /** From ReadyForQuery: `I` idle, `T` in a transaction, `E` in a failed one; '' where it is missing. */
  status: string;
}

export function readReply(reply: Buffer): UnitReply {
  const own: Buffer[] = [];
  const notifications: Buffer[] = [];
  let status = '';
  for (const message of messagesOf(reply)) {
    const type = typeOf(message);
    if (type === 'A') notifications.push(message);
    else own.push(message);
    if (type === 'Z') status = String.fromCharCode(message[5] ?? 0);
  }
  return { own: notifications.length === 0 ? reply : Buffer.concat(own), notifications, status };
}

/** The SQL text of a Query or Parse message, '' for others. */
function sqlOf(message: Buffer): string {
  switch (typeOf(message)) {
    case 'Q':
      return textAt(message, 5);
    case 'P':
      return textAt(message, message.indexOf(0, 5) + 1);
    default:
      return '';
  }
}

export function copiesIn(message: Buffer): boolean {
  return /^\s*copy\s[^;]*\sfrom\s+stdin\b/im.test(sqlOf(message));
}

// These look at the start of any line, as statements may begin with comments. A false
// "yes" (the BEGIN of a function body) costs a flush or a notification, nothing more.

export function beginsTransaction(unit: Buffer): boolean {
  return /^\s*(begin|start\s+transaction)\b/im.test(sqlOf(unit));
}

export function listens(message: Buffer): boolean {
  return /^\s*listen\s/im.test(sqlOf(message));
}
