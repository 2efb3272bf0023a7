import { defineConfig } from 'vitest/config'

/** What starts programs, or changes things of a whole process: each file has a process of its own. */
const alone = ['adapters', 'cli', 'e2e', 'examples', 'stand-ins'].map(
  (folder) => `test/${folder}/**/*.test.ts`,
)

/** On shared machines a test may lose against the clock once; which did is in the report. */
const retry = process.env['CI'] ? 1 : 0

export default defineConfig({
  test: {
    globalSetup: 'test/support/postgres-server.ts',
    pool: 'forks',
    // Tests wait for each other's programs and databases about as long as they work.
    maxWorkers: 4,
    // In the order of their names: what takes longest comes first, and what is short fills up the end.
    projects: [
      { test: { name: 'alone', include: alone, retry, testTimeout: 240_000, hookTimeout: 240_000 } },
      {
        test: {
          name: 'together',
          include: ['test/**/*.test.ts'],
          exclude: alone,
          retry,
          // Most of them load the same modules, which takes longer than many of the tests.
          isolate: false,
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
})
