import { randomBytes, randomUUID } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import pg from 'pg'
import { describe, expect, onTestFinished, test } from 'vitest'
import { TRUSTED_MS } from '../src/adapters/postgres/key-news.ts'
import { createPool } from '../src/adapters/postgres/pool.ts'
import { postgresSealingKeys } from '../src/adapters/postgres/sealing-keys.ts'
import { findLost, giveUp } from '../src/cli/lost-keys.ts'
import { catalogue, type ZapiniEvent } from '../src/domain/catalogue.ts'
import { conversationId } from '../src/domain/ids.ts'
import { ownerOf, takeOut, withErased } from '../src/domain/personal.ts'
import { ERASED } from '../src/domain/values.ts'
import {
  NO_STREAM,
  Unopened,
  type EventStore,
  type NewEvent,
  type Recorded,
} from '../src/ports/event-store.ts'
import { openEvent, sealEvent, sealOf, unsealed } from '../src/seal.ts'
import { sealedStore } from '../src/sealed-store.ts'
import { validateEvent } from '../src/write/validate-event.ts'
import { eventStoreContract } from './contracts/event-store.ts'
import { incoming, INSTANCE, JOHN, MARY, messageStream, meta, placeIn, toAppend } from './support/facts.ts'
import { proxyTo } from './support/postgres-proxy.ts'
import { sealedLog } from './support/sealed.ts'
import { eventually } from './support/eventually.ts'
import { gate, startSubscriber } from './support/subscriber.ts'

const FOLDER = join(import.meta.dirname, 'domain', 'golden')
const golden = readdirSync(FOLDER).map((file) => {
  const data: unknown = JSON.parse(readFileSync(join(FOLDER, file), 'utf8'))
  if (typeof data !== 'object' || data === null) throw new Error(`${file} is not an object`)
  return { file, type: file.split('.', 1)[0] ?? '', data }
})

const newKey = () => ({ id: randomUUID(), owner: randomUUID(), secret: randomBytes(32) })
const recorded = (event: NewEvent): Recorded => ({
  ...event,
  data: JSON.parse(JSON.stringify(event.data)) as object,
  stream: 'message-1',
  revision: 0,
  position: 1n,
})
/** As it is stored; undefined if there is nothing to seal. */
const sealed = (event: NewEvent, key = newKey()) => {
  const emptied = takeOut(event)
  return emptied && recorded(sealEvent(event, emptied, key))
}
const asNew = (type: string, data: object): NewEvent => ({ type, data, id: randomUUID(), meta })

type Schema = {
  readonly properties?: Readonly<Record<string, Schema>>
  readonly items?: Schema
  readonly anyOf?: readonly Schema[]
  readonly personal?: boolean
  readonly secret?: boolean
}
/** What the fields are called that are marked. */
const markedIn = (schema: Schema, name = ''): string[] => [
  ...(schema.personal || schema.secret ? [name] : []),
  ...Object.entries(schema.properties ?? {}).flatMap(([key, field]) => markedIn(field, key)),
  ...(schema.anyOf ?? []).flatMap((either) => markedIn(either, name)),
  ...(schema.items ? markedIn(schema.items, name) : []),
]
const textsOf = (value: unknown, names: readonly string[], name = ''): string[] => {
  if (typeof value === 'string') return names.includes(name) && value !== '' ? [value] : []
  if (Array.isArray(value)) return value.flatMap((item) => textsOf(item, names, name))
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, field]) => textsOf(field, names, key))
}

