/** Parses the command line, runs a command, maps errors to exit codes: the one place for that. */
import { Command, CommanderError } from 'commander';
import { errorCodes, ReaperError } from '../errors.js';
import { isServerAway } from '../passing.js';
import { printable, printableLines } from '../redact.js';
import { storeTrouble } from '../store-trouble.js';
import { packageVersion } from '../worker/version.js';
import { describeError } from './advice.js';
import { Declined } from './confirm.js';
import { exitCodes, say, type Io } from './io.js';

interface Listed {
  /** What it takes, as its own help says too (a test holds them together). */
  takes: string;
  /** What the help says of it, and its own help too. */
  does: string;
  load: () => Promise<(io: Io) => Command>;
}

/**
 * The commands, in the order of the help. Each is loaded where it is asked for: all of them
 * together take longer to load than most of them to run, and the help needs none.
 */
export const commands: Record<string, Listed> = {
  destroy: {
    takes: '[options] [FILE]',
    does: 'destroy rooms and print what became of them',
    load: async () => (await import('./destroy.js')).destroyCommand,
  },
  enqueue: {
    takes: '[options] [FILE]',
    does: 'put rooms on the queue and leave',
    load: async () => (await import('./enqueue.js')).enqueueCommand,
  },
  worker: {
    takes: '',
    does: 'work on the queue until stopped',
    load: async () => (await import('./worker.js')).workerCommand,
  },
  status: {
    takes: '[options]',
    does: 'the line, its rate, what waits and how long it takes',
    load: async () => (await import('./status.js')).statusCommand,
  },
  explain: {
    takes: '[options] <ROOM_ID>',
    does: 'why a room is still alive, or what became of it',
    load: async () => (await import('./explain.js')).explainCommand,
  },
  doctor: {
    takes: '[options]',
    does: 'check everything, and say what to do about what is wrong',
    load: async () => (await import('./doctor.js')).doctorCommand,
  },
  batches: {
    takes: '[options] [NAME]',
    does: 'the batches that were asked for, newest first',
    load: async () => (await import('./batches.js')).batchesCommand,
  },
  report: {
    takes: '[options] <BATCH>',
    does: 'what became of every room of a batch',
    load: async () => (await import('./report.js')).reportCommand,
  },
  audit: {
    takes: '[options]',
    does: 'prove from the recorded requests that the quota was kept',
    load: async () => (await import('./audit.js')).auditCommand,
  },
  prune: {
    takes: '[options]',
    does: 'delete from the ledger what ended long ago',
    load: async () => (await import('./prune.js')).pruneCommand,
  },
  cancel: {
    takes: '[options] [BATCH...]',
    does: 'take back what was not sent yet',
    load: async () => (await import('./cancel.js')).cancelCommand,
  },
  replay: {
    takes: '[options]',
    does: 'ask again for rooms that are not gone',
    load: async () => (await import('./replay.js')).replayCommand,
  },
  rooms: {
    takes: '[options]',
    does: 'which rooms are live, and which of a batch live on',
    load: async () => (await import('./rooms.js')).roomsCommand,
  },
  pause: {
    takes: '[options]',
    does: 'let no worker take up another room, until resume',
    load: async () => (await import('./pause.js')).pauseCommand,
  },
  resume: {
    takes: '',
    does: 'go on after pause, or after the line was stopped and its cause mended',
    load: async () => (await import('./pause.js')).resumeCommand,
  },
  migrate: {
    takes: '[options]',
    does: 'bring the tables of the ledger up to date, after an upgrade',
    load: async () => (await import('./migrate.js')).migrateCommand,
  },
  serve: {
    takes: '[options]',
    does: 'answer the same over HTTP, for services and a browser',
    load: async () => (await import('./serve.js')).serveCommand,
  },
  token: {
    takes: '',
    does: 'who may ask over HTTP, and as what: create, list, revoke',
    load: async () => (await import('./token.js')).tokenCommand,
  },
  simulator: {
    takes: '[options]',
    does: "run a stand-in for Tencent's API that keeps its documented rules",
    load: async () => (await import('./simulator.js')).simulatorCommand,
  },
};

const examples = `
Examples:
  room-reaper destroy rooms.txt --simulate     try it, without credentials
  room-reaper destroy rooms.txt                destroy every room in the file
  room-reaper enqueue rooms.txt --delay 30m    put them on the queue for later
  room-reaper worker                           work on the queue until stopped
  room-reaper status                           what waits, how fast, how long
  room-reaper report new-year                  what became of every room of a batch
  room-reaper cancel evening                   take back what was not sent yet
  room-reaper replay --batch evening           ask again for what is not gone

Exit codes: 0 every room is gone; 1 some room is not; 2 usage or configuration;
3 the line is stopped; 130 interrupted.

Configuration is read from the environment and from .env in the working directory:
see docs/operations.md.`;

/** @param readEnv - called once, so that a broken `.env` is reported like any bad input; tells of what is not broken. */
export async function runProgram(
  argv: readonly string[],
  io: Io,
  readEnv: (onNotice: (message: string) => void) => NodeJS.ProcessEnv,
): Promise<void> {
  const program = new Command('room-reaper')
    .description('Destroys Tencent live rooms in bulk, within the quota of the API.')
    .version(packageVersion())
    .configureOutput({
      writeOut: (text) => io.stdout.write(printableLines(text)),
      // It repeats arguments that it does not know.
      writeErr: (text) => io.stderr.write(printableLines(text)),
    })
    .showHelpAfterError('(room-reaper --help lists the commands and flags)')
    .exitOverride()
    .addHelpText('after', examples);
  // Flags may stand before it, and `help`.
  const asked = argv.find((argument) => Object.hasOwn(commands, argument));
  for (const [name, listed] of Object.entries(commands)) {
    const command = name === asked ? (await listed.load())(io) : inTheHelp(name, listed.takes);
    program.addCommand(command.description(listed.does).copyInheritedSettings(program));
    for (const part of command.commands) part.copyInheritedSettings(command);
  }
  try {
    io.env = readEnv((message) => say(io, message));
    await program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    io.exitCode = reportError(error, io);
  }
}

/** A line of the help, which cannot be run. */
function inTheHelp(name: string, takes: string): Command {
  const command = new Command(name);
  for (const each of takes.split(' ').filter(Boolean)) {
    if (each === '[options]') command.option('--any');
    else command.argument(each);
  }
  return command;
}

/** Says what went wrong. @returns the exit code for it. */
export function reportError(error: unknown, io: Io): number {
  // Commander has said it already; help and version are not errors.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  if (error instanceof ReaperError) {
    say(io, `room-reaper: ${describeError(error)}`);
    return errorCodes[error.code].exitCode;
  }
  if (error instanceof Declined) {
    say(io, `room-reaper: ${error.message}`);
    return exitCodes.interrupted;
  }
  if ((error as { code?: unknown } | undefined)?.code === '42501') {
    const { cause = '', remedy } = storeTrouble(error, 'Postgres', 'DATABASE_URL');
    say(io, `room-reaper: ${cause}: ${printable((error as Error).message)}; ${remedy}`);
    return exitCodes.usage;
  }
  if (isServerAway(error)) {
    const { message } = error as Error;
    say(io, `room-reaper: a server went away: ${printable(message)}; run it again when it is back`);
    return exitCodes.usage;
  }
  const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
  say(io, `room-reaper: unexpected ${name}: ${message}`);
  say(io, 'This is a bug: please report it with the lines below.');
  say(io, (stack ?? '').split('\n').slice(1, 6).join('\n'));
  return exitCodes.notGone;
}
