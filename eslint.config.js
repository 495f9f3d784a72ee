import tseslint from 'typescript-eslint';

/**
 * Layers, from the entry points down (docs/architecture.md). A folder may import
 * from the folders listed for it and from itself; src/config.ts, src/errors.ts and
 * the other plain files of src/ may be imported by all.
 */
const layers = {
  tencent: [],
  queue: [],
  ledger: [],
  simulator: [],
  embedded: [],
  limiter: ['ledger'],
  producer: ['queue', 'tencent'],
  worker: ['limiter', 'ledger', 'queue', 'tencent'],
  doctor: ['limiter', 'ledger', 'queue', 'tencent'],
};

const layerRules = Object.entries(layers).map(([folder, allowed]) => {
  const others = ['cli', 'server', ...Object.keys(layers)].filter(
    (other) => other !== folder && !allowed.includes(other),
  );
  return {
    files: [`src/${folder}/**/*.ts`],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: others.map((other) => ({
            group: [`**/${other}/*`, `**/${other}/**`],
            message: `src/${folder} may not import src/${other}: imports run one way (docs/architecture.md).`,
          })),
        },
      ],
    },
  };
});

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
    files: ['src/cli/main.ts', 'test/**', 'bench/**', 'examples/**', 'scripts/**'],
    rules: { 'no-restricted-properties': 'off' },
  },
  { files: ['bench/**', 'examples/**', 'scripts/**'], rules: { 'no-console': 'off' } },
  {
    files: ['eslint.config.js', 'scripts/*.mjs', 'bench/*.mjs', 'test/faults/*.mjs'],
    extends: [tseslint.configs.disableTypeChecked],
  },
  ...layerRules,
);
