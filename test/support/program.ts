import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chownSync,
  mkdtempSync,
  openSync,
  closeSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { keep } from './keeper.js';
import { type OwnServer, untilItAnswers } from './server.js';

/** A server program, run in a temporary folder under the eye of a keeper (keeper.ts). */
export interface Program {
  name: string;
  user?: { uid: number; gid: number } | undefined;
  /** Prepares the folder, once. */
  prepare?: (folder: string) => void;
  command: (folder: string, port: number) => [path: string, ...args: string[]];
  url: (port: number) => string;
  ask: (url: string) => Promise<void>;
  /** The signal of an orderly stop, and the one that ends it at once but cleanly. */
  stopSignal: NodeJS.Signals;
  endSignal: NodeJS.Signals;
}

export async function startProgram(program: Program): Promise<OwnServer> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await startOn(program, await freePort());
    } catch (error) {
      // Between finding a port and using it another process may take it.
      if (tries === 3) throw error;
    }
  }
}

async function startOn(program: Program, port: number): Promise<OwnServer> {
  const folder = mkdtempSync(join(tmpdir(), 'room-reaper-test-'));
  if (program.user) chownSync(folder, program.user.uid, program.user.gid);
  const keeper = keep(folder, program.endSignal);
  const url = program.url(port);
  const log = join(folder, 'log');
  let child: ChildProcess | undefined;
  let exited: Promise<unknown> = Promise.resolve();

  const isRunning = (): boolean =>
    child !== undefined && child.exitCode === null && child.signalCode === null;

  const launch = async (): Promise<void> => {
    const [path, ...args] = program.command(folder, port);
    const output = openSync(log, 'a');
    child = spawn(path, args, {
      cwd: folder,
      detached: true,
      stdio: ['ignore', output, output],
      ...program.user,
    });
    closeSync(output);
    exited = once(child, 'exit');
    child.unref();
    if (child.pid !== undefined) writeFileSync(join(folder, 'pid'), String(child.pid));
    // The keeper must not end another process that was given the same id later.
    child.once('exit', () => rmSync(join(folder, 'pid'), { force: true }));
    await untilItAnswers(
      program.name,
      () => program.ask(url),
      () => (isRunning() ? undefined : readFileSync(log, 'utf8').trim().slice(-2_000)),
    );
  };

  const kill = async (signal: NodeJS.Signals = 'SIGKILL'): Promise<void> => {
    child?.kill(signal);
    if (signal !== 'SIGSTOP' && signal !== 'SIGCONT') await exited;
  };

  const restart = async (): Promise<void> => {
    if (isRunning()) await kill(program.stopSignal);
    // After a kill -9 of Postgres its children need a moment to notice, and until then a
    // new one refuses to start on the data.
    for (let tries = 1; ; tries += 1) {
      try {
        await launch();
        return;
      } catch (error) {
        if (tries === 20 || isRunning()) throw error;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  };

  const stop = (): Promise<void> => keeper.end();

  try {
    program.prepare?.(folder);
    await launch();
  } catch (error) {
    await stop();
    throw error;
  }
  return { url, kill, restart, stop };
}

/**
 * Twelve ranges of a thousand. A worker of vitest keeps to one: what it took down is not taken by
 * another, nor by one of another run beside it (vitest.config.ts).
 */
const { VITEST_POOL_ID = 0, TEST_PORT_RANGES_AFTER = 0 } = process.env;
const firstPort = 20_000 + ((Number(VITEST_POOL_ID) + Number(TEST_PORT_RANGES_AFTER)) % 12) * 1_000;
let nextPort = Math.floor(Math.random() * 1_000);

/**
 * A port below the range that Linux gives to outgoing connections (from 32768). In that
 * range a client that reconnects to a killed server can be given the server's own port,
 * connect to itself and keep the server from coming back.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = firstPort + (nextPort++ % 1_000);
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => resolve(true));
    });
    await new Promise((resolve) => server.close(resolve));
    if (isFree) return port;
  }
}
