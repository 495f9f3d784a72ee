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
  files: [`src/${folder}/**`],
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

/** What is seen without types: the rules of typescript-eslint's `strict`. */
const strict = {
  'no-array-constructor': 'error',
  'no-unused-expressions': 'error',
  'no-unused-vars': ['error', { args: 'after-used', caughtErrors: 'all' }],
  'no-useless-constructor': 'error',
  'no-var': 'error',
  'prefer-const': 'error',
  'prefer-rest-params': 'error',
  'prefer-spread': 'error',
  'typescript/ban-ts-comment': ['error', { minimumDescriptionLength: 10 }],
  'typescript/no-duplicate-enum-values': 'error',
  'typescript/no-dynamic-delete': 'error',
  'typescript/no-empty-object-type': 'error',
  'typescript/no-explicit-any': 'error',
  'typescript/no-extra-non-null-assertion': 'error',
  'typescript/no-extraneous-class': 'error',
  'typescript/no-invalid-void-type': 'error',
  'typescript/no-misused-new': 'error',
  'typescript/no-namespace': 'error',
  'typescript/no-non-null-asserted-nullish-coalescing': 'error',
  'typescript/no-non-null-asserted-optional-chain': 'error',
  'typescript/no-non-null-assertion': 'error',
  'typescript/no-require-imports': 'error',
  'typescript/no-this-alias': 'error',
  'typescript/no-unnecessary-type-constraint': 'error',
  'typescript/no-unsafe-declaration-merging': 'error',
  'typescript/no-unsafe-function-type': 'error',
  'typescript/no-wrapper-object-types': 'error',
  'typescript/prefer-as-const': 'error',
  'typescript/prefer-literal-enum-member': 'error',
  'typescript/prefer-namespace-keyword': 'error',
  'typescript/triple-slash-reference': 'error',
  'typescript/unified-signatures': 'error',
  'typescript/consistent-type-imports': 'error',
  'no-console': 'error',
  // Only the entry reads the environment (src/cli/main.ts): configuration is passed down.
  'no-restricted-properties': ['error', { object: 'process', property: 'env' }],
};

/** What only types tell: the rules of typescript-eslint's `strict-type-checked`. */
const strictTyped = {
  'typescript/await-thenable': 'error',
  'typescript/no-array-delete': 'error',
  'typescript/no-base-to-string': 'error',
  'typescript/no-deprecated': 'error',
  'typescript/no-duplicate-type-constituents': 'error',
  'typescript/no-floating-promises': 'error',
  'typescript/no-for-in-array': 'error',
  'typescript/no-generated-empty-object-type': 'error',
  'typescript/no-implied-eval': 'error',
  'typescript/no-meaningless-void-operator': 'error',
  'typescript/no-misused-promises': 'error',
  'typescript/no-misused-spread': 'error',
  'typescript/no-mixed-enums': 'error',
  'typescript/no-redundant-type-constituents': 'error',
  'typescript/no-unnecessary-boolean-literal-compare': 'error',
  'typescript/no-unnecessary-condition': 'error',
  'typescript/no-unnecessary-template-expression': 'error',
  'typescript/no-unnecessary-type-arguments': 'error',
  'typescript/no-unnecessary-type-assertion': 'error',
  'typescript/no-unnecessary-type-conversion': 'error',
  'typescript/no-unnecessary-type-parameters': 'error',
  'typescript/no-unsafe-argument': 'error',
  'typescript/no-unsafe-assignment': 'error',
  'typescript/no-unsafe-call': 'error',
  'typescript/no-unsafe-enum-assignment': 'error',
  'typescript/no-unsafe-enum-comparison': 'error',
  'typescript/no-unsafe-member-access': 'error',
  'typescript/no-unsafe-return': 'error',
  'typescript/no-unsafe-unary-minus': 'error',
  'typescript/no-useless-default-assignment': 'error',
  'typescript/only-throw-error': 'error',
  'typescript/prefer-promise-reject-errors': 'error',
  'typescript/prefer-reduce-type-parameter': 'error',
  'typescript/prefer-return-this-type': 'error',
  'typescript/related-getter-setter-pairs': 'error',
  'typescript/require-await': 'error',
  'typescript/restrict-plus-operands': [
    'error',
    {
      allowAny: false,
      allowBoolean: false,
      allowNullish: false,
      allowNumberAndString: false,
      allowRegExp: false,
    },
  ],
  'typescript/return-await': ['error', 'error-handling-correctness-only'],
  'typescript/unbound-method': 'error',
  'typescript/use-unknown-in-catch-callback-variable': 'error',
  'typescript/switch-exhaustiveness-check': 'error',
  // Numbers and booleans read well in messages; objects still do not pass.
  'typescript/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
  // `() => promise.then(...)` and `() => void` callbacks are plain here.
  'typescript/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
};

export default {
  plugins: ['typescript'],
  jsPlugins: ['./scripts/no-circle.mjs'],
  // Every rule is named here: what a new version would add or take away is seen in this file.
  categories: { correctness: 'off' },
  options: { typeAware: true, reportUnusedDisableDirectives: 'error' },
  ignorePatterns: ['dist', 'coverage', 'bench/results'],
  rules: strict,
  overrides: [
    { files: ['**/*.{ts,tsx}'], rules: strictTyped },
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
      files: ['src/**'],
      rules: {
        // Types count too: what needs each other to be understood is one thing.
        'imports/no-circle': 'error',
        'max-lines': ['error', { max: 400 }],
      },
    },
    ...layerRules,
  ],
};
