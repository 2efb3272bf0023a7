import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { createHome, type Home } from '../e2e/home.ts'
import { tellAgain } from '../support/copying.ts'
import { testLog } from '../support/log.ts'
import { exported, testFolder } from '../support/moving.ts'
import { startCommand } from '../support/program.ts'
import { story, tellStory } from '../support/story.ts'

vi.setConfig({ testTimeout: 180_000 })
const PATIENCE = { timeout: 60_000, interval: 5 }
const TIMES = 10

/** A log that takes some time to copy. */
const longLog = async () => {
  const log = await testLog()
  await tellStory(log.store)
  await tellAgain(log.store, TIMES)
  return log
}

const newHome = async () => {
  const home = await createHome()
  onTestFinished(home.remove)
  return home
}

/** Presses Ctrl-C once a command has said something; it ends, and the PostgreSQL that it started with it. */
const interrupt = async (
  args: readonly string[],
  { dataDir, postgresPid }: Home,
  once = 'PostgreSQL is ready',
) => {
  const { child, output, ended } = startCommand(args, { DATA_DIR: dataDir, LOG_LEVEL: 'debug' })
  await vi.waitFor(() => expect(output()).toContain(once), PATIENCE)
  child.kill('SIGINT')
  expect(await ended, output()).toBe(1)
  expect(output()).toContain('Interrupted.')
  expect(await postgresPid(), 'the PostgreSQL that was started').toBeUndefined()
}

const finish = async (args: readonly string[], dataDir: string) => {
  const { output, ended } = startCommand(args, { DATA_DIR: dataDir })
  expect(await ended, output()).toBe(0)
  return output()
}

test('an import and an erasure that are interrupted stop the PostgreSQL that they started, and go on the next time', async () => {
  const file = join(await testFolder(), 'export.jsonl')
  await writeFile(file, await exported(await longLog()))
  const home = await newHome()
  await interrupt(['import', file], home)
  expect(await finish(['import', file], home.dataDir)).toContain(
    `the same ${story.length * (TIMES + 1)} events`,
  )
  const erasing = ['erase', '--conversation', '1', '--yes']
  const tooEarly = startCommand(erasing, { DATA_DIR: home.dataDir })
  expect(await tooEarly.ended).toBe(1)
  expect(tooEarly.output()).toContain('Run "zapini replay"')
  await finish(['replay'], home.dataDir)
  await interrupt(erasing, home, 'erasing')
  expect(await finish(erasing, home.dataDir)).toContain('Erased: 1 conversation')
})

test('a copy of a log that is interrupted stops the PostgreSQL that it started, and goes on the next time', async () => {
  const { url } = await longLog()
  const home = await newHome()
  await interrupt(['copy-log', '--from', url], home)
  expect(await finish(['copy-log', '--from', url], home.dataDir)).toContain(
    `the same ${story.length * (TIMES + 1)} events`,
  )
})
