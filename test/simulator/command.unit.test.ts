import { spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Io } from '../../src/cli/io.js';
import { simulatorCommand } from '../../src/cli/simulator.js';
import { demoApp, readCredentials } from '../../src/simulator/simulator-options.js';
import { compileSimulator } from './compiled.js';
import { burst, codesOf, destroy, sign } from './client.js';

interface Run {
  url: string;
  out(): string;
  err(): string;
  /** By a signal. */
  stop(): Promise<void>;
}

/** Runs the command in this process until stop(). */
async function run(args: string[], env: NodeJS.ProcessEnv = {}): Promise<Run> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  let out = '';
  let err = '';
  const listening = new Promise<string>((resolve) => {
    stderr.on('data', (chunk: Buffer) => {
      err += chunk.toString();
      const url = /TENCENT_ENDPOINT=(\S+)\n/.exec(err)?.[1];
      if (url !== undefined) resolve(url);
    });
  });
  stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  const signals = new EventEmitter();
  const io: Io = { stdin: new PassThrough(), stdout, stderr, env, signals, exitCode: 0 };
  const finished = simulatorCommand(io).parseAsync(args, { from: 'user' });
  const url = await Promise.race([listening, finished.then(() => '')]);
  return {
    url,
    out: () => out,
    err: () => err,
    stop: async () => {
      signals.emit('SIGINT', 'SIGINT');
      await finished;
    },
  };
}

test('the simulator command says on stderr where it listens and how to point a worker at it, and prints nothing else', async () => {
  const simulator = await run([]);
  expect(simulator.err()).toMatch(/listens at http:\/\/127\.0\.0\.1:\d+/);
  expect(simulator.err()).toContain(`TENCENT_SDK_APP_ID=${demoApp.sdkAppId}`);
  expect(simulator.err()).toContain(`TENCENT_SECRET_KEY=${demoApp.secretKey}`);
  expect(simulator.out()).toBe('');
  await simulator.stop();
});

test('the simulator command prints a report for people on stdout when it is stopped', async () => {
  const simulator = await run([]);
  await destroy(simulator, 'any room');
  await simulator.stop();
  expect(simulator.out()).toMatch(/^requests +1 in/);
  expect(simulator.out()).toMatch(/^rooms +1 destroyed, 0 left$/m);
});

test('the simulator command prints the report as one JSON object with --json', async () => {
  const simulator = await run(['--rooms', '2', '--json']);
  await destroy(simulator, 'room-000002');
  await simulator.stop();
  expect(JSON.parse(simulator.out())).toMatchObject({
    requests: 1,
    worstWindow: 1,
    codes: { '0': 1 },
    rooms: { destroyed: 1, left: 1 },
  });
});

test('the simulator command: --rooms takes a number; what is not listed does not exist', async () => {
  const simulator = await run(['--rooms', '2']);
  expect(await codesOf(simulator, 'room-000002', 1)).toEqual([0]);
  expect(await codesOf(simulator, 'room-000003', 1)).toEqual([100004]);
  await simulator.stop();
});

test('the simulator command: --rooms takes a file with faults, --any-room adds every other room', async () => {
  const file = join(compiled.folder, 'rooms.txt');
  await writeFile(file, 'a\t100001*1\n');
  const simulator = await run(['--rooms', file, '--any-room']);
  expect(await codesOf(simulator, 'a', 2)).toEqual([100001, 0]);
  expect(await codesOf(simulator, 'b', 1)).toEqual([0]);
  await simulator.stop();
});

test('the simulator command: --fault may be given again, --quota and --latency do what they say', async () => {
  const faults = ['--fault', '100001*1', '--fault', '100006*1'];
  const limited = await run([...faults, '--quota', '3']);
  expect(await burst(limited, ['a', 'a', 'a', 'a'])).toEqual([100001, 100006, 0, 60007]);
  await limited.stop();
  const lists = await run(['--quota', 'get_room_list=1', '--json']);
  for (const code of [0, 60007]) {
    const path = '/v4/live_engine_http_srv/get_room_list';
    const reply = await destroy(lists, '', { path, body: '{"Next":"","Count":20}' });
    expect(reply.ErrorCode).toBe(code);
  }
  await lists.stop();
  const slow = await run([...faults, '--latency', '60']);
  const from = performance.now();
  expect(await codesOf(slow, 'a', 4)).toEqual([100001, 100006, 0, 100004]);
  expect(performance.now() - from).toBeGreaterThanOrEqual(230);
  await slow.stop();
});

test('the simulator command checks signatures with the app of the environment and does not print its key', async () => {
  const env = { TENCENT_SDK_APP_ID: '1500000001', TENCENT_SECRET_KEY: 'of-the-user' };
  const simulator = await run([], env);
  const usersig = sign({ sdkAppId: 1_500_000_001, key: 'of-the-user' });
  const parameters = { sdkappid: '1500000001', usersig };
  expect((await destroy(simulator, 'a', { parameters })).ErrorCode).toBe(0);
  expect((await destroy(simulator, 'b')).ErrorCode).toBe(70020);
  await simulator.stop();
  expect(simulator.err() + simulator.out()).not.toContain('of-the-user');
  expect(simulator.err() + simulator.out()).not.toContain(usersig);
});

