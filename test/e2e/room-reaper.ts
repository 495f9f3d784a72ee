/**
 * Runs the program: its commands inside the test's own process, which saves starting Node, or
 * as a real process of the built program (`npm run build`), as its users do. What each command
 * does as a process is tested in commands.test.ts.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { readEnvironment } from '../../src/environment.js';
import type { Io } from '../../src/cli/io.js';
import { runProgram } from '../../src/cli/program.js';
import { afterThisTest } from '../support/clean-up.js';
import { sameTier } from '../support/embedded.js';
import { keep } from '../support/keeper.js';

export { afterThisTest } from '../support/clean-up.js';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

export interface RunOptions {
  /** All of its environment, apart from PATH: nothing of the test's own leaks in. */
  env?: Record<string, string>;
  /** Its working directory; default: an empty one. */
  cwd?: string;
  /** What is written to its standard input, which is closed then. */
  stdin?: string;
  /** Its standard output is a terminal of so many columns; only for what runs in this process. */
  columns?: number;
  /** When a process is ended, where it still runs. Default: after this test. */
  after?: typeof afterThisTest;
}

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** The signals that ask for an orderly end. */
type OrderlySignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP';

export interface Run {
  readonly ended: Promise<Ended>;
  /** What matches `pattern` on stderr, once it is there; rejects where the program ends without it. */
  said(pattern: RegExp): Promise<string>;
  /** The same of stdout. */
  printed(pattern: RegExp): Promise<string>;
  kill(signal: OrderlySignal): void;
}

export interface Process extends Run {
  kill(signal: NodeJS.Signals): void;
  /** Reads nothing of it any more. */
  closePipes(): void;
}

/** A little less than a test may take, in milliseconds. */
const unheardMs = 110_000;

/** An empty folder, gone after the test or what `after` says; `files` are written into it. */
export function folderWith(files: Record<string, string> = {}, after = afterThisTest): string {
  const folder = mkdtempSync(join(tmpdir(), 'room-reaper-test-'));
  const keeper = keep(folder, 'SIGKILL');
  after(() => keeper.end());
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

/** What a program says, kept, and told to whoever waits for it. */
function listenTo() {
  const output = { stdout: '', stderr: '' };
  const listeners = new Set<() => void>();

  function hear(name: keyof typeof output, text: string): void {
    output[name] += text;
    for (const listener of listeners) listener();
  }

  /** @param end - of the program: what it has not said by then, it never says. */
  async function until(
    name: keyof typeof output,
    pattern: RegExp,
    end: Promise<{ code: number | null }>,
  ): Promise<string> {
    const heard = new Promise<void>((resolve) => {
      const look = () => {
        if (!pattern.test(output[name])) return;
        listeners.delete(look);
        resolve();
      };
      listeners.add(look);
      look();
    });
    const tooLate = end.then(({ code }) => {
      if (pattern.test(output[name])) return;
      throw new Error(
        `ended with ${String(code)} and never said ${String(pattern)}:\n${output[name]}\n${output.stderr}`,
      );
    });
    // What it did say tells more than the end of the test's time.
    const unheard = sleep(unheardMs, undefined, { ref: false }).then(() => {
      throw new Error(`has not said ${String(pattern)}:\n${output.stdout}\n${output.stderr}`);
    });
    unheard.catch(() => undefined);
    await Promise.race([heard, tooLate, unheard]);
    return pattern.exec(output[name])?.[0] ?? '';
  }

  return { output, hear, until };
}

/** Starts `room-reaper` with these arguments, as a process. */
export function start(args: readonly string[], options: RunOptions = {}): Process {
  const { after = afterThisTest } = options;
  const child: ChildProcessWithoutNullStreams = spawn(
    process.execPath,
    [...sameTier, main, ...args],
    {
      cwd: options.cwd ?? folderWith({}, after),
      env: { PATH: process.env.PATH, ...options.env },
    },
  );
  // A keeper ends it also where this process is killed.
  const kept = mkdtempSync(join(tmpdir(), 'room-reaper-test-'));
  const keeper = keep(kept, 'SIGKILL');
  writeFileSync(join(kept, 'pid'), String(child.pid));
  after(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await exited;
    }
    writeFileSync(join(kept, 'pid'), '');
    await keeper.end();
  });

  const { output, hear, until } = listenTo();
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => hear(name, text));
  }
  // A program that refuses its arguments ends without reading.
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.stdin ?? '');

  const exited = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
  const ended = exited.then(([code, signal]) => ({ code, signal, ...output }));
  return {
    ended,
    said: (pattern) => until('stderr', pattern, ended),
    printed: (pattern) => until('stdout', pattern, ended),
    kill: (signal) => void child.kill(signal),
    closePipes() {
      child.stdout.destroy();
      child.stderr.destroy();
    },
  };
}

