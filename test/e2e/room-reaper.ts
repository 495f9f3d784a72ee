/**
 * Runs the program: its commands inside the test's own process, which saves starting Node, or
 * as a real process of the built program (`npm run build`), as its users do. What each command
 * does as a process is tested in commands.test.ts.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { readEnvironment } from '../../src/environment.js';
import type { Io } from '../../src/cli/io.js';
import { runProgram } from '../../src/cli/program.js';
import { afterThisTest } from '../support/clean-up.js';
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
  /** When it is ended, where it still runs. Default: after this test. */
  after?: typeof afterThisTest;
}

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface Run {
  readonly ended: Promise<Ended>;
  /** What matches `pattern` on stderr, once it is there; rejects where the program ends without it. */
  said(pattern: RegExp): Promise<string>;
  /** The same of stdout. */
  printed(pattern: RegExp): Promise<string>;
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

/** Starts `room-reaper` with these arguments, as a process. */
export function start(args: readonly string[], options: RunOptions = {}): Run {
  const { after = afterThisTest } = options;
  const child: ChildProcessWithoutNullStreams = spawn(process.execPath, [main, ...args], {
    cwd: options.cwd ?? folderWith({}, after),
    env: { PATH: process.env.PATH, ...options.env },
  });
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

  const output = { stdout: '', stderr: '' };
  const listeners = new Set<() => void>();
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] += text;
      for (const listener of listeners) listener();
    });
  }
  // A program that refuses its arguments ends without reading.
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.stdin ?? '');

  const exited = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
  const ended = exited.then(([code, signal]) => ({ code, signal, ...output }));

  async function until(name: 'stdout' | 'stderr', pattern: RegExp): Promise<string> {
    const heard = new Promise<void>((resolve) => {
      const look = () => {
        if (!pattern.test(output[name])) return;
        listeners.delete(look);
        resolve();
      };
      listeners.add(look);
      look();
    });
    const tooLate = ended.then(({ code, ...all }) => {
      if (pattern.test(all[name])) return;
      throw new Error(
        `ended with ${String(code)} and never said ${String(pattern)}:\n${all[name]}\n${all.stderr}`,
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

  return {
    ended,
    said: (pattern) => until('stderr', pattern),
    printed: (pattern) => until('stdout', pattern),
    kill: (signal) => void child.kill(signal),
    closePipes() {
      child.stdout.destroy();
      child.stderr.destroy();
    },
  };
}

/**
 * Runs `room-reaper` to its end: inside this process, unless the run is about a process or
 * another one is under way in another working directory.
 */
export function run(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const env = options.env ?? {};
  const isAboutProcess =
    args[0] === 'worker' || 'NODE_OPTIONS' in env || 'NODE_EXTRA_CA_CERTS' in env;
  const cwd = options.cwd ?? folderWith();
  return isAboutProcess || (inside.runs > 0 && inside.folder !== cwd)
    ? start(args, { ...options, cwd }).ended
    : runInside(args, { ...options, cwd });
}

/** The runs of one test that are under way inside this process, which has one working directory. */
let inside = { runs: 0, folder: '' };
const home = process.cwd();

/** Where a test gave up waiting, its folder goes all the same, and must be nobody's directory. */
function leave(): void {
  inside = { runs: 0, folder: '' };
  process.chdir(home);
}

async function runInside(
  args: readonly string[],
  { env, cwd, stdin = '', columns }: RunOptions & { cwd: string },
): Promise<Ended> {
  const ours = inside;
  if (ours.runs === 0) {
    process.chdir(cwd);
    afterThisTest(leave);
  }
  ours.runs += 1;
  ours.folder = cwd;
  const listenersBefore = listeners();
  const [stdout, stderr] = [collect(), collect()];
  if (columns !== undefined) Object.assign(stdout.stream, { isTTY: true, columns });
  const io: Io = {
    stdin: Readable.from([Buffer.from(stdin)], { objectMode: false }),
    ...{ stdout: stdout.stream, stderr: stderr.stream, env: {}, exitCode: 0 },
  };
  try {
    await runProgram(args, io, (onNotice) =>
      readEnvironment({ PATH: process.env.PATH, ...env }, cwd, onNotice),
    );
  } finally {
    ours.runs -= 1;
    if (ours === inside && ours.runs === 0) process.chdir(home);
  }
  // Another run may have begun or ended meanwhile.
  if (ours.runs === 0 && listeners() > listenersBefore)
    throw new Error(`${args.join(' ')} still listens to signals after its end`);
  return { code: io.exitCode, signal: null, stdout: stdout.text(), stderr: stderr.text() };
}

/** How many functions of this process a signal or its end would call. */
function listeners(): number {
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP', 'exit'];
  return names.reduce((sum, name) => sum + process.listenerCount(name), 0);
}

function collect(): { stream: Writable; text: () => string } {
  const chunks: Buffer[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(chunk);
      done();
    },
  });
  return { stream, text: () => Buffer.concat(chunks).toString() };
}
