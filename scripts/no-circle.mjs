// A rule of oxlint.config.js: no import leads back to where it began.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import typescript from 'typescript';

const { preProcessFile } = typescript;

/** The modules of this project that a file imports, types included. */
const importsOf = new Map();
function importsIn(file) {
  let found = importsOf.get(file);
  if (found === undefined) {
    found = preProcessFile(readFileSync(file, 'utf8'))
      .importedFiles.filter(({ fileName }) => fileName.startsWith('.'))
      .flatMap(({ fileName }) => {
        const path = join(dirname(file), fileName.replace(/\.js$/, ''));
        return [`${path}.ts`, `${path}.tsx`].filter((each) => existsSync(each));
      });
    importsOf.set(file, found);
  }
  return found;
}

/** The way from a file back to itself; undefined where there is none. */
function circleFrom(start) {
  const cameFrom = new Map();
  const open = [start];
  for (const file of open) {
    for (const next of importsIn(file)) {
      if (cameFrom.has(next)) continue;
      cameFrom.set(next, file);
      if (next === start) {
        const way = [next];
        do way.unshift(cameFrom.get(way[0]));
        while (way[0] !== start);
        return way;
      }
      open.push(next);
    }
  }
  return undefined;
}

/** Types count too: what needs each other to be understood is one thing. */
const noCircle = {
  create: (context) => ({
    Program(node) {
      const way = circleFrom(context.filename);
      if (way === undefined) return;
      const names = way.map((file) => relative('.', file)).join(' → ');
      context.report({ node, message: `Imports must not go in a circle, got ${names}` });
    },
  }),
};

export default { meta: { name: 'imports' }, rules: { 'no-circle': noCircle } };
