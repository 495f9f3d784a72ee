/** How many characters of a value a message shows: a legal RoomId is always whole. */
const SHOWN_CHARACTERS = 64;

const escapes: ReadonlyMap<string, string> = new Map([
  ['"', '\\"'],
  ['\\', '\\\\'],
  ['\t', '\\t'],
  ['\r', '\\r'],
  ['\n', '\\n'],
]);

/**
 * A value from a list, quoted so that it can be printed: control and non-ASCII characters
 * are escaped (bytes that are no UTF-8 as `\xNN`), and a long value is cut with `…`.
 */
export function shown(value: string | Uint8Array): string {
  if (typeof value === 'string') return quoted(value, (code) => `\\u${hex(code, 4)}`);
  // Four bytes a character at most: all that will be shown, and enough more to see the cut.
  const head = value.subarray(0, 4 * (SHOWN_CHARACTERS + 1));
  const text = utf8(head, { cut: head.length < value.length });
  if (text !== undefined) return quoted(text, (code) => `\\u${hex(code, 4)}`);
  return quoted(Buffer.from(head).toString('latin1'), (code) => `\\x${hex(code, 2)}`);
}

/** A path for a message: any language is shown as it is, whatever could move a cursor is not. */
export function shownPath(path: string): string {
  return path.replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, (character) =>
    Array.from(character, (part) => `\\u${hex(part.codePointAt(0) ?? 0, 4)}`).join(''),
  );
}

function quoted(text: string, escapeCode: (code: number) => string): string {
  const escaped = text
    .slice(0, SHOWN_CHARACTERS)
    .replaceAll(
      /["\\]|[^ -~]/g,
      (character) => escapes.get(character) ?? escapeCode(character.charCodeAt(0)),
    );
  return `"${escaped}${text.length > SHOWN_CHARACTERS ? '…' : ''}"`;
}

/** The text of the bytes, or undefined where they are no UTF-8; a cut may go through a character. */
function utf8(bytes: Uint8Array, { cut }: { cut: boolean }): string | undefined {
  try {
    const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
    return decoder.decode(bytes, { stream: cut });
  } catch {
    return undefined;
  }
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, '0');
}
