import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { followLog, type Deployment } from '../../src/followed-log.ts'
import { killUntilHalf, placeOf, tellAgain, told } from '../support/copying.ts'
import { testLog } from '../support/log.ts'
import { exported, testFolder } from '../support/moving.ts'
import { startCommand } from '../support/program.ts'
import { sealedLog } from '../support/sealed.ts'
import { story, tellStory } from '../support/story.ts'

vi.setConfig({ testTimeout: 120_000 })

test('an import that is killed again and again ends with the events of the export, in their order, sealed', async () => {
  const source = await testLog()
  await tellStory(source.store)
  await tellAgain(source.store, 25)
  const total = story.length * 26
  const file = join(await testFolder(), 'export.jsonl')
  await writeFile(file, await exported(source))
  const target = await sealedLog()
  const place: Deployment = { kind: 'postgres', store: target.stored, pool: target.pool }
  const start = () => startCommand(['import', file], { DATABASE_URL: target.url })
  expect(await killUntilHalf(start, place, total)).toContain(
    `The log holds the same ${total} events as the export`,
  )
  expect(await told(target.store)).toEqual(await told(source.store))
  const { rows } = await target.pool.query(`select from event where data::text like '%"sealed"%' limit 1`)
  expect(rows).toHaveLength(1)
  await followLog(place)
  await expect(followLog(placeOf(source))).resolves.toBeUndefined()
})
