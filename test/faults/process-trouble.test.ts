/**
 * The worker's own process is stopped, blocked, or has a clock that jumps.
 *
 * Signals reach the inside of the program through a module that Node loads before it.
 */
import { pathToFileURL } from 'node:url';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { folderWith } from '../e2e/room-reaper.js';
import { redisAndPostgres } from '../e2e/stage.js';
import { assertQuotaKept } from '../support/quota-kept.js';
import { Scene, sideBySide } from './scene.js';

/** Beside each other, four lines would want more than two cores have. */
const ratePerSecond = 60;

/** At each SIGUSR2 nothing runs for a second. */
const blocksOnSignal = `
process.on('SIGUSR2', () => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
  process.stderr.write('blocked for a second\\n');
});`;

/** At each SIGUSR2 the system clock jumps: five hours ahead, ten back, and so on; at last it is right again. */
const jumpsOnSignal = `
const Real = Date;
const offsets = [5, -5, 5, -5, 0].map((hours) => hours * 3600_000);
let offset = 0;
globalThis.Date = class extends Real {
  constructor(...args) {
    if (args.length === 0) super(Real.now() + offset);
    else super(...args);
  }
  static now() {
    return Real.now() + offset;
  }
};
process.on('SIGUSR2', () => {
  offset = offsets.shift() ?? 0;
  process.stderr.write('the clock jumped to ' + new Date().toISOString() + '\\n');
});`;

/** NODE_OPTIONS that load the module first. */
function preloading(source: string): Record<string, string> {
  const file = join(folderWith({ 'preload.mjs': source }), 'preload.mjs');
  return { NODE_OPTIONS: `--import ${pathToFileURL(file).href}` };
}

async function open(options: Omit<Parameters<typeof Scene.open>[0], 'queueUrl' | 'databaseUrl'>) {
  const stores = await redisAndPostgres();
  return Scene.open({
    queueUrl: stores.QUEUE_URL,
    databaseUrl: stores.DATABASE_URL,
    ratePerSecond,
    ...options,
  });
}

async function finish(scene: Scene) {
  await scene.roomsEnded();
  await scene.queueEmpty();
  const said = await scene.stopWorkers();
  return { said, ...(await scene.findings()) };
}

const tenSeconds = () => new Promise((resolve) => setTimeout(resolve, 10_000));

const scenarios = {
  'stopped beside another': async () => {
    const scene = await open({ rooms: ratePerSecond * 14, latencyMs: 50 });
    await scene.server.reached(ratePerSecond);
    const [first] = scene.workers;
    first?.kill('SIGSTOP');
    await tenSeconds();
    first?.kill('SIGCONT');
    return finish(scene);
  },

  'stopped with answers on their way': async () => {
    const scene = await open({ rooms: 20, workers: 1, latencyMs: 2_000 });
    await scene.server.reached(20);
    const [worker] = scene.workers;
    worker?.kill('SIGSTOP');
    // Longer than a request may take (REQUEST_TIMEOUT_MS, 8 s).
    await tenSeconds();
    worker?.kill('SIGCONT');
    return finish(scene);
  },

  blocked: async () => {
    const scene = await open({
      rooms: ratePerSecond * 6,
      workers: 1,
      latencyMs: 50,
      env: preloading(blocksOnSignal),
    });
    for (const reached of [30, 120, 210]) {
      await scene.server.reached(reached);
      for (const worker of scene.workers) worker.kill('SIGUSR2');
    }
    return finish(scene);
  },

  'with a clock that jumps': async () => {
    const scene = await open({
      rooms: ratePerSecond * 6,
      latencyMs: 200,
      env: preloading(jumpsOnSignal),
    });
    const [first] = scene.workers;
    for (const [index, reached] of [40, 90, 140, 190, 240].entries()) {
      await scene.server.reached(reached);
      first?.kill('SIGUSR2');
      // Two signals that come at once are one.
      await first?.said(new RegExp(`(the clock jumped[^]*){${index + 1}}`));
    }
    return finish(scene);
  },
} as const;

type Name = keyof typeof scenarios;
type Over = Awaited<ReturnType<typeof finish>>;
let over: (name: Name) => Over;

beforeAll(async () => {
  over = await sideBySide<Name, Over>(scenarios);
}, 180_000);

test('a worker that is stopped for ten seconds and goes on makes no burst: its slots are given up', () => {
  const { wrong, report, slots, outcomes } = over('stopped beside another');
  assertQuotaKept(report, ratePerSecond, slots);
  expect(wrong).toEqual([]);
  expect(outcomes).toEqual({ destroyed: ratePerSecond * 14 });
});

test('statistics that arrive while a worker is stopped are saved when it goes on, and no room is asked twice', () => {
  const { wrong, outcomes, report } = over('stopped with answers on their way');
  expect(outcomes).toEqual({ destroyed: 20 });
  expect(report.requests).toHaveLength(20);
  expect(wrong).toEqual([]);
});

test('an event loop that is blocked for a second makes no burst and loses nothing', () => {
  const { said, wrong, report, slots, outcomes } = over('blocked');
  expect(said.join('').match(/blocked for a second/g)).toHaveLength(3);
  assertQuotaKept(report, ratePerSecond, slots);
  expect(wrong).toEqual([]);
  expect(outcomes).toEqual({ destroyed: ratePerSecond * 6 });
});

test('a clock that jumps by hours, back and forth, moves no slot, stops no line and changes no record', () => {
  const { said, wrong, report, slots, outcomes } = over('with a clock that jumps');
  expect(said.join('').match(/the clock jumped/g)).toHaveLength(5);
  expect(said.join('')).not.toMatch(/line stopped/);
  assertQuotaKept(report, ratePerSecond, slots);
  expect(wrong).toEqual([]);
  expect(outcomes).toEqual({ destroyed: ratePerSecond * 6 });
});
