// One build to dist/: the compiled sources and the SQL migrations beside them.
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';

const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');

rmSync('dist', { recursive: true, force: true });
execFileSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], { stdio: 'inherit' });
cpSync('src/ledger/migrations', 'dist/ledger/migrations', { recursive: true });
chmodSync('dist/cli/main.js', 0o755);
