import type { BinaryNode } from '@whiskeysockets/baileys'
import { describe, expect, it, vi } from 'vitest'
import type { Outgoing } from '../../../src/ports/gateway.ts'
import { textMessage } from '../../contracts/gateway.ts'
import type { Person, WhatsApp } from '../../stand-ins/whatsapp/whatsapp.ts'
import { testPool } from '../../support/database.ts'
import { PATIENCE, startGateway } from './whatsapp.ts'

const textTo = (instanceId: string, { jid }: Pick<Person, 'jid'>, text: string): Outgoing => ({
  ...textMessage(instanceId, text),
  chat: jid,
})
/** The phone shows one message for each id. */
const shown = ({ inbox }: Person) => [...new Set(inbox.map(({ id }) => id))]

/** Messages as clients wrote them. */
const sentBy = ({ stanzas }: WhatsApp) =>
  stanzas.all.flatMap(({ node, direction }) =>
    direction === 'from-client' && node.tag === 'message' ? [node] : [],
  )

/** What WhatsApp says of people, without the devices of one. */
const withoutDevices = (node: BinaryNode, person: Person): BinaryNode => {
  if (!Array.isArray(node.content)) return node
  const isHers = node.tag === 'user' && [person.jid, person.lid].includes(node.attrs['jid'] ?? '')
  const left = node.content.filter(({ tag }) => !(isHers && tag === 'devices'))
  return { ...node, content: left.map((one) => withoutDevices(one, person)) }
}

/** A shop that is connected, and Maria, who writes to nobody. */
const shopAndMaria = async (...options: Parameters<typeof startGateway>) => {
  const world = await startGateway(...options)
  const maria = world.whatsApp.person('Maria')
  return { ...world, maria, shop: await world.paired() }
}

describe('a message that goes out', () => {
  it('is sent once WhatsApp has acknowledged it, under the id that was chosen, readable', async () => {
    const { gateway, whatsApp, maria, shop } = await shopAndMaria()
    const message = textTo(shop.instanceId, maria, 'Good morning!')
    expect(await gateway.send(message)).toEqual({ kind: 'sent', at: expect.stringMatching(/Z$/) })
    const { text } = await maria.received(({ id }) => id === message.whatsappId)
    expect(text).toBe('Good morning!')
    expect(whatsApp.errors).toEqual([])
  })

  it('goes to the hidden id of a person who has one', async () => {
    const { gateway, whatsApp, maria, shop } = await shopAndMaria()
    const message = textTo(shop.instanceId, maria, 'Hello')
    await gateway.send(message)
    const sent = sentBy(whatsApp).filter(({ attrs }) => attrs['id'] === message.whatsappId)
    expect(sent.map(({ attrs }) => attrs['to'])).toEqual([maria.lid])
  })

  it('is refused where the number is not on WhatsApp', async () => {
    const { gateway, whatsApp, shop } = await shopAndMaria()
    const nobody = { jid: '5511900000007@s.whatsapp.net' }
    expect(await gateway.send(textTo(shop.instanceId, nobody, 'Hello?'))).toEqual({
      kind: 'refused',
      reason: 'This number is not on WhatsApp.',
    })
    expect(sentBy(whatsApp).filter(({ attrs }) => attrs['to'] === nobody.jid)).toEqual([])
  })

  it('asks WhatsApp about a person once', async () => {
    const { gateway, whatsApp, maria, shop } = await shopAndMaria()
    const asked = () =>
      whatsApp.stanzas.all.filter(
        ({ node, direction }) => direction === 'from-client' && node.attrs['xmlns'] === 'usync',
      ).length
    await gateway.send(textTo(shop.instanceId, maria, 'One'))
    const first = asked()
    expect(first).toBeGreaterThan(0)
    await gateway.send(textTo(shop.instanceId, maria, 'Two'))
    expect(asked()).toBe(first)
  })

  it('does not go where nobody could read it: WhatsApp names no device of the other side', async () => {
    const { gateway, whatsApp, maria, shop } = await shopAndMaria()
    const usual = whatsApp.handlers.get('usync')
    whatsApp.handlers.set('usync', async (iq, connection) => {
      const answer = await usual?.(iq, connection)
      return Array.isArray(answer) ? answer.map((node) => withoutDevices(node, maria)) : 'silence'
    })
    const message = textTo(shop.instanceId, maria, 'Hello?')
    expect(await gateway.send(message)).toMatchObject({
      kind: 'retry',
      reason: expect.stringContaining('no device'),
    })
    expect(sentBy(whatsApp)).toEqual([])
    if (usual) whatsApp.handlers.set('usync', usual)
    expect((await gateway.send(message)).kind).toBe('sent')
  })

  it('is refused for good, with advice and an alarm, when WhatsApp restricts the account', async () => {
    const { gateway, whatsApp, maria, shop, logs } = await shopAndMaria()
    whatsApp.faults.ack = () => ({ error: '463' })
    expect(await gateway.send(textTo(shop.instanceId, maria, 'Hello'))).toEqual({
      kind: 'refused',
      reason: expect.stringMatching(/463.*Do not send it again/),
    })
    expect(logs.filter(({ level }) => level === 'error').map(({ text }) => text)).toEqual([
      'WhatsApp restricts this account (463)',
    ])
  })

  it.each([
    ['479', 'refused'],
    ['421', 'refused'],
    ['500', 'retry'],
    ['503', 'retry'],
  ])('WhatsApp says %s: %s, with the code', async (error, kind) => {
    const { gateway, whatsApp, maria, shop } = await shopAndMaria()
    whatsApp.faults.ack = () => ({ error })
    const outcome = await gateway.send(textTo(shop.instanceId, maria, 'Hello'))
    expect(outcome).toEqual({ kind, reason: expect.stringContaining(error) })
  })
})

