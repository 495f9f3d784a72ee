/** Processes under measurement: the built program, as its users run it, and the bare loop beside it. */
import { fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BareWorkerOptions } from './bare-worker.js';

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

const reportCpu = path('report-cpu.js');

export interface Measured {
  /** CPU time that the process has used, user and system, in milliseconds. */
  cpuMs(): Promise<number>;
  /** Most memory that it has had so far, in MB of a million bytes (Linux). */
  peakMemoryMB(): number;
  /** Resolves once it has said so on stderr, with the first group; rejects where it ends without. */
  said(pattern: RegExp): Promise<string>;
  /** SIGTERM, and waits for its end. @returns what it wrote to stderr. */
  stop(): Promise<string>;
}

export interface ProcessOptions {
  /** Working directory; default: an empty one. */
  cwd?: string;
  /** Folder for a CPU profile, written when the process ends. */
  profile?: string | undefined;
}

/** `room-reaper worker`, the built program at `program`. */
export function startWorkerProcess(
  program: string,
  env: Record<string, string>,
  options: ProcessOptions = {},
): Measured {
  return start(program, ['worker'], env, options);
}

/** `room-reaper serve` on a free port, the built program at `program`. It says where it serves. */
export function startServeProcess(
  program: string,
  env: Record<string, string>,
  options: ProcessOptions = {},
): Measured {
  return start(program, ['serve', '--port', '0'], env, options);
}

/** The bare loop (bare-worker.ts). */
export function startBareWorker(
  settings: BareWorkerOptions,
  options: ProcessOptions = {},
): Measured {
  return start(path('bare-worker.js'), [JSON.stringify(settings)], {}, options);
}

function start(
  script: string,
  args: string[],
  env: Record<string, string>,
  { cwd, profile }: ProcessOptions,
): Measured {
  const folder = cwd ?? mkdtempSync(join(tmpdir(), 'room-reaper-bench-'));
  const child = fork(script, args, {
    execArgv: [
      '--import',
      reportCpu,
      ...(profile ? ['--cpu-prof', `--cpu-prof-dir=${profile}`] : []),
    ],
    cwd: folder,
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let stderr = '';
  const listeners = new Set<() => void>();
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    for (const listener of listeners) listener();
  });
  const closed = once(child, 'close');
  const ended = closed.then(() => {
    if (cwd === undefined) rmSync(folder, { recursive: true, force: true });
  });
  const unexpected = ended.then(() => {
    throw new Error(`${script} ended: ${stderr.slice(-2_000)}`);
  });
  unexpected.catch(() => undefined);
  return {
    async cpuMs() {
      const answer = once(child, 'message') as Promise<[NodeJS.CpuUsage]>;
      child.send('cpu');
      const [{ user, system }] = await Promise.race([answer, unexpected]);
      return (user + system) / 1_000;
    },
    peakMemoryMB: () => peakMemoryMB(child.pid),
    async said(pattern) {
      const heard = new Promise<string>((resolve) => {
        const look = () => {
          const found = pattern.exec(stderr);
          if (found === null) return;
          listeners.delete(look);
          resolve(found[1] ?? '');
        };
        listeners.add(look);
        look();
      });
      return Promise.race([heard, unexpected]);
    },
    async stop() {
      if (isRunning(child)) child.kill('SIGTERM');
      await ended;
      return stderr;
    },
  };
}

/** By the system's own record (Linux). @returns 0 where it has ended, or on another system. */
export function peakMemoryMB(pid: number | undefined): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return (Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? 0) * 1_024) / 1e6;
  } catch {
    return 0;
  }
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}

/** Runs `room-reaper` to its end. @throws Error where its exit code is not 0. */
export async function runProgram(
  program: string,
  args: readonly string[],
  options: { env: Record<string, string>; cwd: string; stdin?: string },
): Promise<string> {
  const child = spawn(process.execPath, [program, ...args], {
    cwd: options.cwd,
    env: { PATH: process.env.PATH, ...options.env },
  });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] += text;
    });
  }
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.stdin ?? '');
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0)
    throw new Error(`room-reaper ${args.join(' ')} ended with ${code}: ${output.stderr}`);
  return output.stdout;
}
