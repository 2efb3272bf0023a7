import { defineConfig } from 'vitest/config'

/** `npm run soak`: one long run, apart from the tests. */
export default defineConfig({
  test: {
    globalSetup: 'test/support/postgres-server.ts',
    include: ['test/soak/*.soak.ts'],
    testTimeout: 3_600_000,
    hookTimeout: 120_000,
    pool: 'forks',
  },
})
