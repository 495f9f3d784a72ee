/** A URL fit to be shown: without its password, and without a query, where secrets travel too. */
export function withoutPassword(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  // Mistyped, it may hold a password all the same.
  if (url === undefined || url.host === '') {
    return text.replace(/^([a-z+]+:\/\/)?.*@/is, '$1***@').replace(/\?.*$/s, '');
  }
  if (!url.password && !url.search) return text;
  if (url.password) url.password = '***';
  url.search = '';
  return url.toString();
}

/**
 * Untrusted text (RoomIds, ErrorInfo, file names) fit for a terminal or a log line:
 * control characters, which could move the cursor or forge lines, are escaped.
 *
 * @param maximumLength - longest text shown, in characters; the rest is cut.
 */
export function printable(text: string, maximumLength = 200): string {
  const cut = text.length > maximumLength ? `${text.slice(0, maximumLength)}…` : text;
  return cut.replace(
    /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    escaped,
  );
}

/**
 * A whole screen, fit for a terminal: as {@link printable}, but its lines stay lines and
 * nothing is cut. In a JSON text only strings can hold what is escaped, and the escapes are
 * JSON's own: it means the same.
 */
export function printableLines(text: string): string {
  return text.replace(
    /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    escaped,
  );
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
