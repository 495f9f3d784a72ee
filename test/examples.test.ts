/** The examples, run as a user would: real processes, the built package, its embedded default. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { startSimulator, type Simulator } from '../src/simulator/simulator.js';
import { demoApp } from '../src/simulator/simulator-options.js';
import { makeDataDirectory } from './support/data-directory.js';
import { sameTier } from './support/embedded.js';
import { freshRedis } from './support/servers.js';
import { withoutTypes } from './support/typescript-process.js';

const root = fileURLToPath(new URL('../', import.meta.url));
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

interface Example {
  child: ChildProcess;
  /** All that it printed so far. */
  said: () => string;
  /** Its exit code, when it has ended. */
  ended: Promise<number | null>;
}

/**
 * Runs an example without its types: older versions of Node cannot read them. It comes
 * through stdin, so that it finds the package by its name, as if it stood in its root.
 */
function run(name: string, environment: Record<string, string>, args: string[] = []): Example {
  const source = readFileSync(new URL(`../examples/${name}`, import.meta.url), 'utf8');
  const child = spawn(process.execPath, [...sameTier, '--input-type=module', '-', ...args], {
    cwd: root,
    env: { PATH: process.env['PATH'], LOG_LEVEL: 'warn', ...environment },
  });
  child.stdin.end(withoutTypes(name, source));
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const ended = once(child, 'close').then(([code]) => code as number | null);
  cleanups.push(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  return { child, said: () => said, ended };
}

const dataDir = mkdtempSync(join(tmpdir(), 'rr-'));
let simulator: Simulator;
let environment: Record<string, string>;

beforeAll(async () => {
  await makeDataDirectory(dataDir);
  simulator = await startSimulator({ anyRoom: true });
  environment = {
    ROOM_REAPER_DATA_DIR: dataDir,
    TENCENT_SDK_APP_ID: String(demoApp.sdkAppId),
    TENCENT_SECRET_KEY: demoApp.secretKey,
    TENCENT_ENDPOINT: simulator.url,
  };
});
afterAll(async () => {
  await simulator.close();
  rmSync(dataDir, { recursive: true, force: true });
});

test(
  'what examples/producer.ts asks for, examples/worker.ts destroys, each room once',
  { timeout: 90_000 },
  async () => {
    const worker = run('worker.ts', environment);
    // The worker runs the embedded database, the producer joins it.
    const working = expect
      .poll(worker.said, { timeout: 60_000 })
      .toContain('working; stop with SIGTERM')
      .then(() => 'working');
    expect(await Promise.race([working, worker.ended]), worker.said()).toBe('working');

    const producer = run('producer.ts', environment, ['live-room-1', 'live-room-2', 'live: 3']);
    expect(await producer.ended, producer.said()).toBe(0);
    expect(producer.said()).toMatch(/^live-room-1: added as [0-9a-f-]{36}$/m);
    expect(producer.said()).toMatch(/^2 more added, 0 were pending already$/m);

    expect(producer.said()).toMatch(/^live-room-after-the-event: cancelled$/m);

    const rooms = ['live-room-1', 'live-room-2', 'live: 3', 'live-room-urgent'];
    const states = () => rooms.map((roomId) => simulator.room(roomId));
    await expect
      .poll(states, { timeout: 15_000 })
      .toEqual(rooms.map(() => ({ state: 'destroyed', requests: 1 })));
    const takenBack = 'live-room-after-the-event: cancelled, unknown viewers';
    await expect.poll(worker.said, { timeout: 15_000 }).toContain(takenBack);
    expect(simulator.room('live-room-after-the-event').requests).toBe(0);

    worker.child.kill('SIGTERM');
    expect(await worker.ended, worker.said()).toBe(0);
    const [first, ...lines] = worker.said().trim().split('\n');
    expect(first).toBe('working; stop with SIGTERM');
    expect(lines.map((line) => line.replace(/ \d+ viewers$/, '')).sort()).toEqual(
      [...rooms.map((room) => `${room}: destroyed,`), takenBack].sort(),
    );
  },
);

test('examples/producer.ts says what is wrong with a RoomId, and ends', async () => {
  const { url: QUEUE_URL, drop } = await freshRedis();
  cleanups.push(drop);
  const producer = run('producer.ts', { ...environment, QUEUE_URL }, ['räum']);
  expect(await producer.ended).toBe(1);
  expect(producer.said()).toMatch(/^INVALID: RoomId must be 1–48 bytes of printable ASCII/m);
});

test('examples/worker.ts says everything that is missing from its configuration', async () => {
  const worker = run('worker.ts', {});
  expect(await worker.ended).not.toBe(0);
  expect(worker.said()).toContain('TENCENT_SDK_APP_ID must be set');
  expect(worker.said()).toContain('TENCENT_SECRET_KEY');
});
