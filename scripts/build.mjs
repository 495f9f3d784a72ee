// One build to dist/: the compiled sources and the SQL migrations beside them. Each command that
// needs it asks for it, so what is up to date is left as it is.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

/** Written last: a build that failed leaves none. */
const stamp = 'dist/.built';
const madeFrom = [
  'src',
  'scripts/build.mjs',
  'tsconfig.json',
  'tsconfig.build.json',
  'package-lock.json',
];

/** Of folders too: theirs change where a file is removed. */
function newestMs(path) {
  const status = statSync(path);
  if (!status.isDirectory()) return status.mtimeMs;
  return Math.max(status.mtimeMs, ...readdirSync(path).map((name) => newestMs(join(path, name))));
}

if (!existsSync(stamp) || Math.max(...madeFrom.map(newestMs)) >= statSync(stamp).mtimeMs) {
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
  const startedAt = new Date();
  rmSync('dist', { recursive: true, force: true });
  execFileSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], { stdio: 'inherit' });
  cpSync('src/ledger/migrations', 'dist/ledger/migrations', { recursive: true });
  chmodSync('dist/cli/main.js', 0o755);
  writeFileSync(stamp, '');
  // What was changed meanwhile is newer.
  utimesSync(stamp, startedAt, startedAt);
}
