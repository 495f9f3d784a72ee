import { existsSync, statfsSync } from 'node:fs';
import { freemem, totalmem } from 'node:os';
import { configDefaults, defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Tests that need no server: `npx vitest run --project unit` runs them without one. */
const unit = ['test/**/*.unit.test.ts'];

/** Tests that take servers away and wait for what follows: `npm run test:faults`. */
const faults = ['test/faults/**/*.test.ts'];

/** The history check, which has a command of its own: `npm run test:chaos`. */
const chaos = ['test/chaos/history.test.ts'];

/** Memory over many rooms: `npm run test:soak`; its short form runs with the faults. */
const soak = ['test/soak/**/*.test.ts'];

/** In a real Chromium: `npm run test:dashboard`. */
const dashboard = ['test/browser/**/*.test.ts'];

/** The longest. Begun last, one of them would run on alone. */
const longest =
  /(faults\/(outage|stores-away)|e2e\/.*|operations\/live-rooms|(ledger\/plans|limiter\/limiter|producer\/producer|queue\/backends)|server\/process|embedded\/processes|test\/examples)\.test\.ts$/;

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isLong = ({ moduleId }: TestSpecification) => longest.test(moduleId);
    return (await super.sort(files)).sort((a, b) => Number(isLong(b)) - Number(isLong(a)));
  }
}

/**
 * The data directories of the tests are many thousands of files that live for seconds: where there
 * is memory in plenty, they are kept in it.
 */
const inMemory = '/dev/shm';
if (process.env.TMPDIR === undefined && existsSync(inMemory)) {
  const { bavail, bsize } = statfsSync(inMemory);
  if (Math.min(bavail * bsize, freemem()) > 6 * 1024 ** 3) process.env.TMPDIR = inMemory;
}

/** Most of the time tests wait for a server rather than compute; a lane takes up to half a GB. */
const lanes = totalmem() > 8 * 1024 ** 3 ? 7 : 3;

const globalSetup = ['test/support/global-setup.ts'];

/** The faults and the history check may run beside the tests: on ports of their own. */
const besideTests = (workers: number) => ({ TEST_PORT_RANGES_AFTER: String(workers) });

export default defineConfig({
  test: {
    setupFiles: ['test/support/setup.ts'],
    // Screens show local time: the same everywhere, and another than UTC.
    env: { TZ: 'Asia/Shanghai' },
    // Nothing is judged by how long it takes: what ends at all ends sooner than this.
    testTimeout: 120_000,
    // The first to need an embedded database makes one, which takes seconds of a whole core.
    hookTimeout: 120_000,
    // A poll waits for what must come; how soon is a matter of the machine.
    expect: { poll: { timeout: 10_000 } },
    sequence: { sequencer: LongestFirst },
    // The runs after the first, those on other Nodes too, find the sources without their types.
    experimental: { fsModuleCache: true },
    projects: [
      {
        extends: true,
        test: {
          name: 'all',
          include: ['test/**/*.test.ts'],
          exclude: [...configDefaults.exclude, ...faults, ...soak, ...chaos, ...dashboard],
          globalSetup,
          // One process for many files: starting one takes longer than most of them. What a test
          // opened is closed by test/support/setup.ts.
          isolate: false,
          // Those that compute, the unit tests, fill the time in which others wait.
          maxWorkers: lanes,
          sequence: { groupOrder: 1 },
          // An embedded database lives for seconds: optimizing its code takes longer than it saves.
          execArgv: ['--liftoff-only'],
        },
      },
      {
        extends: true,
        test: {
          name: 'unit',
          include: unit,
          isolate: false,
          // They compute, and every process loads the sources anew.
          maxWorkers: 2,
        },
      },
      {
        extends: true,
        test: {
          name: 'faults',
          include: faults,
          globalSetup,
          // They mostly wait.
          maxWorkers: 3,
          env: besideTests(lanes),
          sequence: { groupOrder: 2 },
        },
      },
      {
        extends: true,
        test: {
          name: 'soak',
          include: soak,
          globalSetup,
          maxWorkers: 3,
          env: besideTests(lanes),
          testTimeout: 1_800_000,
          sequence: { groupOrder: 2 },
        },
      },
      {
        extends: true,
        test: {
          name: 'dashboard',
          include: dashboard,
          // An evening in one browser: what follows a failure fails too.
          bail: 1,
          sequence: { groupOrder: 4 },
          expect: { poll: { timeout: 60_000 } },
        },
      },
      {
        extends: true,
        test: {
          name: 'chaos',
          include: chaos,
          globalSetup,
          env: besideTests(lanes + 3),
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
});