describe('after a 479, which says that what was known of a chat is out of date,', () => {
  it('its people and their devices are asked for anew, also those of a group', async () => {
    const { gateway, world, whatsApp, maria, shop } = await shopAndMaria()
    const { group } = world.groups.create(shop.owner, 'Team', [maria.jid])
    const send = (text: string) => gateway.send(textTo(shop.instanceId, { jid: group.id }, text))
    const asked = () => {
      const isAsked = ({ attrs }: { attrs: Record<string, string> }) =>
        attrs['xmlns'] === 'usync' || (attrs['xmlns'] === 'w:g2' && attrs['to'] === group.id)
      return whatsApp.stanzas.all
        .filter(({ node, direction }) => direction === 'from-client' && isAsked(node))
        .map(({ node }) => node.attrs['xmlns'])
    }
    expect((await send('One')).kind).toBe('sent')
    whatsApp.faults.ack = () => ({ error: '479' })
    expect((await send('Two')).kind).toBe('refused')
    whatsApp.faults.ack = undefined
    const before = asked().length
    expect((await send('Three')).kind).toBe('sent')
    expect(new Set(asked().slice(before))).toEqual(new Set(['w:g2', 'usync']))
  })
})

describe('a message of which nothing is known', () => {
  it('lost its acknowledgement: it goes again under its id, and the phone shows one', async () => {
    const { gateway, whatsApp, maria, shop } = await shopAndMaria({ timing: { ackMs: 200 } })
    whatsApp.faults.ack = () => 'lost'
    const message = textTo(shop.instanceId, maria, 'Once')
    expect(await gateway.send(message)).toEqual({
      kind: 'retry',
      reason: expect.stringContaining('may arrive nevertheless'),
    })
    // The connection answers all else: it stays.
    expect(gateway.connected(shop.instanceId)).toBe(true)
    whatsApp.faults.ack = undefined
    expect((await gateway.send(message)).kind).toBe('sent')
    const sent = sentBy(whatsApp).filter(({ attrs }) => attrs['id'] === message.whatsappId)
    expect(sent).toHaveLength(2)
    expect(maria.inbox.map(({ id, text }) => [id, text])).toEqual([[message.whatsappId, 'Once']])
  })

  it('waits behind a question that is never answered: the connection is ended, and it goes over the next one', async () => {
    const { gateway, whatsApp, maria, shop, isConnected } = await shopAndMaria({ timing: { callMs: 300 } })
    const before = [...shop.owner.devices.values()].map(({ logins }) => logins)
    whatsApp.faults.iq = ({ attrs }) => (attrs['xmlns'] === 'usync' ? 'silence' : undefined)
    const message = textTo(shop.instanceId, maria, 'Hello')
    const behind = textTo(shop.instanceId, maria, 'And this')
    const outcomes = await Promise.all([gateway.send(message), gateway.send(behind)])
    expect(outcomes.map(({ kind }) => kind)).toEqual(['retry', 'retry'])
    whatsApp.faults.iq = undefined
    await vi.waitFor(
      () => expect([...shop.owner.devices.values()].map(({ logins }) => logins)).not.toEqual(before),
      PATIENCE,
    )
    await isConnected(shop)
    // On a busy machine an answer may take longer than a call is given here.
    await vi.waitFor(async () => expect((await gateway.send(message)).kind).toBe('sent'), PATIENCE)
    await maria.received(({ text }) => text === 'Hello')
    expect(shown(maria)).toEqual([message.whatsappId])
  })

  it('was under way when the connection went', async () => {
    const { gateway, whatsApp, maria, shop, isConnected } = await shopAndMaria()
    whatsApp.faults.ack = () => {
      shop.owner.drop()
      return 'lost'
    }
    const message = textTo(shop.instanceId, maria, 'Hello')
    expect((await gateway.send(message)).kind).toBe('retry')
    whatsApp.faults.ack = undefined
    await isConnected(shop)
    expect((await gateway.send(message)).kind).toBe('sent')
    expect(shown(maria)).toEqual([message.whatsappId])
  })

  it('and nothing can be known, since the database is away: the connection is ended, for it to wait for the next one', async () => {
    const pool = await testPool()
    const query = pool.query.bind(pool)
    let isAway = false
    const away = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
    vi.spyOn(pool, 'query').mockImplementation((...given: unknown[]): unknown =>
      isAway && JSON.stringify(given).includes('whatsapp-remembered')
        ? Promise.reject(away)
        : Reflect.apply(query, pool, given),
    )
    const { gateway, maria, shop, isConnected } = await shopAndMaria({ pool })
    const [device] = shop.owner.devices.values()
    const logins = device?.logins ?? 0
    const message = textTo(shop.instanceId, maria, 'Hello')
    isAway = true
    expect((await gateway.send(message)).kind).toBe('retry')
    isAway = false
    await vi.waitFor(() => expect(device?.logins).toBeGreaterThan(logins), PATIENCE)
    await isConnected(shop)
    expect((await gateway.send(message)).kind).toBe('sent')
    expect(shown(maria)).toEqual([message.whatsappId])
  })

  it('is never answered by success where there is no session', async () => {
    const { gateway, maria, shop } = await shopAndMaria()
    await gateway.close(shop.instanceId, { forget: false })
    expect((await gateway.send(textTo(shop.instanceId, maria, 'Hello'))).kind).toBe('retry')
  })
})

