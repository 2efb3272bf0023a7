import { createHash, randomInt } from 'node:crypto'
import { expect, vi } from 'vitest'
import { copyLog } from '../../src/cli/copy-log/copy.ts'
import { followLog, type Deployment } from '../../src/followed-log.ts'
import { NO_STREAM, START, type EventStore, type Recorded } from '../../src/ports/event-store.ts'
import { eventsOf } from '../../src/read-log.ts'
import { toAppend } from './facts.ts'
import type { TestLog } from './log.ts'
import type { startCommand } from './program.ts'
import { story } from './story.ts'
import { startSubscriber } from './subscriber.ts'

/** The log and the database of a test, as one place. */
export const placeOf = ({ store, pool }: Pick<TestLog, 'store' | 'pool'>): Deployment => ({
  kind: 'postgres',
  store,
  pool,
})

export const copy = async (source: Deployment, target: Deployment) => {
  let output = ''
  const copied = await copyLog({
    source,
    target,
    output: { write: (text) => (output += text) },
    interrupted: new AbortController().signal,
    refuseIfInUse: () => Promise.resolve(),
  })
  return { ...copied, output }
}

/** All there is of each event but its position, which is the log's own. */
export const told = async (store: EventStore): Promise<Omit<Recorded, 'position'>[]> => {
  const events = []
  for await (const { position: _position, ...event } of eventsOf(store, START, await store.head()))
    events.push(event)
  return events
}

/** A UUID that is always the same for a text. */
const uuidOf = (text: string) => {
  const hex = createHash('sha256').update(text).digest('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

/** The events of the story with other ids, on streams of their own, so many times at once. */
export const tellAgain = async (store: EventStore, times: number) => {
  const tell = async (time: number) => {
    const revisions = new Map<string, number>()
    for (const [name, event] of story) {
      const stream = `${name.split('-', 1)[0]}-${uuidOf(`${name} ${time}`)}`
      const revision = revisions.get(stream) ?? NO_STREAM
      await store.append(stream, revision, [toAppend(event)])
      revisions.set(stream, revision + 1)
    }
  }
  await Promise.all(Array.from({ length: times }, (_, n) => tell(n)))
}

/**
 * Kills a command that fills a place, again and again, until half of all events are there; then lets it end, and answers
 * what it said.
 */
export const killUntilHalf = async (
  start: () => ReturnType<typeof startCommand>,
  place: Deployment,
  total: number,
) => {
  const follower = startSubscriber(place.store)
  const copied = () => follower.events.length
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
  await follower.stop()
  return last.output()
}
