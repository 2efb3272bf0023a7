import { createHash } from 'node:crypto'
import { copyLog } from '../../src/cli/copy-log/copy.ts'
import type { Deployment } from '../../src/followed-log.ts'
import { NO_STREAM, START, type EventStore, type Recorded } from '../../src/ports/event-store.ts'
import { eventsOf } from '../../src/read-log.ts'
import { toAppend } from './facts.ts'
import { story } from './story.ts'
import type { TestLog } from './log.ts'

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
