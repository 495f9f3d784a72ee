// The package as its users get it: packed, installed into an empty project, and run there.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const folder = mkdtempSync(join(tmpdir(), 'room-reaper-package-'));
const run = (program, ...args) =>
  execFileSync(program, args, {
    cwd: folder,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
const must = (holds, what) => {
  if (!holds) throw new Error(`the package must ${what}`);
};

try {
  const packed = execFileSync('npm', ['pack', '--json', '--pack-destination', folder], {
    encoding: 'utf8',
  });
  const [{ filename, files }] = JSON.parse(packed.slice(packed.indexOf('[\n')));
  must(
    files.some(({ path }) => /^dist\/embedded\/new-database-.*\.tar\.gz$/.test(path)),
    'bring a new embedded database',
  );
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  writeFileSync(join(folder, 'rooms.txt'), 'room-1\nroom-2\n');
  run(
    'npm',
    'install',
    '--prefer-offline',
    '--no-audit',
    '--no-fund',
    '--ignore-scripts',
    `./${filename}`,
  );
  const program = join(folder, 'node_modules/.bin/room-reaper');
  const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
  must(run(program, '--version') === `${version}\n`, `be of version ${version}`);

  const databases = ['once', 'twice'].map((name) => {
    const data = join(folder, name);
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
    run(process.execPath, '--input-type=module', '-e', script);
    return readFileSync(join(data, 'postgres/global/pg_control')).subarray(0, 8).toString('hex');
  });
  // initdb gives each database an identifier of its own.
  must(databases[0] === databases[1], 'start with the database that it brings');
  run(program, 'destroy', 'rooms.txt', '--simulate', '--yes');
  console.log(`package: ${filename} (${files.length} files) installs and runs`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
