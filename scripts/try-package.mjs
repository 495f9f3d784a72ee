// The package as its users get it: packed, installed into empty projects without a lockfile, by npm
// and by pnpm, which lets a package import nothing but what it names; and run there. Then how
// services use it: from CommonJS, from each kind of TypeScript, in a bundle, without PGlite.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { rolldown } from 'rolldown';

const folder = mkdtempSync(join(tmpdir(), 'room-reaper-package-'));
const run = (cwd, program, ...args) =>
  execFileSync(program, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
const must = (holds, what) => {
  if (!holds) throw new Error(`the package must ${what}`);
};

const installs = {
  npm: ['npm', 'install', '--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts'],
  pnpm: ['npx', '--yes', 'pnpm@10', 'add', '--prefer-offline', '--ignore-scripts'],
};

/** An embedded database lives for seconds here: optimizing its code takes longer than it saves. */
const node = (project, ...args) => run(project, process.execPath, '--liftoff-only', ...args);

/**
 * @param answers - what a room is told each time that the database is opened.
 * @returns the identifier of the embedded database that was made, which initdb gives each anew.
 */
function openEmbedded(project, data, answers) {
  const script = `
    import { openProducer } from 'room-reaper/producer';
    import { startWorker, readConfig } from 'room-reaper/worker';
    const opened = { queueUrl: 'embedded', sdkAppId: 1, dataDir: ${JSON.stringify(data)} };
    for (const expected of ${JSON.stringify(answers)}) {
      const producer = await openProducer(opened);
      const { status } = await producer.destroy('room-1');
      await producer.close();
      if (status !== expected || !startWorker || !readConfig) throw new Error(status);
    }`;
  node(project, '--input-type=module', '-e', script);
  return readFileSync(join(data, 'postgres/global/pg_control')).subarray(0, 8).toString('hex');
}

const service = `
import { openProducer, ReaperError, type Added } from 'room-reaper/producer';
import { readConfig, startWorker } from 'room-reaper/worker';

export const end = async (): Promise<void> => (await startWorker(readConfig(process.env))).close();
export const ask = async (queueUrl: string): Promise<Added['status'] | ReaperError> => {
  try {
    const producer = await openProducer({ queueUrl, sdkAppId: 1, dataDir: 'of-service' });
    return (await producer.destroy('room-1')).status;
  } catch (error) {
    if (error instanceof ReaperError) return error;
    throw error;
  }
};
`;

/**
 * How a service compiles: as CommonJS with the oldest resolution, which TypeScript 7 has no more,
 * and as Node and bundlers do.
 */
const compilers = [
  ['typescript', 'commonjs', 'node10', '--ignoreDeprecations', '6.0'],
  ['typescript-native', 'nodenext', 'nodenext'],
  ['typescript-native', 'esnext', 'bundler'],
];

async function useAsService(project) {
  writeFileSync(join(project, 'package.json'), '{}');
  writeFileSync(join(project, 'service.ts'), service);
  const require = createRequire(import.meta.url);
  const types = join(dirname(require.resolve('@types/node/package.json')), '..');
  for (const [compiler, module, moduleResolution, ...more] of compilers) {
    const options = { module, moduleResolution, target: 'es2022', lib: 'es2022' };
    Object.assign(options, { types: 'node', typeRoots: types });
    const flags = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
    const tsc = join(dirname(require.resolve(`${compiler}/package.json`)), 'bin/tsc');
    run(
      project,
      process.execPath,
      tsc,
      'service.ts',
      '--strict',
      '--skipDefaultLibCheck',
      '--ignoreConfig',
      ...flags,
      ...more,
    );
    console.log(`package: a service compiles (${moduleResolution})`);
    // The first is the one that is run.
    if (moduleResolution === 'node10')
      renameSync(join(project, 'service.js'), join(project, 'commonjs.cjs'));
  }
  const ask = (file, queueUrl) =>
    run(
      project,
      process.execPath,
      '-e',
      `require('./${file}').ask('${queueUrl}').then((answer) => console.log(answer.message ?? answer), console.error)`,
    );
  must(/ECONNREFUSED/.test(ask('commonjs.cjs', 'redis://127.0.0.1:1')), 'work from CommonJS');

  const bundled = await rolldown({
    input: join(project, 'service.ts'),
    platform: 'node',
    onLog() {},
  });
  await bundled.write({ file: join(project, 'bundle.cjs'), format: 'cjs', codeSplitting: false });
  must(/ECONNREFUSED/.test(ask('bundle.cjs', 'redis://127.0.0.1:1')), 'work in a bundle');
  must(/leave .* out of the bundle/.test(ask('bundle.cjs', 'embedded')), 'say what a bundle lacks');

  rmSync(join(project, 'node_modules/@electric-sql'), { recursive: true });
  must(/ECONNREFUSED/.test(ask('commonjs.cjs', 'redis://127.0.0.1:1')), 'work without PGlite');
  must(/--omit=optional/.test(ask('commonjs.cjs', 'embedded')), 'say where PGlite is missing');
  console.log('package: a service uses it from CommonJS, in a bundle, and without PGlite');
}

try {
  const packed = execFileSync('npm', ['pack', '--json', '--pack-destination', folder], {
    encoding: 'utf8',
  });
  const [{ filename, files }] = JSON.parse(packed.slice(packed.indexOf('[\n')));
  must(
    files.some(({ path }) => /^dist\/embedded\/new-database-.*\.tar\.gz$/.test(path)),
    'bring a new embedded database',
  );
  const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
  const databases = new Set();
  for (const [name, install] of Object.entries(installs)) {
    const project = join(folder, name);
    mkdirSync(project);
    writeFileSync(join(project, 'package.json'), '{"type":"module"}');
    writeFileSync(join(project, 'rooms.txt'), 'room-1\nroom-2\n');
    run(project, ...install, join(folder, filename));
    const program = join(project, 'node_modules/.bin/room-reaper');
    must(run(project, program, '--version') === `${version}\n`, `be of version ${version}`);
    // The second time it opens what the first left. What runs with pnpm finds its packages with npm.
    const answers = name === 'pnpm' ? ['added', 'pending'] : ['added'];
    databases.add(openEmbedded(project, join(project, 'data'), answers));
    const main = 'node_modules/room-reaper/dist/cli/main.js';
    if (name === 'pnpm') node(project, main, 'destroy', 'rooms.txt', '--simulate', '--yes');
    console.log(`package: ${filename} (${files.length} files) installs and runs with ${name}`);
  }
  must(databases.size === 1, 'start with the database that it brings');
  await useAsService(join(folder, 'npm'));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
