/** What must not be shown as it is: URLs with passwords, and text that somebody else wrote. */

/** A URL fit to be shown: without its password, and without query and fragment, where secrets travel too. */
export function withoutPassword(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  // Mistyped, it may hold a password all the same; of one with an unescaped `/`, `?` or `#` in it,
  // what stands before that is read as the host.
  if (url === undefined || url.host === '' || /[/?#].*@/s.test(text.replace('//', ''))) {
    return text.replace(/^([a-z+-]+:\/\/)?.*@/is, '$1***@').replace(/[?#].*$/s, '');
  }
  if (!url.password && !url.search && !url.hash) return text;
  if (url.password) url.password = '***';
  url.search = '';
  url.hash = '';
  return url.toString();
}

/**
 * What may act on a terminal: it could move the cursor, forge lines or turn the direction of text.
 * And what is not seen: it makes two names look the same.
 */
const mayAct =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0]/g;

/**
 * Untrusted text (RoomIds, ErrorInfo, file names) fit for a terminal or a log line: what may
 * act there is escaped.
 *
 * @param maximumLength - longest text shown, in characters; the rest is cut.
 */
export function printable(text: string, maximumLength = 200): string {
  const cut = text.length > maximumLength ? `${text.slice(0, maximumLength)}…` : text;
  return cut.replace(mayAct, escaped);
}

/**
 * A whole screen, fit for a terminal: as {@link printable}, but its lines stay lines and
 * nothing is cut. In a JSON text only strings can hold what is escaped, and the escapes are
 * JSON's own: it means the same.
 */
export function printableLines(text: string): string {
  return text.replace(mayAct, (character) => (character === '\n' ? '\n' : escaped(character)));
}

/** How many characters of a quoted value are shown: a legal RoomId is always whole. */
const quotedCharacters = 64;

/**
 * A value that should have been a RoomId, in quotes and in printable ASCII alone: what else it
 * holds is escaped (bytes that are no UTF-8 as `\xNN`), and a long value is cut with `…`.
 */
export function quoted(value: string | Uint8Array): string {
  const { text, escape } =
    typeof value === 'string' ? { text: value, escape: escaped } : read(value);
  const json = JSON.stringify(text.slice(0, quotedCharacters)).replace(/[^ -~]/g, escape);
  return text.length > quotedCharacters ? `${json.slice(0, -1)}…"` : json;
}

/** The beginning of the bytes as text: all that will be shown, and enough more to see the cut. */
function read(bytes: Uint8Array): { text: string; escape: (character: string) => string } {
  const head = bytes.subarray(0, 4 * (quotedCharacters + 1)); // Four bytes a character at most.
  try {
    const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
    // The cut may go through a character.
    return { text: decoder.decode(head, { stream: head.length < bytes.length }), escape: escaped };
  } catch {
    const escape = (character: string) => `\\x${hex(character, 2)}`;
    return { text: Buffer.from(head).toString('latin1'), escape };
  }
}

function escaped(character: string): string {
  return `\\u${hex(character, 4)}`;
}

function hex(character: string, digits: number): string {
  return character.charCodeAt(0).toString(16).padStart(digits, '0');
}
