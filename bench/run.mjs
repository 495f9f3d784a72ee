// The runner: `npm run bench [-- --short] [--markdown] [--plot] [NAME...]`. Compiles the benchmarks and the
// test support that they use, starts the servers of the tests, runs one after the other.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus, loadavg, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** Add a benchmark here; bench/bench.ts says what it must be. */
const names = [
  'enqueue',
  'redis-memory',
  'urgent',
  'pacing',
  'worker-cost',
  'ledger-queries',
  'stores',
  'serve',
];

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const results = join(root, 'bench', 'results');
// Inside the project, so that the packages are found. Removed at the end.
const compiled = join(results, '.compiled');
const program = join(root, 'dist', 'cli', 'main.js');

const wanted = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const short = process.argv.includes('--short');
/** Print tables for docs/benchmarks.md on stdout, and everything else on stderr. */
const markdown = process.argv.includes('--markdown');
const print = markdown ? console.error : console.log;
/** Draw the plots of the documentation from what is measured. */
const plotFolder = process.argv.includes('--plot') ? join(root, 'docs') : undefined;
const unknown = wanted.filter((name) => !names.includes(name));
if (unknown.length > 0) {
  console.error(`a benchmark must be one of ${names.join(', ')}, got ${unknown.join(', ')}`);
  process.exit(2);
}

function compile() {
  rmSync(compiled, { recursive: true, force: true });
  mkdirSync(compiled, { recursive: true });
  const config = join(compiled, 'tsconfig.json');
  writeFileSync(
    config,
    JSON.stringify({
      extends: join(root, 'tsconfig.json'),
      compilerOptions: { noEmit: false, rootDir: root, outDir: compiled, noCheck: true },
      include: [join(root, 'bench'), join(root, 'src'), join(root, 'test', 'support')],
    }),
  );
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
  execFileSync(process.execPath, [tsc, '-p', config], { cwd: root, stdio: 'inherit' });
  // Beside the compiled files, for what is read at run time.
  const copy = (from) =>
    execFileSync('cp', ['-r', join(root, from), join(compiled, dirname(from))]);
  copy('src/ledger/migrations');
  copy('deploy');
  copy('test/support');
  writeFileSync(join(compiled, 'package.json'), readFileSync(join(root, 'package.json')));
}

function asMarkdown(name, title, figures, seconds) {
  const number = (value) => String(Number(value.toPrecision(4)));
  const rows = figures.map((figure) => {
    const { name: what, value, goal } = figure;
    if (goal === undefined) return `| ${what} | ${number(value)} | | |`;
    const bound = 'atMost' in goal ? `≤ ${goal.atMost}` : `≥ ${goal.atLeast}`;
    return `| ${what} | ${number(value)} | ${bound} | ${meetsGoal(figure) ? 'met' : '**missed**'} |`;
  });
  return [
    `### ${name}: ${title}\n`,
    '| what | measured | goal | |\n|---|--:|---|---|',
    ...rows,
    `\n${machineAsText()}; ${new Date().toISOString().slice(0, 10)}, ${seconds} s${short ? ', short form' : ''}.\n`,
  ].join('\n');
}

function machineAsText() {
  return `${here.cpu}, ${here.cores} cores, ${here.memoryGB} GB, Node ${here.node}, load ${here.loadBefore} before`;
}

function machine() {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    /** Load average of the last minute: how busy it was with other things. */
    loadBefore: Number((loadavg()[0] ?? 0).toFixed(1)),
  };
}

const load = (path) => import(pathToFileURL(join(compiled, path)).href);

compile();
mkdirSync(results, { recursive: true });
const { meetsGoal } = await load('bench/bench.js');
const { startSharedServers } = await load('test/support/shared-servers.js');
const { stop, ...servers } = await startSharedServers();
const here = machine();
print(machineAsText());
let failed = 0;
try {
  for (const name of wanted.length > 0 ? wanted : names) {
    const { default: bench } = await load(`bench/${name}.js`);
    print(`\n${name}: ${bench.title}`);
    const say = (text) => print(`  … ${text}`);
    const startedAt = performance.now();
    try {
      const figures = await bench.run({ short, plotFolder, servers, program, say });
      for (const figure of figures) {
        const met = meetsGoal(figure);
        const goal =
          figure.goal === undefined
            ? ''
            : ` (goal: ${'atMost' in figure.goal ? `≤ ${figure.goal.atMost}` : `≥ ${figure.goal.atLeast}`}${met ? '' : ', MISSED'})`;
        print(`  ${figure.name}: ${Number(figure.value.toPrecision(4))}${goal}`);
      }
      const seconds = Math.round((performance.now() - startedAt) / 100) / 10;
      if (markdown) console.log(asMarkdown(name, bench.title, figures, seconds));
      const result = { name, short, at: new Date().toISOString(), seconds, machine: here, figures };
      // The short form says little: it must not replace figures that do.
      writeFileSync(
        join(results, `${name}${short ? '.short' : ''}.json`),
        `${JSON.stringify(result, null, 2)}\n`,
      );
    } catch (error) {
      // The work was wrong, or could not be done: that is what fails a run, not a missed goal.
      failed += 1;
      console.error(`  FAILED: ${error instanceof Error ? error.stack : String(error)}`);
    }
  }
} finally {
  await stop();
  rmSync(compiled, { recursive: true, force: true });
}
process.exit(failed > 0 ? 1 : 0);
