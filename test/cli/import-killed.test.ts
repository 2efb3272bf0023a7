import { randomInt } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { followLog, type Deployment } from '../../src/followed-log.ts'
import { placeOf, tellAgain, told } from '../support/copying.ts'
import { testLog } from '../support/log.ts'
import { exported, testFolder } from '../support/moving.ts'
import { startCommand } from '../support/program.ts'
import { sealedLog } from '../support/sealed.ts'
import { story, tellStory } from '../support/story.ts'
import { startSubscriber } from '../support/subscriber.ts'

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
  const follower = startSubscriber(target.stored)
  const copied = () => follower.events.length
  const start = () => startCommand(['import', file], { DATABASE_URL: target.url })

  let kills = 0
  while (copied() < total / 2) {
    const { child, output, ended } = start()
    const enough = copied() + randomInt(1, Math.floor(total / 5))
    await vi.waitFor(
      () => {
        expect(child.exitCode, output()).toBeNull()
        expect(copied()).toBeGreaterThan(enough)
      },
      { timeout: 60_000, interval: 5 },
    )
    child.kill('SIGKILL')
    await ended
    kills++
    await expect(followLog(place)).rejects.toThrow(/has not been finished/)
  }
  expect(kills).toBeGreaterThan(1)

  const last = start()
  expect(await last.ended, last.output()).toBe(0)
  expect(last.output()).toContain(`The log holds the same ${total} events as the export`)
  await follower.stop()
  expect(await told(target.store)).toEqual(await told(source.store))
  const { rows } = await target.pool.query(`select from event where data::text like '%"sealed"%' limit 1`)
  expect(rows).toHaveLength(1)
  await followLog(place)
  await expect(followLog(placeOf(source))).resolves.toBeUndefined()
})
