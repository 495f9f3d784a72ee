/** Logs: JSON for machines, readable on a terminal, always on stderr. */
import { pino, type Logger } from 'pino';
import { prettyFactory } from 'pino-pretty';
import { printable, printableLines } from './redact.js';

export interface LogOptions {
  level: string;
  /** Whether a person reads it. */
  readable: boolean;
  colour: boolean;
  /** Where it goes; default: stderr, by its file descriptor. */
  destination?: { write(line: string): unknown };
}

/**
 * Ids of jobs that somebody else wrote, RoomIds, what a server said: a log is read on
 * terminals, the one for machines too. There the escapes are JSON's own, so it means the same.
 */
export function createLog({
  level,
  readable,
  colour,
  destination = pino.destination({ dest: 2, sync: true }),
}: LogOptions): Logger {
  return readable ? forPeople(level, colour, destination) : forMachines(level, destination);
}

/** The log of a program, on a stream that is a terminal or not: `NO_COLOR` takes the colour out of it. */
export function logOn(
  stream: Destination & { isTTY?: boolean },
  level: string,
  env: NodeJS.ProcessEnv,
): Logger {
  const readable = stream.isTTY === true;
  return createLog({ level, readable, colour: !env['NO_COLOR'], destination: stream });
}

type Destination = NonNullable<LogOptions['destination']>;

function forMachines(level: string, destination: Destination): Logger {
  return pino(
    { level, serializers: { err: serializeError } },
    { write: (line) => void destination.write(printableLines(line)) },
  );
}

function forPeople(level: string, colour: boolean, destination: Destination): Logger {
  const prettify = prettyFactory({
    colorize: colour,
    translateTime: 'SYS:HH:MM:ss.l o',
    ignore: 'pid,hostname',
  });
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
    { write: (line) => void destination.write(prettify(line)) },
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
