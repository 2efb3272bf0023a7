/**
 * One more program on the log of a test: appends to streams that it shares with others, follows the log until so many
 * events were told, prints what it appended and what it was told, closes, and has nothing left to do.
 * Arguments: connection string, prefix, name, events to append, events to be told.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { eventStoreDb } from '../../src/adapters/eventstoredb/event-store.ts'
import { newId } from '../../src/domain/ids.ts'
import { NO_STREAM, START, WrongRevision, type Recorded } from '../../src/ports/event-store.ts'
import { meta } from './facts.ts'

const [, , url = '', prefix = '', name = '', appends = '0', toBeTold = '0'] = process.argv
const STREAMS = 6
const store = eventStoreDb({ url, prefix, onError: (error) => console.error(error) })

const appendAtEnd = async (stream: string, id: string) => {
  for (;;) {
    const revision = (await store.readStream(stream)).at(-1)?.revision ?? NO_STREAM
    try {
      return await store.append(stream, revision, [{ id, type: 'ThingHappened', data: { by: name }, meta }])
    } catch (error) {
      if (!(error instanceof WrongRevision)) throw error
      await sleep(Math.random() * 5)
    }
  }
}

const follow = async () => {
  const told: Pick<Recorded, 'id' | 'stream' | 'revision'>[] = []
  const stopping = new AbortController()
  for await (const batch of store.subscribeToAll(START, stopping.signal)) {
    told.push(...batch.map(({ id, stream, revision }) => ({ id, stream, revision })))
    if (told.length >= Number(toBeTold)) break
  }
  return told
}

const following = Number(toBeTold) > 0 ? follow() : Promise.resolve([])
const ids = Array.from({ length: Number(appends) }, newId)
await Promise.all(ids.map((id, n) => appendAtEnd(`thing-${n % STREAMS}`, id)))
console.log(JSON.stringify({ appended: ids, told: await following }))
await store.close()
