// The build, and a new embedded database for the package, so that a user's first start need not make one: initdb
// takes twice the time and memory. It is for this version of PGlite alone, which its name says.
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { PGlite } from '@electric-sql/pglite';

// npm runs this after each install in the clone.
if (!existsSync('node_modules/rolldown')) {
  console.log('not built: it was installed without devDependencies');
  process.exit();
}
await import('./build.mjs');

const lock = JSON.parse(readFileSync('package-lock.json', 'utf8'));
const { version } = lock.packages['node_modules/@electric-sql/pglite'];
const name = `new-database-${version}.tar.gz`;
/** A build removes what was built before; this stays the same. */
const cache = 'node_modules/.cache/room-reaper';

/** Whole or not there, whoever reads it meanwhile. */
function put(path, write) {
  if (existsSync(path)) return;
  const part = `${path}.${process.pid}`;
  write(part);
  renameSync(part, path);
}

if (!existsSync(`${cache}/${name}`)) {
  const database = await PGlite.create();
  await database.exec('checkpoint');
  const dump = Buffer.from(await (await database.dumpDataDir('gzip')).arrayBuffer());
  await database.close();
  mkdirSync(cache, { recursive: true });
  put(`${cache}/${name}`, (part) => writeFileSync(part, dump));
}
put(`dist/embedded/${name}`, (part) => copyFileSync(`${cache}/${name}`, part));
