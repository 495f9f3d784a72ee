import { printableLines } from '../redact.js';

/** The streams and surroundings of one run of the program; tests pass their own. */
export interface Io {
  stdin: NodeJS.ReadableStream & { isTTY?: boolean };
  /** Data: reports and `--json`. */
  stdout: NodeJS.WritableStream & { isTTY?: boolean };
  /** Talk: progress, notices, errors. */
  stderr: NodeJS.WritableStream & { isTTY?: boolean };
  env: NodeJS.ProcessEnv;
  /** Tells of signals, and of the end of a parent: the process. */
  signals: NodeJS.EventEmitter;
  /** Set by the command; 0 where it sets none. */
  exitCode: number;
}

/** What a script can rely on. */
export const exitCodes = {
  /** Every room is gone. */
  ok: 0,
  /** Some room is not: recreated, rejected, failed, expired or cancelled. */
  notGone: 1,
  /** Usage or configuration, or a server that cannot be reached. */
  usage: 2,
  /** The line is stopped. */
  stopped: 3,
  interrupted: 130,
} as const;

/*
 * All that the program shows goes through these two, so that no untrusted text (a RoomId, an
 * ErrorInfo, a file name, an argument) can move a cursor or change a colour, whoever forgot
 * to escape it. Where it could forge a line, its own place calls `printable`.
 */

/** Talk, on stderr. */
export function say(io: Io, text: string): void {
  io.stderr.write(`${printableLines(text)}\n`);
}

/** Data, on stdout. */
export function print(io: Io, text: string): void {
  io.stdout.write(`${printableLines(text)}\n`);
}

/** Of a flag that may be given again. */
export const collect = (value: string, before: string[] | undefined) => [...(before ?? []), value];
