/** Logs: JSON for machines, readable on a terminal, always on stderr. */
import { pino, type Logger } from 'pino';
import pretty from 'pino-pretty';

export interface LogOptions {
  level: string;
  /** Whether a person reads it. */
  readable: boolean;
  colour: boolean;
}

export function createLog(options: LogOptions): Logger {
  const stream = options.readable
    ? pretty({
        destination: 2,
        colorize: options.colour,
        translateTime: 'SYS:HH:MM:ss.l',
        ignore: 'pid,hostname',
        sync: true,
      })
    : pino.destination({ dest: 2, sync: true });
  return pino({ level: options.level, serializers: { err: serializeError } }, stream);
}

/**
 * Errors of clients carry what they were doing, down to URLs with signatures and commands
 * with passwords. Only what says what went wrong is written.
 */
function serializeError(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { message: withoutQueries(String(error)) };
  const { code } = error as NodeJS.ErrnoException;
  return {
    type: error.name,
    code,
    message: withoutQueries(error.message),
    stack: withoutQueries(error.stack ?? ''),
  };
}

function withoutQueries(text: string): string {
  return text.replace(/\?[^\s"']*=[^\s"']*/g, '?…');
}
