import { expect, test, vi } from 'vitest'
import { followLog, type Deployment } from '../../src/followed-log.ts'
import { killUntilHalf, placeOf, tellAgain, told } from '../support/copying.ts'
import { newPrefix, sharedEventStoreDb, testEventStore } from '../support/eventstoredb.ts'
import { testLog } from '../support/log.ts'
import { startCommand } from '../support/program.ts'
import { story, tellStory } from '../support/story.ts'

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
    const start = () => startCommand(['copy-log', '--from', source.url], settings)
    expect(await killUntilHalf(start, place, total)).toContain(
      `Both logs hold the same ${total} events in the same order`,
    )
    expect(await told(place.store)).toEqual(await told(source.store))
    await followLog(place)
  },
)
