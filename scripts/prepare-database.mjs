// A new embedded database for the package, so that a user's first start need not make one: initdb
// takes twice the time and memory. It is for this version of PGlite alone, which its name says.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { PGlite } from '@electric-sql/pglite';
import './build.mjs';

const lock = JSON.parse(readFileSync('package-lock.json', 'utf8'));
const { version } = lock.packages['node_modules/@electric-sql/pglite'];
const file = `dist/embedded/new-database-${version}.tar.gz`;

if (!existsSync(file)) {
  const database = await PGlite.create();
  await database.exec('checkpoint');
  const dump = await database.dumpDataDir('gzip');
  await database.close();
  writeFileSync(file, Buffer.from(await dump.arrayBuffer()));
}
