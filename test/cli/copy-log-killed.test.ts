import { randomInt } from 'node:crypto'
import { expect, test, vi } from 'vitest'
import { followLog, type Deployment } from '../../src/followed-log.ts'
import { placeOf, tellAgain, told } from '../support/copying.ts'
import { newPrefix, sharedEventStoreDb, testEventStore } from '../support/eventstoredb.ts'
import { testLog } from '../support/log.ts'
import { startCommand } from '../support/program.ts'
import { story, tellStory } from '../support/story.ts'
import { startSubscriber } from '../support/subscriber.ts'

vi.setConfig({ testTimeout: 120_000 })
const server = sharedEventStoreDb()

const toPostgres = async () => {
  const target = await testLog()
  return { place: placeOf(target), settings: { DATABASE_URL: target.url } }
}
const toEventStoreDb = async () => {
  const { url, pool } = await testLog()
  const prefix = newPrefix()
  const place: Deployment = { kind: 'eventstoredb', store: testEventStore(server.url(), prefix), pool }
  const settings = { DATABASE_URL: url, EVENTSTORE_URL: server.url(), EVENTSTORE_PREFIX: prefix }
  return { place, settings }
}

test.each([
  { into: 'PostgreSQL', open: toPostgres },
  { into: 'EventStoreDB', open: toEventStoreDb },
])(
  'a copy into $into that is killed again and again ends with the same events in the same order',
  async ({ open }) => {
    const source = await testLog()
    await tellStory(source.store)
    await tellAgain(source.store, 30)
    const total = story.length * 31
    const { place, settings } = await open()
    const follower = startSubscriber(place.store)
    const copied = () => follower.events.length
    const start = () => startCommand(['copy-log', '--from', source.url], settings)

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
    expect(last.output()).toContain(`Both logs hold the same ${total} events in the same order`)
    await follower.stop()
    expect(await told(place.store)).toEqual(await told(source.store))
    await followLog(place)
  },
)