describe('a stored event', () => {
  test.each(golden)(
    '$file: what is personal or secret is not to be read, and comes back',
    ({ type, data }) => {
      const event = asNew(type, data)
      const texts = textsOf(data, markedIn(catalogue[type]?.data as Schema))
      const key = newKey()
      const stored = sealed(event, key)
      if (!stored) return expect(texts).toEqual([])
      const seal = sealOf(stored)
      const { sealed: _seal, ...readable } = stored.data as { sealed?: unknown }
      for (const text of texts) expect(JSON.stringify(readable)).not.toContain(JSON.stringify(text))
      expect(seal && openEvent(stored, seal, key).data).toEqual(data)
      expect(Object.keys(openEvent(stored, seal ?? expect.fail(), key).data)).toEqual(Object.keys(data))
      const erased = { type, data: withErased(unsealed(stored), seal?.nulls) }
      expect(() => validateEvent(erased as ZapiniEvent)).not.toThrow()
      expect(new Set(textsOf(erased.data, markedIn(catalogue[type]?.data as Schema)))).toEqual(
        texts.length > 0 ? new Set([ERASED]) : new Set(),
      )
    },
  )

  test('comes back whole, whatever stands in its fields', () => {
    const anyText = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('', '\ud800', ERASED, 'null'))
    const property = fc.property(
      fc.constantFrom(...golden),
      fc.array(fc.oneof(anyText, fc.constant(null)), { minLength: 1 }),
      ({ type, data }, values) => {
        let n = 0
        const change = (value: unknown) =>
          typeof value === 'string' ? (values[n++ % values.length] ?? null) : value
        const changed = JSON.parse(JSON.stringify(data), (_name, value: unknown) => change(value)) as object
        const key = newKey()
        const stored = sealed(asNew(type, changed), key)
        const seal = stored && sealOf(stored)
        if (stored && seal) expect(openEvent(stored, seal, key).data).toEqual(changed)
      },
    )
    fc.assert(property, { numRuns: 300 })
  })

  test('opens neither with the box of another one, nor with another key, nor changed', () => {
    const key = newKey()
    const [one, other] = ['one', 'other'].map((text) =>
      sealed(toAppend({ type: 'MessageReceived', data: incoming(text) }), key),
    )
    const [seal, otherSeal] = [one && sealOf(one), other && sealOf(other)]
    if (!one || !seal || !otherSeal) return expect.fail()
    expect(openEvent(one, seal, key).data).toMatchObject({ content: { text: 'one' } })
    const bent = Buffer.from(seal.box, 'base64')
    bent[40] = (bent[40] ?? 0) ^ 1
    for (const [box, by] of [
      [otherSeal.box, key],
      [seal.box, newKey()],
      [bent.toString('base64'), key],
      ['', key],
    ] as const)
      expect(() => openEvent(one, { ...seal, box }, by)).toThrow(Unopened)
  })

  test('belongs to the conversation, the contact or the thing that it is about', () => {
    const into = randomUUID()
    const owner = (type: string, data: object, stream: string) => ownerOf({ type, data }, stream)
    expect(owner('MessageReceived', incoming(), messageStream('A'))).toBe(conversationId(INSTANCE, JOHN))
    expect(owner('ConversationMerged', { into, chat: JOHN }, 'conversation-1')).toBe(into)
    expect(owner('AutomationPaused', { reason: 'x' }, 'conversation-1')).toBe('1')
    expect(owner('GroupLeft', { instanceId: INSTANCE, chat: MARY }, 'group-1')).toBe(
      conversationId(INSTANCE, MARY),
    )
    expect(owner('MediaStored', { conversationId: into }, 'media-1')).toBe(into)
    expect(owner('MediaStored', {}, 'media-1')).toBe('1')
    expect(owner('UserCreated', {}, 'user-1')).toBe('1')
  })
})

eventStoreContract('PostgreSQL, sealed', async () => (await sealedLog()).store)

const OWNER = conversationId(INSTANCE, JOHN)
const say = async (store: EventStore, text: string, chat = JOHN) => {
  await store.append(messageStream(text), NO_STREAM, [
    toAppend({ type: 'MessageReceived', data: incoming(text, { ...placeIn(chat), chat }) }),
  ])
  return messageStream(text)
}
const textIn = (event: Recorded | undefined) => {
  const { content } = event?.data as { content?: { text?: string } }
  return content?.text
}
const textOf = async (store: EventStore, stream: string) => textIn((await store.readStream(stream))[0])
const keyIn = async (stored: EventStore, stream: string) => {
  const [event] = await stored.readStream(stream)
  return event && sealOf(event)?.key
}

test('an append in the same tick may follow one that still waits for its key', async () => {
  const { store } = await sealedLog()
  const stream = messageStream('A')
  const sent = asNew('MessageSent', { ...placeIn(JOHN), at: meta.at, kind: 'text' })
  await Promise.all([say(store, 'A'), store.append(stream, 0, [sent])])
  expect((await store.readStream(stream)).map(({ type }) => type)).toEqual(['MessageReceived', 'MessageSent'])
})

