/** Text laid out by the columns that a terminal shows it in. */
import { eastAsianWidth } from 'get-east-asian-width';

/** Chinese, Japanese and Korean characters and most emoji take two, a mark on the letter before it none. */
function columnsOfOne(character: string): number {
  if (character < '\u0300') return 1;
  if (/^[\p{Mn}\p{Me}]$/u.test(character)) return 0;
  return eastAsianWidth(character.codePointAt(0) ?? 0);
}

export function columnsOf(text: string): number {
  let columns = 0;
  for (const character of text) columns += columnsOfOne(character);
  return columns;
}

/** How much of a text fits, in UTF-16 units; in any case one character more than `least`. */
function fitting(text: string, width: number, least: number): number {
  let [columns, end] = [0, 0];
  for (const character of text) {
    columns += columnsOfOne(character);
    if (columns > width && end > least) return end;
    end += character.length;
  }
  return end;
}

/** With spaces after it, up to so many columns. */
export function padded(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - columnsOf(text)));
}

/** The beginning of a text, in so many columns, and `…` where there is more. */
export function cut(text: string, width: number): string {
  const end = fitting(text, width, 0);
  return end < text.length ? `${text.slice(0, end)}…` : text;
}

/** A text of which no line is too long, in columns; undefined: none can be. */
export function fitted(text: string, width: number | undefined): string {
  if (width === undefined) return text;
  const lines = text.split('\n').flatMap((line) => wrapped(line, width));
  return lines.join('\n');
}

/** A line in as many as it needs, those after the first indented: what to do must not be cut off. */
export function wrapped(line: string, width: number): string[] {
  // So that there is room for the text, however narrow it is.
  const indent = `${/^ */.exec(line)?.[0] ?? ''}  `.slice(0, width / 2);
  const lines: string[] = [];
  let rest = line;
  for (;;) {
    const most = fitting(rest, width, lines.length === 0 ? 0 : indent.length);
    if (most === rest.length) return [...lines, rest];
    const space = rest.lastIndexOf(' ', most);
    const end = space > indent.length ? space : most;
    lines.push(rest.slice(0, end));
    rest = indent + rest.slice(end).trimStart();
  }
}

/** Rows of equal columns; numbers to the right. */
export function table(lines: readonly (readonly [string, string])[]): string {
  const left = Math.max(...lines.map(([label]) => columnsOf(label)));
  const right = Math.max(...lines.map(([, value]) => value.length));
  return lines
    .map(([label, value]) => `  ${padded(label, left)}  ${value.padStart(right)}`)
    .join('\n');
}
