// The history check (test/chaos): builds the program, then runs it for some time while
// things go wrong. Prints one page; exits with 1 where an invariant was violated.
import { execFileSync, spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';

const help = `npm run test:chaos -- [options]

  --short         half a minute of trouble, as in CI; without it, four minutes
  --seed N        what goes wrong and when; default: chosen by chance and printed
  --rooms N       rooms asked for; default: 70 for each second of trouble
  --minutes N     how long things go wrong
  --workers N     worker processes; default 4, with --short 3
  --keep FOLDER   write the history, the report and all outputs there
  --help          this text`;

function readOptions() {
  try {
    return parseArgs({
      options: {
        short: { type: 'boolean', default: false },
        seed: { type: 'string' },
        rooms: { type: 'string' },
        minutes: { type: 'string' },
        workers: { type: 'string' },
        keep: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    console.error(`${error.message}\n\n${help}`);
    process.exit(2);
  }
}

const { short, help: wantsHelp, keep, ...given } = readOptions();
if (wantsHelp) {
  console.log(help);
  process.exit(0);
}

function number(name, fallback, rule, isRight) {
  const text = given[name];
  const value = text === undefined ? fallback : Number(text);
  if (Number.isFinite(value) && isRight(value)) return value;
  console.error(`--${name} must be ${rule}, got ${text}\n\n${help}`);
  process.exit(2);
}

const whole = (value) => Number.isInteger(value) && value >= 1;
const minutes = number('minutes', short ? 0.5 : 4, 'a number above 0', (value) => value > 0);
const numbers = {
  CHAOS_SEED: number('seed', Math.ceil(Math.random() * 999_999), 'a whole number from 1', whole),
  CHAOS_MINUTES: minutes,
  CHAOS_ROOMS: number('rooms', Math.ceil(minutes * 60 * 70), 'a whole number from 1', whole),
  CHAOS_WORKERS: number('workers', short ? 3 : 4, 'a whole number from 1', whole),
};

execFileSync(process.execPath, ['scripts/build.mjs'], { stdio: 'inherit' });
const vitest = join(
  dirname(createRequire(import.meta.url).resolve('vitest/package.json')),
  'vitest.mjs',
);
const { status } = spawnSync(process.execPath, [vitest, 'run', '--project', 'chaos'], {
  stdio: 'inherit',
  env: {
    ...process.env,
    ...Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name, String(value)])),
    ...(keep === undefined ? {} : { CHAOS_KEEP: keep }),
  },
});
process.exit(status ?? 1);
