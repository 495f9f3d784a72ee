/** The new database that the package brings (scripts/prepare-database.mjs): a user's first start need not make one. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { parseTar } from 'nanotar';

/**
 * Unpacks it into `directory`, for its user only.
 *
 * @returns false where there is none of this very PGlite.
 */
export function unpackPrepared(directory: string): boolean {
  const { resolve } = createRequire(import.meta.url);
  const about = join(dirname(resolve('@electric-sql/pglite')), '../package.json');
  const { version } = JSON.parse(readFileSync(about, 'utf8')) as { version: string };
  const file = new URL(`../embedded/new-database-${version}.tar.gz`, import.meta.url);
  if (!existsSync(file)) return false;
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  // Folders come before what is in them.
  for (const { type, name, data } of parseTar(gunzipSync(readFileSync(file)))) {
    const path = join(directory, name);
    if (type === 'directory') mkdirSync(path, { recursive: true, mode: 0o700 });
    else writeFileSync(path, data ?? '', { mode: 0o600 });
  }
  return true;
}
