/** Logs: JSON for machines, readable on a terminal, always on stderr. */
import { pino, type Logger } from 'pino';
import pretty from 'pino-pretty';
import { printable, printableLines } from './redact.js';

export interface LogOptions {
  level: string;
  /** Whether a person reads it. */
  readable: boolean;
  colour: boolean;
}

/**
 * Ids of jobs that somebody else wrote, RoomIds, what a server said: a log is read on
 * terminals, the one for machines too. There the escapes are JSON's own, so it means the same.
 */
export function createLog(options: LogOptions): Logger {
  return options.readable ? forPeople(options) : forMachines(options.level);
}

function forMachines(level: string): Logger {
  const destination = pino.destination({ dest: 2, sync: true });
  return pino(
    { level, serializers: { err: serializeError } },
    { write: (line) => void destination.write(printableLines(line)) },
  );
}

function forPeople({ level, colour }: LogOptions): Logger {
  return pino(
    {
      level,
      serializers: { err: serializeError },
      formatters: { log: (fields) => printableFields(fields) },
      hooks: {
        logMethod(args, method) {
          const safe = args.map((each) => (typeof each === 'string' ? printableLines(each) : each));
          method.apply(this, safe as typeof args);
        },
      },
    },
    pretty({
      destination: 2,
      colorize: colour,
      translateTime: 'SYS:HH:MM:ss.l',
      ignore: 'pid,hostname',
      sync: true,
    }),
  );
}

function printableFields(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, printableField(value)]),
  );
}

function printableField(value: unknown): unknown {
  if (typeof value === 'string') return printable(value, Number.POSITIVE_INFINITY);
  if (Array.isArray(value)) return value.map(printableField);
  // Errors are left to their serializer.
  if (typeof value !== 'object' || value === null || value instanceof Error) return value;
  return printableFields(value as Record<string, unknown>);
}

/**
 * Errors of clients carry what they were doing, down to URLs with signatures and commands
 * with passwords. Only what says what went wrong is written.
 */
function serializeError(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { message: shown(String(error)) };
  const { code } = error as NodeJS.ErrnoException;
  return {
    type: error.name,
    code,
    message: shown(error.message),
    stack: shown(error.stack ?? ''),
  };
}

/** Its lines stay lines: a stack is read as one. */
function shown(text: string): string {
  return printableLines(withoutQueries(text));
}

function withoutQueries(text: string): string {
  return text.replace(/\?[^\s"']*=[^\s"']*/g, '?…');
}