/**
 * Starts `room-reaper` with these arguments inside this process, which saves a second of a core:
 * for what is not about a process, its sudden death, or a second signal.
 */
export function startInside(args: readonly string[], options: RunOptions = {}): Run {
  const { output, hear, until } = listenTo();
  const signals = new EventEmitter();
  let told = false;
  const tell = (signal: OrderlySignal) => {
    // A second one ends the process, and that is this one.
    if (told && signal !== 'SIGHUP') throw new Error('a second signal is for a process');
    told = true;
    signals.emit(signal, signal);
  };
  const stdout = writable((text) => hear('stdout', text));
  if (options.columns !== undefined) {
    Object.assign(stdout, { isTTY: true, columns: options.columns });
  }
  const io: Io = {
    stdin: Readable.from([Buffer.from(options.stdin ?? '')], { objectMode: false }),
    ...{ stdout, stderr: writable((text) => hear('stderr', text)) },
    ...{ env: {}, signals, exitCode: 0 },
  };
  const ended = runInside(args, io, options).then((code) => ({ code, signal: null, ...output }));
  // Whoever waits for it is told; a test need not wait.
  ended.catch(() => undefined);
  afterThisTest(async () => {
    if (!told) tell('SIGTERM');
    await ended;
  });
  return {
    ended,
    said: (pattern) => until('stderr', pattern, ended),
    printed: (pattern) => until('stdout', pattern, ended),
    kill: tell,
  };
}

/**
 * Runs `room-reaper` to its end: inside this process, unless the run is about a process or
 * another one is under way in another working directory.
 */
export function run(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const env = options.env ?? {};
  const isAboutProcess = 'NODE_OPTIONS' in env || 'NODE_EXTRA_CA_CERTS' in env;
  const isElsewhere = inside.runs > 0 && needsDirectory(options) && inside.folder !== options.cwd;
  return (isAboutProcess || isElsewhere ? start(args, options) : startInside(args, options)).ended;
}

/** The runs of one test that are under way in a working directory: this process has one. */
let inside = { runs: 0, folder: '' };
const home = process.cwd();

/** With stores elsewhere nothing is made in it. */
function needsDirectory({ cwd, env }: RunOptions): boolean {
  return cwd !== undefined || env?.['DATABASE_URL'] === undefined;
}

/** Where a test gave up waiting, its folder goes all the same, and must be nobody's directory. */
function leave(): void {
  inside = { runs: 0, folder: '' };
  process.chdir(home);
}

/** @returns the exit code. */
async function runInside(args: readonly string[], io: Io, options: RunOptions): Promise<number> {
  const cwd = options.cwd ?? folderWith();
  const ours = inside;
  const entered = needsDirectory(options);
  if (entered) {
    if (ours.runs === 0) {
      process.chdir(cwd);
      afterThisTest(leave);
    } else if (ours.folder !== cwd) {
      throw new Error(`a run is under way in ${ours.folder}: start this one as a process`);
    }
    ours.runs += 1;
    ours.folder = cwd;
  }
  try {
    await runProgram(args, io, (onNotice) =>
      readEnvironment({ PATH: process.env.PATH, ...options.env }, cwd, onNotice),
    );
  } finally {
    if (entered) ours.runs -= 1;
    if (ours === inside && ours.runs === 0) process.chdir(home);
  }
  if (io.signals.eventNames().length > 0)
    throw new Error(`${args.join(' ')} still listens to signals after its end`);
  return io.exitCode;
}

function writable(hear: (text: string) => void): Writable {
  const decoder = new StringDecoder('utf8');
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      hear(decoder.write(chunk));
      done();
    },
  });
}
