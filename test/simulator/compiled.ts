import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withoutTypes } from '../support/typescript-process.js';

const root = fileURLToPath(new URL('../../', import.meta.url));

/**
 * The simulator and its command as JavaScript in a folder of their own, because another
 * process cannot run .ts and dist/ may be older than the sources.
 */
export async function compileSimulator(): Promise<{ folder: string; remove(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'simulator-'));
  const simulator = await readdir(join(root, 'src/simulator'));
  const sources = [
    'errors.ts',
    'or-undefined.ts',
    'own-file.ts',
    'redact.ts',
    'cli/interrupt.ts',
    'cli/io.ts',
    'room-id.ts',
    'cli/simulator.ts',
    ...simulator.map((name) => `simulator/${name}`),
  ];
  for (const source of sources) {
    const text = withoutTypes(source, await readFile(join(root, 'src', source), 'utf8'));
    const target = join(folder, source.replace(/\.ts$/, '.js'));
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, text);
  }
  await writeFile(join(folder, 'package.json'), '{"type":"module"}');
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'), 'dir');
  return { folder, remove: () => rm(folder, { recursive: true }) };
}
