import { randomInt } from 'node:crypto'
import { expect, test } from 'vitest'
import { followLog } from '../../src/followed-log.ts'
import { placeOf, tellAgain, told } from '../support/copying.ts'
import { testLog } from '../support/log.ts'
import { startCommand } from '../support/program.ts'
import { story, tellStory } from '../support/story.ts'
import { eventually } from '../support/subscriber.ts'

test('a copy that is killed again and again ends with the same events in the same order', async () => {
  const [source, target] = [await testLog(), await testLog()]
  await tellStory(source.store)
  await tellAgain(source.store, 60)
  const total = story.length * 61
  const start = () =>
    startCommand(['copy-log', '--from', source.url], { DATABASE_URL: target.url, LOG_LEVEL: 'warn' })

  let kills = 0
  for (let copied = 0; copied < total / 2; copied = Number(await target.store.head())) {
    const { child, output, ended } = start()
    const enough = copied + randomInt(1, Math.floor(total / 5))
    await eventually(async () => {
      expect(child.exitCode, output()).toBeNull()
      expect(Number(await target.store.head())).toBeGreaterThan(enough)
    })
    child.kill('SIGKILL')
    await ended
    kills++
    await expect(followLog(placeOf(target))).rejects.toThrow(/has not been finished/)
  }
  expect(kills).toBeGreaterThan(1)

  const last = start()
  expect(await last.ended, last.output()).toBe(0)
  expect(last.output()).toContain(`Both logs hold the same ${total} events in the same order`)
  expect(await told(target.store)).toEqual(await told(source.store))
  await followLog(placeOf(target))
})
