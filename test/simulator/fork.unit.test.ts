import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type * as ForkModule from '../../src/simulator/fork.js';
import { burst, closing, codesOf, destroy, send } from './client.js';
import { compileSimulator } from './compiled.js';

let compiled: Awaited<ReturnType<typeof compileSimulator>>;
let forkSimulator: typeof ForkModule.forkSimulator;
beforeAll(async () => {
  compiled = await compileSimulator();
  const module = pathToFileURL(join(compiled.folder, 'simulator/fork.js')).href;
  ({ forkSimulator } = (await import(/* @vite-ignore */ module)) as typeof ForkModule);
});
afterAll(() => compiled.remove());

test('a simulator in its own process answers and reports like one in this process', async () => {
  const simulator = closing(await forkSimulator({ rooms: ['a', 'b\t100001*1'] }));
  expect(await codesOf(simulator, 'a', 2)).toEqual([0, 100004]);
  expect(await codesOf(simulator, 'b', 2)).toEqual([100001, 0]);
  const [report, arrivals] = await Promise.all([simulator.report(), simulator.arrivals()]);
  expect(report).toMatchObject({ requests: 4, rooms: { destroyed: 2, left: 0 } });
  expect(arrivals).toHaveLength(4);
});

test('a webhook can be set in a forked simulator, and a wrong one is refused there', async () => {
  const simulator = closing(await forkSimulator({ rooms: 1 }));
  await expect(simulator.setWebhook({ url: 'nowhere' })).rejects.toThrow('webhook must be');
  await simulator.setWebhook({ url: `${simulator.url}/no-webhook`, faults: ['twice=1'] });
  await codesOf(simulator, 'room-000001', 1);
  // It answers what it does not know with 200 and an ErrorCode, as the API does.
  await expect.poll(async () => (await simulator.report()).webhook).toMatchObject({ taken: 2 });
});

test('any room exists in a forked simulator when asked for, a file says which have faults', async () => {
  const roomsFile = join(compiled.folder, 'faults.txt');
  await writeFile(roomsFile, 'room 7\tgone\nroom 8\t100001*1\n');
  const simulator = closing(await forkSimulator({ anyRoom: true, roomsFile }));
  expect((await destroy(simulator, 'room 6')).ErrorCode).toBe(0);
  expect((await destroy(simulator, 'room 7')).ErrorCode).toBe(100004);
  expect(await codesOf(simulator, 'room 8', 2)).toEqual([100001, 0]);
});

test('an unlimited quota reaches a forked simulator', async () => {
  const simulator = closing(
    await forkSimulator({ anyRoom: true, quotaPerSecond: Number.POSITIVE_INFINITY }),
  );
  const rooms = Array.from({ length: 300 }, (_, index) => `r${index}`);
  expect(new Set(await burst(simulator, rooms))).toEqual(new Set([0]));
});

test('a fault can be switched while a forked simulator runs', async () => {
  const simulator = closing(await forkSimulator({ rooms: 1 }));
  await simulator.setFault('502');
  expect((await send(simulator, 'room-000001')).status).toBe(502);
  await expect(simulator.setFault('crash')).rejects.toMatchObject({ code: 'INVALID' });
  await simulator.setFault(undefined);
  expect((await destroy(simulator, 'room-000001')).ErrorCode).toBe(0);
});

test('wrong options of a forked simulator are refused as in this process', async () => {
  await expect(forkSimulator({ faults: ['crash'] })).rejects.toMatchObject({
    name: 'ReaperError',
    code: 'INVALID',
    message: expect.stringMatching(/^fault must be/) as string,
  });
});

test('a forked simulator that was closed is gone, and asking it says so', async () => {
  const simulator = await forkSimulator();
  await simulator.close();
  await simulator.close();
  await expect(send(simulator, 'a')).rejects.toThrow('fetch failed');
  await expect(simulator.report()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
});

test('a forked simulator takes no notice of signals, and ends when its parent is killed', async () => {
  const program = `
    import { forkSimulator } from './simulator/fork.js';
    const { url } = await forkSimulator({ anyRoom: true });
    process.on('SIGINT', () => undefined);
    console.log(url);
  `;
  const parent = spawn(process.execPath, ['--input-type=module', '-e', program], {
    cwd: compiled.folder,
    detached: true, // a process group of its own, as a shell gives to what it starts
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [said] = (await once(parent.stdout, 'data')) as [Buffer];
  const simulator = { url: said.toString().trim() };
  const { pid } = parent;
  if (pid === undefined) throw new Error('the parent must have been started');
  process.kill(-pid, 'SIGINT'); // Ctrl-C
  expect(await codesOf(simulator, 'a', 2)).toEqual([0, 100004]);
  process.kill(pid, 'SIGKILL');
  await expect
    .poll(
      () =>
        send(simulator, 'a').then(
          () => 'answers',
          () => 'gone',
        ),
      { timeout: 10_000 },
    )
    .toBe('gone');
});
