import { messagesOf, textAt, typeOf } from './wire.js';

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
