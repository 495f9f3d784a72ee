#!/usr/bin/env node
/** The program. Everything below gets its surroundings passed down. */
import { readEnvironment } from './environment.js';
import { exitCodes, type Io } from './io.js';
import { runProgram } from './program.js';

const io: Io = {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  exitCode: exitCodes.ok,
};

// A reader that has seen enough (`| head`) closes the pipe: that is no error of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(io.exitCode);
});

await runProgram(process.argv.slice(2), io, () => readEnvironment(process.env, process.cwd()));
process.exitCode = io.exitCode;
// A connection to a server that is gone may keep the process alive: everything is done, so leave.
setTimeout(() => process.exit(), 1_000).unref();