describe('a key', () => {
  test('is durable before anything that it seals, and one for all programs that make it at once', async () => {
    const log = await sealedLog()
    const witness = new pg.Client({ connectionString: log.url })
    await witness.connect()
    onTestFinished(() => witness.end())
    const seen: unknown[] = []
    const watched: EventStore = {
      ...log.stored,
      append: async (stream, expected, events) => {
        for (const event of events) {
          const { rows } = await witness.query('select owner from sealing_key where id = $1', [
            sealOf(event)?.key,
          ])
          seen.push(...rows)
        }
        return log.stored.append(stream, expected, events)
      },
    }
    const programs = [sealedStore(watched, log.keys), log.openSealed().store, log.openSealed().store]
    const streams = await Promise.all(programs.map((store, n) => say(store, `hello ${n}`)))
    expect(seen).toEqual([{ owner: OWNER }])
    const keys = await Promise.all(streams.map((stream) => keyIn(log.stored, stream)))
    expect(new Set(keys).size).toBe(1)
    for (const store of programs)
      expect(await Promise.all(streams.map((stream) => textOf(store, stream)))).toEqual([
        'hello 0',
        'hello 1',
        'hello 2',
      ])
    expect(log.errors).toEqual([])
  })

  test('that is destroyed takes with it what it sealed, at once and in every program that had read it', async () => {
    const log = await sealedLog()
    const other = log.openSealed()
    const streams = [await say(log.store, 'secret'), await say(log.store, 'more of it')]
    await say(log.store, 'of Mary', MARY)
    await log.store.append('contact-x', NO_STREAM, [asNew('ContactDeleted', { at: meta.at })])
    const followers = [startSubscriber(log.store), startSubscriber(other.store)]
    for (const follower of followers) await follower.has(4)
    for (const { store } of [log, other]) expect(await textOf(store, streams[0] ?? '')).toBe('secret')

    const ids = await log.keys.retire([OWNER])
    await log.keys.destroy(ids)
    expect(ids).toHaveLength(1)
    const [erased] = await log.store.readStream(streams[0] ?? '')
    expect(erased).toMatchObject({
      erased: true,
      data: { chat: ERASED, content: { kind: 'text', text: ERASED } },
    })
    await eventually(async () => expect(await textOf(other.store, streams[0] ?? '')).toBe(ERASED))
    for (const { store } of [log, other]) {
      const again = startSubscriber(store)
      await again.has(4)
      expect(again.events.map(({ erased = false }) => erased)).toEqual([true, true, false, false])
      expect(again.events.map(textIn)).toEqual([ERASED, ERASED, 'of Mary', undefined])
      await again.stop()
    }
    const next = await say(log.store, 'afterwards')
    expect(await textOf(other.store, next)).toBe('afterwards')
    for (const follower of followers) await follower.stop()
    const { rows } = await log.pool.query('select state, seed from sealing_key where id = any($1)', [ids])
    expect(rows).toEqual([{ state: 'destroyed', seed: null }])
  })

  test('that is retired seals nothing more: what is under way is waited for, what comes then has another', async () => {
    const log = await sealedLog()
    const { opened, open } = gate()
    let arrived = 0
    const held: EventStore = {
      ...log.stored,
      append: async (...given) => {
        arrived++
        await opened
        return log.stored.append(...given)
      },
    }
    const first = say(sealedStore(held, log.keys), 'first')
    await eventually(() => expect(arrived).toBe(1))
    let isRetired = false
    const retiring = log.keys.retire([OWNER]).then((ids) => ((isRetired = true), ids))
    const second = await say(log.store, 'second')
    expect(isRetired).toBe(false)
    open()
    const [old] = await retiring
    expect(await keyIn(log.stored, await first)).toBe(old)
    expect(await keyIn(log.stored, second)).not.toBe(old)
    expect(await textOf(log.store, await first)).toBe('first')
    await expect(log.keys.destroy([(await keyIn(log.stored, second)) ?? ''])).rejects.toThrow(
      'retired before',
    )
    await log.keys.destroy([old ?? ''])
    expect(await textOf(log.store, await first)).toBe(ERASED)
    expect(await textOf(log.store, second)).toBe('second')
  })

  test('is not used any more by a program that cannot hear that it was retired or destroyed', async () => {
    const log = await sealedLog()
    const deaf = new pg.Pool({ connectionString: 'postgres://nobody@127.0.0.1:1/none' })
    const { pool, store: stored } = log.openProcess()
    const keys = postgresSealingKeys({
      pool,
      listenPool: deaf,
      master: undefined,
      alone: true,
      onError: () => {},
    })
    onTestFinished(keys.close)
    const store = sealedStore(stored, keys)
    const before = await say(store, 'before')
    expect(await textOf(store, before)).toBe('before')
    await log.keys.destroy(await log.keys.retire([OWNER]))
    const after = await say(store, 'after')
    expect([await textOf(store, before), await textOf(store, after)]).toEqual([ERASED, 'after'])
    expect(await textOf(log.store, after)).toBe('after')
  })

  test('that another program retired is given out for destruction once no program seals with it', async () => {
    const log = await sealedLog()
    const way = await proxyTo(log.url)
    const onError = () => {}
    const deaf = createPool(way.url, { max: 1, onError })
    const open = (listenPool: pg.Pool) => {
      const keys = postgresSealingKeys({
        pool: log.pool,
        listenPool,
        master: undefined,
        alone: false,
        onError,
      })
      return { keys, store: sealedStore(log.stored, keys) }
    }
    const [writer, eraser] = [open(deaf), open(log.pool)]
    onTestFinished(async () => {
      way.letGo()
      await Promise.all([writer.keys.close(), eraser.keys.close()])
      await deaf.end()
    })
    const before = await say(writer.store, 'before')
    const old = (await keyIn(log.stored, before)) ?? ''
    await eventually(async () => {
      await textOf(writer.store, before)
      expect(writer.keys.recall(old)).toBeDefined()
    })
    // From now on it goes by what it remembers.
    await say(writer.store, 'more')
    way.hold()
    await log.keys.retire([OWNER])
    expect(await eraser.keys.retired([OWNER])).toEqual([old])
    expect(await keyIn(log.stored, await say(writer.store, 'after'))).not.toBe(old)
  })

  test('counts again once an answer that was late is there, and nobody is told of a fault', async () => {
    const log = await sealedLog()
    const way = await proxyTo(log.url)
    const faults: unknown[] = []
    const onError = (error: unknown) => void faults.push(error)
    const listenPool = createPool(way.url, { max: 1, onError })
    const keys = postgresSealingKeys({ pool: log.pool, listenPool, master: undefined, alone: true, onError })
    onTestFinished(async () => {
      await keys.close()
      await listenPool.end()
    })
    const store = sealedStore(log.stored, keys)
    const stream = await say(store, 'hello')
    const id = (await keyIn(log.stored, stream)) ?? ''
    await eventually(async () => {
      expect(await textOf(store, stream)).toBe('hello')
      expect(keys.recall(id)).toBeDefined()
    })
    way.hold()
    const heldAt = performance.now()
    await eventually(() => expect(keys.recall(id)).toBeUndefined())
    await eventually(() => expect(performance.now() - heldAt).toBeGreaterThan(TRUSTED_MS + 700))
    way.letGo()
    await eventually(() => expect(keys.recall(id)).toBeDefined())
    expect(faults).toEqual([])
  })

  test('made with an encryption key does not open without it; one from before there was any does', async () => {
    const log = await sealedLog()
    const early = await say(log.store, 'early')
    await log.keys.retire([OWNER])
    const master = randomBytes(32)
    const later = log.openSealed(undefined, master)
    const late = await say(later.store, 'late')
    expect([await textOf(later.store, early), await textOf(later.store, late)]).toEqual(['early', 'late'])
    const thief = log.openSealed(undefined, randomBytes(32))
    expect(await textOf(thief.store, early)).toBe('early')
    await expect(thief.store.readStream(late)).rejects.toThrow(Unopened)
  })
})

