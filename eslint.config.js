import eslint from '@eslint/js'
import { defineConfig, globalIgnores } from 'eslint/config'
import typescript from 'typescript-eslint'

const nodeGlobals = [
  'Buffer',
  'clearTimeout',
  'console',
  'fetch',
  'performance',
  'process',
  'setTimeout',
  'URL',
]

export default defineConfig(
  globalIgnores(['dist/', 'data/', 'data-phone/', 'coverage/']),
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  eslint.configs.recommended,
  {
    files: ['**/*.{js,mjs}'],
    languageOptions: { globals: Object.fromEntries(nodeGlobals.map((name) => [name, 'readonly'])) },
  },
  {
    files: ['**/*.ts'],
    extends: [typescript.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allow: ['URL', 'URLSearchParams'] },
      ],
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', ignoreRestSiblings: true },
      ],
      complexity: ['error', { max: 20, variant: 'modified' }],
      'max-lines': ['warn', { max: 300, skipBlankLines: false, skipComments: false }],
      // Counts the functions inside as well: a factory holds several.
      'max-lines-per-function': ['error', { max: 150, skipBlankLines: true, skipComments: true }],

      // Does not see that a signal, or a variable that a closure changes, may differ after an await.
      '@typescript-eslint/no-unnecessary-condition': 'off',
      // Our objects are plain: their methods know no `this`.
      '@typescript-eslint/unbound-method': 'off',
      // `async` without `await` makes a rejection of what a function throws.
      '@typescript-eslint/require-await': 'off',
      // `() => close()` and `void (await write())` say what they do.
      '@typescript-eslint/no-confusing-void-expression': 'off',
      '@typescript-eslint/no-meaningless-void-operator': 'off',
      '@typescript-eslint/no-invalid-void-type': 'off',
      '@typescript-eslint/no-generated-empty-object-type': 'off',
    },
  },
  {
    // The whole system on one page, and tables of routes.
    files: ['src/app.ts', 'src/http/routes/*.ts'],
    rules: { 'max-lines-per-function': 'off' },
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      'max-lines': ['warn', { max: 500 }],
      'max-lines-per-function': 'off',
      // Answers and vitest's matchers are `any`, and what is wrong with one fails the test.
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      // A handler of a test's own server may be async.
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: { arguments: false } }],
      '@typescript-eslint/no-misused-spread': 'off',
    },
  },
)
