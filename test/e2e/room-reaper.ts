/** Runs the built program (`npm run build`) as a real process, as its users do. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach } from 'vitest';
import { startKeeper } from '../support/keeper.js';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

export interface RunOptions {
  /** All of its environment, apart from PATH: nothing of the test's own leaks in. */
  env?: Record<string, string>;
  /** Its working directory; default: an empty one. */
  cwd?: string;
  /** What is written to its standard input, which is closed then. */
  stdin?: string;
}

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  /** Wall time of the whole process. */
  seconds: number;
}

export interface Run {
  readonly ended: Promise<Ended>;
  /** Resolves once stderr holds `pattern`; rejects where the program ends without it. */
  said(pattern: RegExp): Promise<void>;
  /** The same of stdout. */
  printed(pattern: RegExp): Promise<void>;
  kill(signal: NodeJS.Signals): void;
  /** Reads nothing of it any more. */
  closePipes(): void;
}

const cleanups: (() => Promise<void>)[] = [];

/** Whatever became of the test, nothing of it is left running or on the disk. */
afterEach(async () => {
  await Promise.all(cleanups.splice(0).map((cleanup) => cleanup()));
});

/** Runs `cleanup` after the test. */
export function afterThisTest(cleanup: () => Promise<void>): void {
  cleanups.push(cleanup);
}

/** An empty folder, gone after the test; `files` are written into it. */
export function folderWith(files: Record<string, string> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), 'room-reaper-test-'));
  const keeper = startKeeper(folder, 'SIGKILL');
  afterThisTest(() => keeper.end());
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

/** Starts `room-reaper` with these arguments. */
export function start(args: readonly string[], options: RunOptions = {}): Run {
  const startedAt = performance.now();
  const child: ChildProcessWithoutNullStreams = spawn(process.execPath, [main, ...args], {
    cwd: options.cwd ?? folderWith(),
    env: { PATH: process.env.PATH, ...options.env },
  });
  // A keeper ends it also where this process is killed.
  const kept = mkdtempSync(join(tmpdir(), 'room-reaper-test-'));
  const keeper = startKeeper(kept, 'SIGKILL');
  writeFileSync(join(kept, 'pid'), String(child.pid));
  afterThisTest(async () => {
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
  const ended = exited.then(([code, signal]) => ({
    code,
    signal,
    ...output,
    seconds: (performance.now() - startedAt) / 1000,
  }));

  async function until(name: 'stdout' | 'stderr', pattern: RegExp): Promise<void> {
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
    await Promise.race([heard, tooLate]);
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

/** Runs `room-reaper` to its end. */
export function run(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  return start(args, options).ended;
}
