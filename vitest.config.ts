import { configDefaults, defineConfig } from 'vitest/config';

/** Tests that need no server; they run without waiting for one. */
const unit = [
  'test/*.test.ts',
  'test/tencent/**/*.test.ts',
  'test/cli/{eta,plan,progress,small-heap,text,when}.test.ts',
  'test/ledger/gather.test.ts',
  'test/limiter/{clock,pace,slot-timer}.test.ts',
  'test/queue/{destruction-id,job}.test.ts',
  'test/worker/{backoff,decide,rejections,send,unsaved-result}.test.ts',
  'test/simulator/**/*.test.ts',
  'test/producer/{room-list*,space-check,two-at-once}.test.ts',
  'test/support.test/{choose,keeper}.test.ts',
];

/** Tests that measure time: alone, after all the others, one after the other. */
const pacing = ['test/pacing/**/*.test.ts'];

/** Tests that take servers away and wait for what follows: `npm run test:faults`. */
const faults = ['test/faults/**/*.test.ts'];

const globalSetup = ['test/support/global-setup.ts'];

export default defineConfig({
  test: {
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Most tests wait for a server rather than compute.
    maxWorkers: 3,
    projects: [
      {
        extends: true,
        test: { name: 'unit', include: unit },
      },
      {
        extends: true,
        test: {
          name: 'integration',
          include: ['test/**/*.test.ts'],
          exclude: [...configDefaults.exclude, ...unit, ...pacing, ...faults],
          globalSetup,
        },
      },
      {
        extends: true,
        test: {
          name: 'pacing',
          include: pacing,
          globalSetup,
          fileParallelism: false,
          testTimeout: 120_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: 'faults',
          include: faults,
          globalSetup,
          fileParallelism: false,
          testTimeout: 120_000,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
