import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import tseslint from 'typescript-eslint';
import typescript from 'typescript';

const { preProcessFile } = typescript;

/**
 * Layers, from the entry points down (docs/architecture.md). A folder may import from the folders
 * listed for it and from itself; the plain files of src/ may be imported by all.
 */
const layers = {
  cli: ['operations', 'server', 'worker', 'simulator', 'doctor', 'room-list', 'tencent'],
  server: ['operations', 'doctor'],
  operations: ['producer', 'room-list', 'ledger', 'queue', 'limiter', 'tencent'],
  worker: ['limiter', 'ledger', 'queue', 'tencent'],
  producer: ['room-list', 'queue', 'tencent'],
  doctor: ['limiter', 'ledger', 'queue', 'tencent'],
  limiter: ['ledger'],
  'room-list': [],
  tencent: [],
  queue: [],
  ledger: [],
  simulator: [],
  embedded: [],
  // A client of the public API, and of nothing else.
  dashboard: [],
};

const layerRules = Object.entries(layers).map(([folder, allowed]) => ({
  files: [`src/${folder}/**/*.{ts,tsx}`],
  rules: {
    'no-restricted-imports': [
      'error',
      {
        patterns: Object.keys(layers)
          .filter((other) => other !== folder && !allowed.includes(other))
          .map((other) => ({
            group: [`**/${other}/*`, `**/${other}/**`],
            message: `src/${folder} may not import src/${other}: imports run one way (docs/architecture.md).`,
          })),
      },
    ],
  },
}));

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
      const names = way.map((file) => relative(import.meta.dirname, file)).join(' → ');
      context.report({ node, message: `Imports must not go in a circle, got ${names}` });
    },
  }),
};

export default tseslint.config(
  { ignores: ['dist', 'node_modules', 'coverage', 'bench/results'] },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: {
          allowDefaultProject: [
            'eslint.config.js',
            'scripts/*.mjs',
            'bench/*.mjs',
            'test/*.mjs',
            'test/faults/*.mjs',
          ],
        },
      },
    },
    rules: {
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      // Numbers and booleans read well in messages; objects still do not pass.
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      // `() => promise.then(...)` and `() => void` callbacks are plain here.
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      // Only the entry reads the environment (src/cli/main.ts): configuration is passed down.
      'no-restricted-properties': ['error', { object: 'process', property: 'env' }],
      'no-console': 'error',
    },
  },
  {
    files: [
      'src/cli/main.ts',
      'test/**',
      'bench/**',
      'examples/**',
      'scripts/**',
      'vitest.config.ts',
    ],
    rules: { 'no-restricted-properties': 'off' },
  },
  {
    files: ['bench/**', 'examples/**', 'scripts/**', 'test/*.mjs'],
    rules: { 'no-console': 'off' },
  },
  {
    files: ['eslint.config.js', 'scripts/*.mjs', 'bench/*.mjs', 'test/*.mjs', 'test/faults/*.mjs'],
    extends: [tseslint.configs.disableTypeChecked],
  },
  {
    files: ['src/**/*.{ts,tsx}'],
    plugins: { imports: { rules: { 'no-circle': noCircle } } },
    rules: {
      'imports/no-circle': 'error',
      'max-lines': ['error', { max: 400 }],
    },
  },
  ...layerRules,
);
