import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { expect, onTestFinished, test } from 'vitest'
import { messageId } from '../../src/domain/ids.ts'
import { accept, acknowledge, Message, queue } from '../../src/domain/message.ts'
import type { PublicEvent } from '../../src/domain/public-events.ts'
import { createEventStreams } from '../../src/http/event-streams.ts'
import { instanceTokenPermissions } from '../../src/http/permissions.ts'
import { shareTranslation, type Translate } from '../../src/public-events/share.ts'
import { context, INSTANCE, outgoing, TENANT } from '../support/facts.ts'
import { testLog } from '../support/log.ts'
import { noErasures } from '../support/erasures.ts'
import { eventually } from '../support/eventually.ts'
import { startSubscriber } from '../support/subscriber.ts'

const caller = {
  tenantId: TENANT,
  tokenId: 'token',
  actor: { kind: 'system' },
  permissions: instanceTokenPermissions,
} as const

const start = async (translate?: Translate) => {
  const log = await testLog()
  const stopping = new AbortController()
  onTestFinished(() => stopping.abort())
  const streams = createEventStreams({
    store: log.store,
    translate: translate ?? shareTranslation(log.store, noErasures),
    stopping: stopping.signal,
    onError: (error) => log.errors.push(error),
  })
  const open = (lastEventId?: string): Promise<Readable> =>
    streams({
      caller,
      instanceId: undefined,
      names: { 'instance.qr': 'instance.qr' },
      lastEventId,
      isStillAllowed: () => Promise.resolve(true),
    })
  const append = (text: string) =>
    log.transact(Message, messageId(INSTANCE, text), queue(outgoing(text)), context)
  return { ...log, stopping, open, append }
}

/** Reads the events of a stream, each with its id and the code that it tells. */
const reading = (body: Readable) => {
  const told: { id: string; code: string }[] = []
  body.on('data', (frame: Buffer) => {
    const id = /^id: (.*)$/m.exec(frame.toString())?.[1]
    const code = /"qr_code_text":"(.*?)"/.exec(frame.toString())?.[1]
    if (id !== undefined && code !== undefined) told.push({ id, code })
  })
  return told
}

/** Each stored event tells three things. */
const threefold: Translate = async (batch) =>
  new Map(
    batch.map(({ id, revision, stream }) => [
      id,
      ['a', 'b', 'c'].map((letter): PublicEvent => ({
        type: 'instance.qr',
        at: '2025-01-15T10:30:00.000Z',
        data: { qr_code_text: `${stream} ${revision} ${letter}`, expires_at: null },
        id: `${id} ${letter}`,
        tenantId: TENANT,
        instanceId: INSTANCE,
        key: INSTANCE,
        correlation: 'test',
        causation: id,
      })),
    ]),
  )

test('a stream goes on in the middle of what one stored event tells', async () => {
  const { open, append } = await start(threefold)
  const whole = reading(await open())
  for (const text of ['one', 'two', 'three']) await append(text)
  await eventually(() => expect(whole).toHaveLength(9))
  expect(new Set(whole.map(({ id }) => id)).size).toBe(9)
  for (const [n, { id }] of whole.entries()) {
    const body = await open(id)
    const rest = reading(body)
    await eventually(() => expect(rest).toHaveLength(8 - n))
    expect(rest).toEqual(whole.slice(n + 1))
    body.destroy()
  }
})

test('a stop ends every stream, and none begins any more', async () => {
  const { open, stopping } = await start()
  const bodies = await Promise.all([open(), open()])
  const ends = bodies.map((body) => once(body, 'end'))
  await Promise.all(bodies.map((body) => once(body, 'data')))
  stopping.abort()
  await Promise.all(ends)
  await expect(open()).rejects.toThrow(expect.objectContaining({ code: 'UNAVAILABLE' }))
})

test('a translation that is shared says the same however the log is cut into batches', async () => {
  const { store, append, ...log } = await start()
  for (const text of ['one', 'two', 'three']) await append(text)
  const at = '2025-01-15T10:31:00.000Z'
  for (const text of ['one', 'two', 'three'])
    for (const step of [accept(at), acknowledge('delivered', at), acknowledge('read', at)])
      await log.transact(Message, messageId(INSTANCE, text), step, context)
  const subscriber = startSubscriber(store)
  await subscriber.has(12)
  await subscriber.stop()
  const { events } = subscriber
  const expected = await shareTranslation(store, noErasures)(events)
  expect([...expected.values()].flat()).toHaveLength(9)

  const shared = shareTranslation(store, noErasures)
  const cuts = [events.slice(3, 5), events.slice(6), events.slice(4, 8), events, events.slice(2, 7)]
  for (const told of await Promise.all(
    [...cuts, ...cuts].map(async (cut) => ({ cut, told: await shared(cut) })),
  ))
    for (const { id } of told.cut) expect(told.told.get(id)).toEqual(expected.get(id))
})
