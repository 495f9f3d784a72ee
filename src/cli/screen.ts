/** A view that is drawn again and again: in place on a terminal, one after the other elsewhere. */
import type { Io } from './io.js';

export interface Screen {
  /** Draws it, in one write. */
  show(text: string): void;
  /** Leaves the last view where it is, and the cursor below it. */
  end(): void;
}

const hideCursor = '\u001b[?25l';
const showCursor = '\u001b[?25h';
const home = '\u001b[H';
const clearAll = '\u001b[2J';
const clearToEndOfLine = '\u001b[K';
const clearBelow = '\u001b[J';

/** How wide a line may be, in columns; undefined: a file or a pipe takes any. */
export function widthOf({ stdout }: Io): number | undefined {
  if (stdout.isTTY !== true) return undefined;
  // 0 where the terminal does not know.
  return (stdout as { columns?: number }).columns || 80;
}

/** A text of which no line is too long. */
export function fitted(text: string, width: number | undefined): string {
  if (width === undefined) return text;
  const lines = text.split('\n').flatMap((line) => wrapped(line, width));
  return lines.join('\n');
}

export function createScreen(io: Io): Screen {
  return io.stdout.isTTY ? createTerminal(io) : createLog(io);
}

/**
 * Nothing is cleared that is drawn again: each line is written over the old one, and what is
 * left of that is cleared after it. So nothing flickers.
 */
function createTerminal(io: Io): Screen {
  let drawn = false;
  // Also where a second signal exits at once.
  const restore = () => io.stdout.write(showCursor);
  return {
    show(text) {
      const { rows } = io.stdout as { rows?: number };
      // A line that wraps, or one too many, would scroll.
      const width = widthOf(io) ?? 80;
      const height = (rows || 24) - 1;
      const all = text.split('\n').flatMap((line) => wrapped(line, Math.max(1, width - 1)));
      const hidden = all.length - height;
      const lines =
        hidden > 0 ? [...all.slice(0, height - 1), `… and ${hidden + 1} lines more`] : all;
      const body = lines.map((line) => `${line}${clearToEndOfLine}`);
      io.stdout.write(
        `${drawn ? '' : hideCursor + clearAll}${home}${body.join('\r\n')}\r\n${clearBelow}`,
      );
      if (!drawn) process.once('exit', restore);
      drawn = true;
    },
    end() {
      if (!drawn) return;
      process.off('exit', restore);
      restore();
      drawn = false;
    },
  };
}

/** A line in as many as it needs, those after the first indented: what to do must not be cut off. */
function wrapped(line: string, width: number): string[] {
  // So that there is room for the text, however narrow it is.
  const indent = `${/^ */.exec(line)?.[0] ?? ''}  `.slice(0, width / 2);
  const lines: string[] = [];
  let rest = line;
  while (rest.length > width) {
    const space = rest.lastIndexOf(' ', width);
    const end = space > indent.length ? space : width;
    lines.push(rest.slice(0, end));
    rest = indent + rest.slice(end).trimStart();
  }
  return [...lines, rest];
}

/** For files and pipes: a view that says nothing new is not repeated. */
function createLog(io: Io): Screen {
  let last: string | undefined;
  return {
    show(text) {
      if (text === last) return;
      io.stdout.write(last === undefined ? `${text}\n` : `\n${text}\n`);
      last = text;
    },
    end: () => undefined,
  };
}