describe('a key that somebody put in the place of that of the other side', () => {
  it('is not written to, and the log says so', async () => {
    const { gateway, whatsApp, maria, shop, logs } = await shopAndMaria()
    whatsApp.faults.forgedPreKeySignature = true
    const message = textTo(shop.instanceId, maria, 'To whom?')
    expect((await gateway.send(message)).kind).toBe('retry')
    expect(sentBy(whatsApp).filter(({ attrs }) => attrs['id'] === message.whatsappId)).toEqual([])
    expect(logs.map(({ text }) => text).join()).toContain('signature')
    whatsApp.faults.forgedPreKeySignature = false
    expect((await gateway.send(message)).kind).toBe('sent')
  })
})

describe('a message that the other side cannot read', () => {
  it('is given to it again, also after a restart', async () => {
    const { gateway, whatsApp, maria, shop, isConnected } = await shopAndMaria()
    maria.unreadableNext = 1
    const message = textTo(shop.instanceId, maria, 'Read me')
    expect((await gateway.send(message)).kind).toBe('sent')
    const again = await maria.received(({ id }) => id === message.whatsappId)
    expect(again.text).toBe('Read me')
    await isConnected(shop)
    expect(whatsApp.errors).toEqual([])
  })

  it('is given to it again over the next connection, which has it from the database', async () => {
    const { gateway, whatsApp, maria, shop } = await shopAndMaria()
    const message = textTo(shop.instanceId, maria, 'Read me')
    expect((await gateway.send(message)).kind).toBe('sent')
    const [device] = shop.owner.devices.values()
    if (!device) throw new Error('The shop has no device')
    const { logins } = device
    shop.owner.drop()
    await vi.waitFor(() => expect(device.logins).toBeGreaterThan(logins), PATIENCE)
    maria.unreadableNext = 1
    await maria.take(device, { tag: 'message', attrs: { id: message.whatsappId, to: maria.lid } }, [])
    const sent = () => sentBy(whatsApp).filter(({ attrs }) => attrs['id'] === message.whatsappId)
    await vi.waitFor(() => expect(sent()).toHaveLength(2), PATIENCE)
  })

  it('is given to nobody else, whoever asks for it', async () => {
    const { gateway, whatsApp, maria, shop } = await shopAndMaria()
    const message = textTo(shop.instanceId, maria, 'For Maria alone')
    expect((await gateway.send(message)).kind).toBe('sent')
    const eve = whatsApp.person('Eve')
    const [device] = shop.owner.devices.values()
    if (!device) throw new Error('The shop has no device')
    eve.unreadableNext = 1
    const node = { tag: 'message', attrs: { id: message.whatsappId, to: eve.lid } }
    await eve.take(device, node, [])
    // What comes after it is answered after it.
    const to = await eve.writeTo(shop.owner, 'Me, too?')
    await eve.receiptSeen(({ ids }) => ids.includes(to))
    expect((await gateway.send(textTo(shop.instanceId, eve, 'No'))).kind).toBe('sent')
    await eve.received(({ text }) => text === 'No')
    expect(eve.inbox.map(({ text }) => text)).not.toContain('For Maria alone')
  })
})
