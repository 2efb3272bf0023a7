import { defineConfig } from 'vitest/config'
import type { Reporter } from 'vitest/node'

/** What starts programs, or changes things of a whole process: each file has a process of its own. */
const alone = ['adapters', 'cli', 'e2e', 'examples', 'stand-ins'].map(
  (folder) => `test/${folder}/**/*.test.ts`,
)

/** On shared machines a test may lose against the clock once. */
const retry = process.env['CI'] ? 1 : 0
/** Tells why a test had to be tried again, which the usual report keeps for itself. */
const triedAgain: Reporter = {
  onTestCaseResult: (test) => {
    if (!test.diagnostic()?.flaky) return
    for (const { message, stacks } of test.result().errors ?? []) {
      const [at] = stacks ?? []
      console.log(`Tried again: ${test.fullName}\n${message}\n  at ${at?.file}:${at?.line}`)
    }
  },
}

/** For expect.poll; as test/support/eventually.ts. */
const patient = { poll: { timeout: 20_000, interval: 10 } }

export default defineConfig({
  test: {
    reporters: ['default', triedAgain],
    globalSetup: 'test/support/postgres-server.ts',
    pool: 'forks',
    // Tests wait for each other's programs and databases about as long as they work.
    maxWorkers: 4,
    // In the order of their names: what takes longest comes first, and what is short fills up the end.
    projects: [
      {
        test: {
          name: 'alone',
          include: alone,
          retry,
          expect: patient,
          testTimeout: 240_000,
          hookTimeout: 240_000,
        },
      },
      {
        test: {
          name: 'together',
          include: ['test/**/*.test.ts'],
          exclude: alone,
          retry,
          expect: patient,
          // Most of them load the same modules, which takes longer than many of the tests.
          isolate: false,
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
})