test('the simulator command: --webhook posts what the environment, or the flag before it, signs, and prints no token', async () => {
  const receiver = await run([]);
  const env = { TENCENT_WEBHOOK_TOKEN: 'of-the-environment' };
  for (const flags of [[], ['--webhook-token', 'of-the-flag', '--webhook-fault', 'twice=1']]) {
    const simulator = await run(['--webhook', `${receiver.url}/hook`, '--json', ...flags], env);
    await codesOf(simulator, 'a', 1);
    await expect
      .poll(async () => (await fetch(`${simulator.url}/simulator/report`)).json())
      .toMatchObject({ webhook: { taken: flags.length === 0 ? 1 : 2, waiting: 0 } });
    await simulator.stop();
    expect(simulator.err()).toContain(`rooms that go are posted, signed, to ${receiver.url}/hook`);
    expect(simulator.err() + simulator.out()).not.toMatch(/of-the-/);
  }
  const unsigned = await run(['--webhook', `${receiver.url}/hook`]);
  await unsigned.stop();
  expect(unsigned.err()).toContain('are posted, not signed, to');
  expect(unsigned.out()).toMatch(/^webhook +0 callbacks taken in 0 posts$/m);
  await receiver.stop();
});

test.each([
  [['--port', 'http'], '--port must be'],
  [['--port', '70000'], 'port must be'],
  [['--latency', '1.5'], '--latency must be'],
  [['--quota', '0'], 'quotaPerSecond must be'],
  [['--quota', 'get_room_list=0'], 'quota of get_room_list must be'],
  [['--quota', 'get_rooms=5'], '--quota must name one of destroy_room, get_room_info'],
  [['--create-per-second', 'many'], '--create-per-second must be'],
  [['--end-after', '90000'], 'endAfterSeconds must be'],
  [['--webhook', 'nowhere'], 'webhook must be'],
  [['--webhook-token', 'token'], '--webhook must say where'],
  [['--webhook-fault', 'late=0.1'], '--webhook must say where'],
  [['--seed', '-1'], '--seed must be'],
  [['--fault', 'crash'], 'fault must be'],
  [['--rooms', 'no-such-file.txt'], 'rooms file must be'],
])('the simulator command refuses %j as a usage error', async (args, message) => {
  await expect(run(args)).rejects.toMatchObject({
    code: 'INVALID',
    message: expect.stringContaining(message) as string,
  });
});

test('the help of the simulator command leads with examples and names every fault', () => {
  let help = '';
  const stdout = new PassThrough();
  stdout.on('data', (chunk: Buffer) => (help += chunk.toString()));
  const io = {
    stdin: new PassThrough(),
    stdout,
    stderr: new PassThrough(),
    env: {},
    signals: process,
    exitCode: 0,
  };
  simulatorCommand(io).outputHelp();
  expect(help).toMatch(/^Examples:/);
  const answers = ['cut', 'hang', 'stall', 'garbage', 'noresponse', 'twice', 'latency=', 'gone'];
  for (const word of answers) {
    expect(help).toContain(word);
  }
});

test('the credentials of the simulator are those of the demo app when the environment has none', () => {
  const demo = { sdkAppId: demoApp.sdkAppId, secretKey: demoApp.secretKey };
  expect(readCredentials({})).toEqual(demo);
  expect(readCredentials({ TENCENT_ADMIN_IDENTIFIER: 'boss' })).toEqual({
    ...demo,
    adminIdentifier: 'boss',
  });
});

test('the credentials of the simulator may have their key in a file', async () => {
  const file = join(compiled.folder, 'key');
  await writeFile(file, 'from-file\n');
  const env = { TENCENT_SDK_APP_ID: '7', TENCENT_SECRET_KEY_FILE: file };
  expect(readCredentials(env)).toEqual({ sdkAppId: 7, secretKey: 'from-file' });
});

test.each([
  [{ TENCENT_SDK_APP_ID: '7' }, 'TENCENT_SECRET_KEY must be set'],
  [{ TENCENT_SECRET_KEY: 'k' }, 'TENCENT_SDK_APP_ID must be set'],
  [{ TENCENT_SDK_APP_ID: 'seven', TENCENT_SECRET_KEY: 'k' }, 'TENCENT_SDK_APP_ID must be a'],
  [{ TENCENT_SDK_APP_ID: '7', TENCENT_SECRET_KEY_FILE: '/no/such' }, 'must be a readable file'],
])(
  'the credentials of the simulator given by half or wrongly are a usage error: %j',
  (env, message) => {
    expect(() => readCredentials(env)).toThrow(message);
  },
);

let compiled: Awaited<ReturnType<typeof compileSimulator>>;
beforeAll(async () => {
  compiled = await compileSimulator();
});
afterAll(() => compiled.remove());

test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
  '%s ends the simulator, which prints the report and exits 0',
  async (signal) => {
    const program = `
    import { simulatorCommand } from './cli/simulator.js';
    const { stdin, stdout, stderr } = process;
    await simulatorCommand({ stdin, stdout, stderr, env: {}, signals: process, exitCode: 0 }).parseAsync(['--json'], { from: 'user' });
  `;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      cwd: compiled.folder,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let out = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    const [said] = (await once(child.stderr, 'data')) as [Buffer];
    const url = /http:\S+\d/.exec(said.toString())?.[0] ?? '';
    expect(await codesOf({ url }, 'a', 1)).toEqual([0]);
    child.kill(signal);
    const [code] = (await once(child, 'close')) as [number | null];
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ requests: 1 });
  },
);
