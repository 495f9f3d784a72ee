#!/usr/bin/env node
/** The program. Everything below gets its surroundings passed down. */
import * as nodeModule from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { readEnvironment } from '../environment.js';
import { exitCodes, say, type Io } from './io.js';
import { runProgram } from './program.js';

const io: Io = {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  signals: process,
  exitCode: exitCodes.ok,
};

/** They write on and on. The others write when their work is done, which no reader may cut short. */
const untilNobodyReads = ['report', 'rooms', 'status', 'simulator'];

const output = { isWhole: true };
process.stdout.on('error', ({ code, message }: NodeJS.ErrnoException) => {
  const isEndless = untilNobodyReads.includes(process.argv[2] ?? '');
  // A reader that has seen enough (`| head`), or was interrupted too (`| tee`), closes the pipe:
  // that is no error of ours.
  if (code === 'EPIPE') {
    if (isEndless) process.exit(io.exitCode);
    return;
  }
  // A full disk, most often. What is not written yet would be missing without a word.
  if (output.isWhole)
    say(io, `room-reaper: standard output cannot be written (${code ?? message})`);
  output.isWhole = false;
  if (isEndless) process.exit(exitCodes.usage);
});
process.stderr.on('error', () => undefined);

// Node 20 has none. Its own default is a folder in /tmp that another user may have made before.
const { enableCompileCache } = nodeModule as { enableCompileCache?: (folder: string) => unknown };
const caches = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
enableCompileCache?.(join(caches, 'room-reaper'));

await runProgram(process.argv.slice(2), io, (onNotice) =>
  readEnvironment(process.env, process.cwd(), onNotice),
);
// A slow reader gets all of it.
await new Promise<void>((resolve) => process.stdout.write('', () => resolve()));
process.exitCode = output.isWhole || io.exitCode !== exitCodes.ok ? io.exitCode : exitCodes.usage;
// A connection to a server that is gone may keep the process alive: everything is done, so leave.
setTimeout(() => process.exit(), 1_000).unref();
