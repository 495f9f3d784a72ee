/** Parses the command line, runs a command, maps errors to exit codes: the one place for that. */
import { Command, CommanderError } from 'commander';
import { errorCodes, ReaperError } from '../errors.js';
import { isPassing } from '../passing.js';
import { printable, printableLines } from '../redact.js';
import { describeError } from './advice.js';
import { Declined } from './confirm.js';
import { exitCodes, say, type Io } from './io.js';

/**
 * The commands, in the order of the help. Each is loaded where it is asked for: all of them
 * together take longer to load than most of them to run.
 */
const commands: Record<string, () => Promise<(io: Io) => Command>> = {
  destroy: async () => (await import('./destroy.js')).destroyCommand,
  enqueue: async () => (await import('./enqueue.js')).enqueueCommand,
  worker: async () => (await import('./worker.js')).workerCommand,
  status: async () => (await import('./status.js')).statusCommand,
  explain: async () => (await import('./explain.js')).explainCommand,
  doctor: async () => (await import('./doctor.js')).doctorCommand,
  report: async () => (await import('./report.js')).reportCommand,
  audit: async () => (await import('./audit.js')).auditCommand,
  prune: async () => (await import('./prune.js')).pruneCommand,
  cancel: async () => (await import('./cancel.js')).cancelCommand,
  replay: async () => (await import('./replay.js')).replayCommand,
  pause: async () => (await import('./pause.js')).pauseCommand,
  resume: async () => (await import('./pause.js')).resumeCommand,
  simulator: async () => (await import('./simulator.js')).simulatorCommand,
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

/**
 * @param readEnv - called once, so that a broken `.env` is reported like any bad input.
 */
export async function runProgram(
  argv: readonly string[],
  io: Io,
  readEnv: () => NodeJS.ProcessEnv,
): Promise<void> {
  const program = new Command('room-reaper')
    .description('Destroys Tencent live rooms in bulk, within the quota of the API.')
    .version('0.1.0')
    .configureOutput({
      writeOut: (text) => io.stdout.write(printableLines(text)),
      // It repeats arguments that it does not know.
      writeErr: (text) => io.stderr.write(printableLines(text)),
    })
    .showHelpAfterError('(room-reaper --help lists the commands and flags)')
    .exitOverride()
    .addHelpText('after', examples);
  const known = Object.hasOwn(commands, argv[0] ?? '');
  for (const [name, load] of Object.entries(commands)) {
    if (known && name !== argv[0]) continue;
    const make = await load();
    program.addCommand(make(io).copyInheritedSettings(program));
  }
  try {
    io.env = readEnv();
    await program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    io.exitCode = reportError(error, io);
  }
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

/** A store that answered at first and then did not: no bug, and nothing that a flag would mend. */
function isServerAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error.name === 'MaxRetriesPerRequestError') return true;
  const { code } = error as NodeJS.ErrnoException;
  // Codes of files begin with E too, and are about this machine.
  const isSystem = code !== undefined && /^E[A-Z_]+$/.test(code);
  if (isSystem) return /^E(CONN|PIPE|TIMEDOUT|HOST|NET|NOTFOUND|AI_)/.test(code);
  return isPassing(error);
}
