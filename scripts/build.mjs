// One build to dist/: the program and the libraries, their types, the dashboard, and the SQL
// migrations. Each
// command that needs it asks for it, so what is up to date is left as it is.
//
// The program is bundled with the packages that it uses: finding and reading hundreds of small
// files is most of its start. The libraries import them, so that the service around shares them.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { rolldown } from 'rolldown';

/** Written last: a build that failed leaves none. */
const stamp = 'dist/.built';
const madeFrom = [
  'src',
  'scripts/build.mjs',
  'tsconfig.json',
  'tsconfig.build.json',
  'package-lock.json',
];

/** Each a file of its own: it is run by its path, as a process or a thread. */
const program = ['cli/main', 'embedded/thread', 'simulator/child'];
/** The package's exports, and the embedded database for processes of the tests. */
const libraries = ['producer/index', 'worker/index', 'embedded/open-embedded'];

/** They find files or native code by their own place; pg goes without its native client. */
const neverBundled = [/^@electric-sql\/pglite/, 'msgpackr-extract', 'pg-native'];

/** pg asks whether it runs at Cloudflare by a global that costs Node 20 a tenth of the start. */
const withoutCloudflare = {
  name: 'without-cloudflare',
  transform: {
    filter: { id: /node_modules\/pg\/lib\/stream\.js$/ },
    handler(code) {
      const changed = code.replace("typeof Response === 'function'", 'false');
      if (changed === code) throw new Error('pg/lib/stream.js must ask for Response, and does not');
      return { code: changed, map: null };
    },
  },
};

/**
 * All that is written lies two folders below the package, as the sources do: the same relative
 * paths lead from both to migrations, thread, child and package.json.
 */
async function bundle(entries, external) {
  const bundled = await rolldown({
    input: Object.fromEntries(entries.map((entry) => [entry, `src/${entry}.ts`])),
    platform: 'node',
    external,
    plugins: [withoutCloudflare],
    // Its package.json names two main files.
    resolve: {
      mainFields: ['module', 'main'],
      alias: { 'tls-sig-api-v2': 'tls-sig-api-v2/TLSSigAPIv2.js' },
    },
    // What is not used of it is left out.
    treeshake: { moduleSideEffects: (id) => !id.includes('/node_modules/bullmq/') },
    onLog(level, { message }) {
      if (level === 'warn') throw new Error(message);
    },
  });
  const { output } = await bundled.write({
    dir: 'dist',
    entryFileNames: '[name].js',
    chunkFileNames: 'chunks/[name]-[hash].js',
    comments: { legal: true, annotation: false, jsdoc: false },
    sourcemap: true,
    sourcemapExcludeSources: true,
  });
  await bundled.close();
  return output.flatMap((each) => (each.type === 'chunk' ? each.moduleIds : []));
}

/**
 * The dashboard: a page, its script and its style, each under a name that has its content.
 *
 * @returns the modules that are part of it.
 */
async function bundleDashboard() {
  const bundled = await rolldown({
    input: 'src/dashboard/main.tsx',
    platform: 'browser',
    onLog(level, { message }) {
      if (level === 'warn') throw new Error(message);
    },
  });
  const { output } = await bundled.write({
    dir: 'dist/dashboard/assets',
    entryFileNames: '[name]-[hash].js',
    minify: true,
    comments: { legal: false, annotation: false, jsdoc: false },
  });
  await bundled.close();
  // The report as a page is rendered by the program, which loads this only then.
  const report = await rolldown({ input: 'src/dashboard/report.tsx', platform: 'node' });
  const rendered = await report.write({ file: 'dist/dashboard/report.cjs', format: 'cjs' });
  await report.close();
  const [{ fileName, moduleIds }] = output;
  const style = readFileSync('src/dashboard/style.css');
  const hash = createHash('sha256').update(style).digest('hex').slice(0, 8);
  writeFileSync(`dist/dashboard/assets/style-${hash}.css`, style);
  writeFileSync('dist/dashboard/report.css', style);
  const page = readFileSync('src/dashboard/index.html', 'utf8')
    .replace('{{script}}', `assets/${fileName}`)
    .replace('{{style}}', `assets/style-${hash}.css`);
  writeFileSync('dist/dashboard/index.html', page);
  return [...moduleIds, ...rendered.output[0].moduleIds];
}

/** The packages that are part of the program want their licences beside it. */
function writeLicenses(modules) {
  const folders = modules.flatMap(
    (id) => /^.*\/node_modules\/(@[^/]+\/)?[^/]+/.exec(id)?.[0] ?? [],
  );
  const texts = [...new Set(folders)].sort().map((folder) => {
    const { name, version, license } = JSON.parse(
      readFileSync(join(folder, 'package.json'), 'utf8'),
    );
    const file = readdirSync(folder).find((each) => /^licen[cs]e/i.test(each));
    const text = file === undefined ? '' : readFileSync(join(folder, file), 'utf8').trim();
    return `${name} ${version}: ${license}\n\n${text}\n`;
  });
  writeFileSync('dist/third-party-licenses.txt', texts.join(`\n${'-'.repeat(72)}\n\n`));
}

/** Of folders too: theirs change where a file is removed. */
function newestMs(path) {
  const status = statSync(path);
  if (!status.isDirectory()) return status.mtimeMs;
  return Math.max(status.mtimeMs, ...readdirSync(path).map((name) => newestMs(join(path, name))));
}

if (!existsSync(stamp) || Math.max(...madeFrom.map(newestMs)) >= statSync(stamp).mtimeMs) {
  const startedAt = new Date();
  rmSync('dist', { recursive: true, force: true });
  // The compiler is named by its path: the TypeScript before it is here too (try-package.mjs).
  const tsc = 'node_modules/typescript-native/bin/tsc';
  execFileSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], { stdio: 'inherit' });
  writeLicenses([...(await bundle(program, neverBundled)), ...(await bundleDashboard())]);
  await bundle(libraries, (id) => !/^[./]/.test(id));
  cpSync('src/ledger/migrations', 'dist/ledger/migrations', { recursive: true });
  chmodSync('dist/cli/main.js', 0o755);
  writeFileSync(stamp, '');
  // What was changed meanwhile is newer.
  utimesSync(stamp, startedAt, startedAt);
}
