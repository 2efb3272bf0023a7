import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { tellAgain } from '../support/copying.ts'
import { testLog } from '../support/log.ts'
import { story, tellStory } from '../support/story.ts'

vi.setConfig({ testTimeout: 120_000 })

const MAIN = join(import.meta.dirname, '../../dist/main.js')

/** A line of the shell, in which `zapini` is the built program; answers what was said, and its exit code. */
const inShell = (line: string, url: string) => {
  const script = `zapini() { "${process.execPath}" "${MAIN}" "$@"; }; ${line}`
  const env = { PATH: process.env['PATH'], HOME: process.env['HOME'], LOG_LEVEL: 'warn', DATABASE_URL: url }
  const { stdout, stderr, status } = spawnSync('sh', ['-c', script], { env, encoding: 'utf8' })
  return { stdout, stderr, status }
}

test('a command whose reader goes, or whose disk is full, says so in a line, and does not pass for a success', async () => {
  const log = await testLog()
  await tellStory(log.store)
  await tellAgain(log.store, 10)
  const gone = inShell('{ zapini export; echo "code $?" >&2; } | head -c 100', log.url)
  expect(gone.stderr).toMatch(/Nobody reads on: what was written is not all\.\ncode 1/)
  expect(gone.stderr).not.toContain('    at ')
  // 1 from verify would be an answer: differences were found.
  const codes = { 'lost-keys': 1, export: 1, 'verify --log': 2, 'replay tenant': 1 }
  for (const [command, status] of Object.entries(codes)) {
    const full = inShell(`zapini ${command} > /dev/full`, log.url)
    expect(full, command).toMatchObject({ status, stderr: expect.stringMatching(/ENOSPC/) })
    expect(full.stderr, command).not.toContain('    at ')
  }
})

test('what a command has to log is not among what it was asked for', async () => {
  const { pool, store, url } = await testLog()
  await tellStory(store)
  await pool.query('delete from followed_log')
  const { stdout, stderr, status } = inShell('zapini export', url)
  expect(stderr).toContain('this database knew nothing of a log that has events')
  expect(stdout.trimEnd().split('\n')).toHaveLength(story.length + 2)
  expect(status).toBe(0)
})

test('what is wrong with an import from standard input is said, and is no success', async () => {
  const { url } = await testLog()
  expect(inShell(`echo '{"hello":1}' | zapini import -`, url)).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('Line 1 of standard input is not how an export of Zapini begins'),
  })
})

test('to verify a log puts nothing on record', async () => {
  const log = await testLog()
  await tellStory(log.store)
  expect(inShell('zapini verify --log', log.url)).toMatchObject({ status: 0 })
  expect((await log.pool.query('select from followed_log')).rowCount).toBe(0)
})

test('what is no command is wrong usage, whatever it is called', () => {
  for (const name of ['constructor', 'toString', 'replya'])
    expect(inShell(`zapini ${name}`, '')).toMatchObject({
      status: 2,
      stderr: expect.stringContaining(`There is no command ${name}.`),
    })
})