test('an event that does not open stops who reads it, after those before it, and says which it is', async () => {
  const log = await sealedLog()
  for (const text of ['A', 'B', 'C']) await say(log.store, text)
  await log.pool.query(
    `update event set data = (data::jsonb #- '{sealed,box}' || jsonb_build_object('sealed',
       (data::jsonb -> 'sealed') || '{"box": "AAAA"}'))::json where stream = $1`,
    [messageStream('B')],
  )
  const reader = startSubscriber(log.openSealed().store)
  await expect(reader.has(3)).rejects.toThrow()
  expect(reader.events.map(textIn)).toEqual(['A'])
  await expect(reader.stop()).rejects.toThrow(`MessageReceived (${messageStream('B')} revision 0)`)
})

test('a key that is lost is not one that was destroyed: reading stops until it is back, or is given up', async () => {
  const log = await sealedLog()
  const stream = await say(log.store, 'hello')
  const client = await log.pool.connect()
  onTestFinished(() => client.release())
  await client.query('create temporary table kept as select * from sealing_key')
  await client.query('delete from sealing_key')
  const { store } = log.openSealed()
  await expect(store.readStream(stream)).rejects.toThrow('zapini lost-keys')

  const later = await say(store, 'meanwhile')
  const operations = readFileSync(join(import.meta.dirname, '..', 'docs', 'operations.md'), 'utf8')
  await client.query(/insert into sealing_key select[^;]*;/.exec(operations)?.[0] ?? '')
  expect([await textOf(store, stream), await textOf(store, later)]).toEqual(['hello', 'meanwhile'])

  await client.query("delete from sealing_key where state = 'retired'")
  await eventually(() => expect(store.readStream(stream)).rejects.toThrow(Unopened))
  const silent = { write: () => true }
  const lost = await findLost(log.pool, log.stored, silent)
  expect(lost).toMatchObject({ events: 1, streams: { size: 1 } })
  await giveUp(log.pool, lost)
  expect([await textOf(store, stream), await textOf(store, later)]).toEqual([ERASED, 'meanwhile'])
  expect(await findLost(log.pool, log.stored, silent)).toMatchObject({ events: 0 })
})

test('what was stored before there were keys is read as it is', async () => {
  const log = await sealedLog()
  const stream = await say(log.stored, 'plain')
  const [event] = await log.store.readStream(stream)
  expect(event).toEqual((await log.stored.readStream(stream))[0])
  expect(textIn(event)).toBe('plain')
})
