/** Text for whoever reads it now: shown once, or drawn again and again. */
import { fitted, wrapped } from '../layout.js';
import { print, type Io } from './io.js';

/** A view that is drawn again and again: in place on a terminal, one after the other elsewhere. */
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

/** Data for people, on stdout, in lines that a terminal need not break. */
export function show(io: Io, text: string): void {
  print(io, fitted(text, widthOf(io)));
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
