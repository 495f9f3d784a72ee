// The package as its users get it: packed, installed into empty projects without a lockfile, by npm
// and by pnpm, which lets a package import nothing but what it names; and run there.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

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

/** @returns the identifier of the embedded database that was made, which initdb gives each anew. */
function openTwice(project, data) {
  const script = `
    import { openProducer } from 'room-reaper/producer';
    import { startWorker, readConfig } from 'room-reaper/worker';
    const opened = { queueUrl: 'embedded', sdkAppId: 1, dataDir: ${JSON.stringify(data)} };
    // The second time it opens what the first left.
    for (const expected of ['added', 'pending']) {
      const producer = await openProducer(opened);
      const { status } = await producer.destroy('room-1');
      await producer.close();
      if (status !== expected || !startWorker || !readConfig) throw new Error(status);
    }`;
  run(project, process.execPath, '--input-type=module', '-e', script);
  return readFileSync(join(data, 'postgres/global/pg_control')).subarray(0, 8).toString('hex');
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
    databases.add(openTwice(project, join(project, 'data')));
    run(project, program, 'destroy', 'rooms.txt', '--simulate', '--yes');
    console.log(`package: ${filename} (${files.length} files) installs and runs with ${name}`);
  }
  must(databases.size === 1, 'start with the database that it brings');
} finally {
  rmSync(folder, { recursive: true, force: true });
}
