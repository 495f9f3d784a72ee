/** Worker processes, each in a place that is filled again when its process ends, as a service manager does. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { keep } from '../support/keeper.js';
import { epochNow } from '../support/stalls.js';
import type { Process } from './history.js';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** Between the end of a process and the start of the next in its place, in milliseconds. */
const restartAfterMs = 300;

export interface Fleet {
  readonly processes: readonly Process[];
  /** Resolves once every place has a process that works. */
  working(): Promise<void>;
  kill(place: number): Promise<void>;
  freeze(place: number, forMs: number): Promise<void>;
  /** SIGTERM; resolves once it has exited. */
  stop(place: number): Promise<void>;
  /** Stops them all, and fills no place again. */
  close(): Promise<void>;
}

interface Running {
  child: ChildProcess;
  process: Process;
  /** Resolves when it takes jobs, or has ended. */
  settled: Promise<unknown>;
  ended: Promise<unknown>;
}

export function startFleet(places: number, env: Record<string, string>): Fleet {
  const processes: Process[] = [];
  const running: (Running | undefined)[] = [];
  let closed = false;

  function fill(place: number): void {
    const folder = mkdtempSync(join(tmpdir(), 'room-reaper-test-'));
    const child = spawn(process.execPath, [main, 'worker'], {
      cwd: folder,
      env: { PATH: process.env.PATH, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    // Ends it also where this process is killed, and removes its folder.
    const keeper = keep(folder, 'SIGKILL');
    writeFileSync(join(folder, 'pid'), String(child.pid));
    const record: Process = {
      place,
      workerId: undefined,
      startedAtMs: epochNow(),
      end: undefined,
      signals: [],
      output: '',
    };
    processes.push(record);
    const ended = once(child, 'close').then(async ([code, signal]) => {
      record.end = {
        atMs: epochNow(),
        code: code as number | null,
        signal: signal as NodeJS.Signals | null,
      };
      running[place] = undefined;
      writeFileSync(join(folder, 'pid'), '');
      await keeper.end();
      if (!closed) await sleep(restartAfterMs);
      if (!closed) fill(place);
    });
    const settled = new Promise<void>((resolve) => {
      void ended.then(() => resolve());
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding('utf8').on('data', (text: string) => {
          record.output += text;
          if (record.workerId !== undefined) return;
          const [, id] = /"workerId":"([0-9a-f-]+)"/.exec(record.output) ?? [];
          if (id === undefined) return;
          record.workerId = id;
          resolve();
        });
      }
    });
    running[place] = { child, process: record, settled, ended };
  }

  function signal(place: number, name: NodeJS.Signals): Running | undefined {
    const at = running[place];
    if (at === undefined || !at.child.kill(name)) return undefined;
    at.process.signals.push({ atMs: epochNow(), name });
    return at;
  }

  for (let place = 0; place < places; place++) fill(place);

  return {
    processes,
    async working() {
      for (let place = 0; place < places; place++) {
        while (running[place]?.process.workerId === undefined) {
          await (running[place]?.settled ?? sleep(restartAfterMs / 2));
        }
      }
    },
    async kill(place) {
      await signal(place, 'SIGKILL')?.ended;
    },
    async freeze(place, forMs) {
      const at = signal(place, 'SIGSTOP');
      if (at === undefined) return;
      await sleep(forMs);
      if (at.child.kill('SIGCONT')) at.process.signals.push({ atMs: epochNow(), name: 'SIGCONT' });
    },
    async stop(place) {
      await signal(place, 'SIGTERM')?.ended;
    },
    async close() {
      closed = true;
      await Promise.all(running.map(async (_, place) => signal(place, 'SIGTERM')?.ended));
    },
  };
}
