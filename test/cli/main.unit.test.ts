/** What the built program loads, by Node's own record of it. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** The packages in the files that are loaded, bundled or not. */
function packagesLoadedBy(...argv: string[]): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'room-reaper-test-'));
  try {
    execFileSync(process.execPath, [main, ...argv], {
      cwd: folder,
      env: { PATH: process.env.PATH, NODE_V8_COVERAGE: join(folder, 'loaded') },
    });
    const files = readdirSync(join(folder, 'loaded')).flatMap((name) => {
      const text = readFileSync(join(folder, 'loaded', name), 'utf8');
      const { result } = JSON.parse(text) as { result: { url: string }[] };
      return result.map(({ url }) => url).filter((url) => url.startsWith('file:'));
    });
    expect(files.map((url) => fileURLToPath(url))).toContain(main);
    const packages = files.flatMap(sourcesOf).flatMap((source) => {
      const name = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(source)?.[1];
      return name === undefined ? [] : [name];
    });
    return [...new Set(packages)].sort();
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What a file of the build was made of, and the file. */
function sourcesOf(url: string): string[] {
  try {
    const map = readFileSync(`${fileURLToPath(url)}.map`, 'utf8');
    return [url, ...(JSON.parse(map) as { sources: string[] }).sources];
  } catch {
    return [url];
  }
}

test.each(['--version', '--help'])('%s loads no package but the one for commands', (flag) => {
  expect(packagesLoadedBy(flag)).toEqual(['commander']);
});

test('a command loads the packages that it needs, and not those of the others', () => {
  const loaded = packagesLoadedBy('simulator', '--help');
  expect(loaded).toContain('commander');
  expect(loaded).not.toContain('bullmq');
  expect(loaded).not.toContain('pg');
  expect(packagesLoadedBy('serve', '--help').filter((name) => /hono/.test(name))).toEqual([]);
  const toLook = packagesLoadedBy('status', '--help');
  expect(toLook).toContain('bullmq');
  expect(toLook).not.toContain('@opentelemetry/api');
});
