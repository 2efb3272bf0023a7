import { randomInt, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ConnectionReport } from '../../src/domain/instance.ts'
import type { ReceiptStatus } from '../../src/domain/message.ts'
import type {
  AddressLink,
  ContactNews,
  Gateway,
  GatewayListener,
  Incoming,
  IncomingChange,
  IncomingReaction,
  Outgoing,
  Receipt,
  SessionRef,
} from '../../src/ports/gateway.ts'
import { eventually } from '../support/eventually.ts'
import { groupsContract, type GroupsSide } from './groups.ts'

/** The other side of a gateway: WhatsApp, the phone, and the people who write to it. */
export type WhatsAppSide = {
  /** Scans the QR code that the gateway reported. */
  pair(instanceId: string, qr: string, phoneNumber: string): Promise<unknown>
  /** What WhatsApp has for others, in order; what came twice under one id is there once. */
  delivered(instanceId: string): Promise<readonly Pick<Outgoing, 'whatsappId' | 'chat' | 'content'>[]>
  /** Somebody writes; WhatsApp delivers it again until it is acknowledged. */
  write(instanceId: string, text: TextFrom): Promise<unknown>
  receipt(instanceId: string, receipt: { whatsappId: string; status: ReceiptStatus }): Promise<unknown>
  react(
    instanceId: string,
    reaction: { from: string; targetWhatsappId: string; emoji: string },
  ): Promise<unknown>
  readonly groups: GroupsSide
}
export type TextFrom = { from: string; name: string; text: string; whatsappId: string }

export type GatewayUnderTest = {
  readonly gateway: Gateway
  readonly whatsapp: WhatsAppSide
  stop(): Promise<void>
}

/** A listener that keeps what it hears; `refuse` makes it reject that many calls first. */
export const recordingListener = () => {
  const heard = {
    messages: [] as Incoming[],
    receipts: [] as Receipt[],
    reactions: [] as IncomingReaction[],
    changes: [] as IncomingChange[],
    contacts: [] as ContactNews[],
    links: [] as AddressLink[],
    connections: [] as ConnectionReport[],
  }
  /** In the order in which it was heard. */
  const all: object[] = []
  let refusals = 0
  const hear =
    <T extends object>(list: T[]) =>
    async (item: T) => {
      if (refusals > 0) {
        refusals -= 1
        throw new Error('Nothing can be stored at the moment')
      }
      list.push(item)
      all.push(item)
    }
  const listener: GatewayListener = {
    message: hear(heard.messages),
    receipt: hear(heard.receipts),
    reaction: hear(heard.reactions),
    change: hear(heard.changes),
    contact: hear(heard.contacts),
    addressLink: hear(heard.links),
    file: async ({ content }) => content,
    connection: hear(heard.connections),
  }
  const refuse = (times: number) => {
    refusals = times
  }
  return { ...heard, all, listener, refuse }
}

/** The session of an instance under its first owner. */
export const sessionOf = (instanceId: string, term = 1): SessionRef => ({
  instanceId,
  term,
  importsPast: false,
})

export const textMessage = (instanceId: string, text: string, whatsappId: string = newId()): Outgoing => ({
  instanceId,
  whatsappId,
  chat: maria,
  content: { kind: 'text', text },
})
const newId = () => `3EB0${randomUUID().replaceAll('-', '').slice(0, 18).toUpperCase()}`
const maria = '5511988887777@s.whatsapp.net'
const newPhoneNumber = () => `55119${String(randomInt(10_000_000, 99_999_999))}`

/** What every gateway promises, whatever is behind it. */
export const gatewayContract = (name: string, start: () => Promise<GatewayUnderTest>) =>
  describe(`gateway contract: ${name}`, () => {
    let subject: GatewayUnderTest
    beforeAll(async () => {
      subject = await start()
    }, 60_000)
    afterAll(() => subject.stop())

    const opened = async (instanceId: string = randomUUID()) => {
      const told = recordingListener()
      await subject.gateway.open(sessionOf(instanceId), told.listener)
      return { instanceId, ...told }
    }
    const qrOf = (connections: readonly ConnectionReport[]) =>
      eventually(() => {
        const report = connections.findLast(({ status }) => status === 'qr_ready')
        if (report?.status !== 'qr_ready') throw new Error('No QR code yet')
        return report.qr
      })
    const connected = async () => {
      const instance = await opened()
      const qr = await qrOf(instance.connections)
      const phoneNumber = newPhoneNumber()
      await subject.whatsapp.pair(instance.instanceId, qr, phoneNumber)
      await eventually(() => expect(subject.gateway.connected(instance.instanceId)).toBe(true))
      return { ...instance, phoneNumber }
    }
    const delivered = (instanceId: string) => subject.whatsapp.delivered(instanceId)
    const send = (message: Outgoing) => subject.gateway.send(message)

    describe('connecting', () => {
      it('an instance that is not paired reports a QR code and is not connected', async () => {
        const { instanceId, connections } = await opened()
        // In the fields of a link, or by themselves.
        expect(await qrOf(connections)).toMatch(/^(https:\/\/wa\.me\/\S+#)?2@[^,]+(,[^,]+){3,}$/)
        expect(subject.gateway.connected(instanceId)).toBe(false)
      })
      it('scanning the QR code connects and reports the phone number', async () => {
        const { connections, phoneNumber } = await connected()
        await eventually(() =>
          expect(connections.at(-1)).toMatchObject({
            status: 'connected',
            phoneNumber,
            at: expect.stringMatching(/^\d{4}-.*Z$/),
          }),
        )
      })
      it('opening an open session changes and reports nothing', async () => {
        const { instanceId, connections } = await connected()
        await eventually(() => expect(connections.at(-1)?.status).toBe('connected'))
        const before = connections.length
        const again = await opened(instanceId)
        expect(subject.gateway.connected(instanceId)).toBe(true)
        expect([connections.length, again.connections]).toEqual([before, []])
      })
      it('a paired instance connects by itself when it is opened again', async () => {
        const { instanceId, phoneNumber } = await connected()
        await subject.gateway.close(instanceId, { forget: false })
        expect(subject.gateway.connected(instanceId)).toBe(false)
        const { connections } = await opened(instanceId)
        await eventually(() => expect(connections.at(-1)).toMatchObject({ status: 'connected', phoneNumber }))
        expect(connections.some(({ status }) => status === 'qr_ready')).toBe(false)
      })
      it('an instance that was forgotten has to be paired again', async () => {
        const { instanceId } = await connected()
        await subject.gateway.close(instanceId, { forget: true })
        const { connections } = await opened(instanceId)
        await qrOf(connections)
        expect(subject.gateway.connected(instanceId)).toBe(false)
      })
      it('closing what is not open does nothing', async () => {
        const closing = subject.gateway.close(randomUUID(), { forget: false })
        await expect(closing).resolves.toBeUndefined()
      })
    })

    describe('sending', () => {
      it('a sent message is at WhatsApp, under the id that was chosen', async () => {
        const { instanceId } = await connected()
        const message = textMessage(instanceId, 'Good morning!')
        expect(await send(message)).toEqual({ kind: 'sent', at: expect.stringMatching(/^\d{4}-.*Z$/) })
        const { whatsappId, chat, content } = message
        expect(await delivered(instanceId)).toMatchObject([{ whatsappId, chat, content }])
      })
      it('a message sent again under its id shows once', async () => {
        const { instanceId } = await connected()
        const message = textMessage(instanceId, 'Only once')
        expect((await send(message)).kind).toBe('sent')
        expect((await send(message)).kind).toBe('sent')
        expect(await delivered(instanceId)).toHaveLength(1)
      })
      it('messages sent at once all arrive, each once', async () => {
        const { instanceId } = await connected()
        const messages = Array.from({ length: 50 }, (_, n) => textMessage(instanceId, `Message ${n}`))
        const outcomes = await Promise.all(messages.map(send))
        expect(outcomes.map(({ kind }) => kind)).toEqual(messages.map(() => 'sent'))
        const arrived = (await delivered(instanceId)).map(({ whatsappId }) => whatsappId)
        expect(arrived.toSorted()).toEqual(messages.map(({ whatsappId }) => whatsappId).toSorted())
      })
      it('a reaction goes out with its emoji and target', async () => {
        const { instanceId } = await connected()
        const targetWhatsappId = newId()
        const content = { kind: 'reaction', targetWhatsappId, emoji: '👍' } as const
        const about = {
          ...{ whatsappId: targetWhatsappId, chat: maria, sender: maria, fromMe: false },
          content: { kind: 'text', text: 'Like me' },
        } as const
        expect((await send({ ...textMessage(instanceId, ''), content, about })).kind).toBe('sent')
        expect(await delivered(instanceId)).toMatchObject([{ chat: maria, content }])
      })
      it('without a connection a send ends in retry and nothing arrives', async () => {
        const { instanceId } = await opened()
        expect((await send(textMessage(instanceId, 'Too early'))).kind).toBe('retry')
        expect((await send(textMessage(randomUUID(), 'Nobody'))).kind).toBe('retry')
        const closed = await connected()
        await subject.gateway.close(closed.instanceId, { forget: false })
        expect((await send(textMessage(closed.instanceId, 'Too late'))).kind).toBe('retry')
        await subject.gateway.open(sessionOf(closed.instanceId), closed.listener)
        expect(await delivered(closed.instanceId)).toEqual([])
      })
    })

    describe('receiving', () => {
      const hello: TextFrom = { from: maria, name: 'Maria', text: 'Hello!', whatsappId: '3A00000000000001' }

      it('a message that comes in is told in our own words', async () => {
        const { instanceId, messages } = await connected()
        await subject.whatsapp.write(instanceId, hello)
        await eventually(() =>
          expect(messages).toEqual([
            {
              whatsappId: hello.whatsappId,
              chat: maria,
              sender: maria,
              senderName: 'Maria',
              fromMe: false,
              content: { kind: 'text', text: 'Hello!' },
              at: expect.stringMatching(/^\d{4}-.*Z$/),
            },
          ]),
        )
      })
      it('a message that could not be stored comes again', async () => {
        const { instanceId, messages, refuse } = await connected()
        refuse(1)
        await subject.whatsapp.write(instanceId, hello)
        await eventually(() =>
          expect(messages.map(({ whatsappId }) => whatsappId)).toEqual([hello.whatsappId]),
        )
      })
      it('a receipt of a sent message is told', async () => {
        const { instanceId, receipts } = await connected()
        const message = textMessage(instanceId, 'Read me')
        await send(message)
        const { whatsappId } = message
        for (const status of ['delivered', 'read'] as const) {
          await subject.whatsapp.receipt(instanceId, { whatsappId, status })
          await eventually(() => expect(receipts.at(-1)).toMatchObject({ whatsappId, status }))
        }
        expect(receipts).toHaveLength(2)
      })
      it('a reaction of the other side is told, and that it is taken back', async () => {
        const { instanceId, reactions } = await connected()
        const targetWhatsappId = newId()
        for (const emoji of ['❤️', ''])
          await subject.whatsapp.react(instanceId, { from: maria, targetWhatsappId, emoji })
        const told = { targetWhatsappId, chat: maria, sender: maria, fromMe: false }
        await eventually(() =>
          expect(reactions).toMatchObject([
            { ...told, emoji: '❤️' },
            { ...told, emoji: '' },
          ]),
        )
      })
      it('what comes to one instance is told to that one only', async () => {
        const [one, other] = [await connected(), await connected()]
        await subject.whatsapp.write(one.instanceId, hello)
        await eventually(() => expect(one.messages).toHaveLength(1))
        expect(other.messages).toEqual([])
      })
    })

    describe('groups', () =>
      groupsContract(() => ({
        gateway: subject.gateway,
        side: subject.whatsapp.groups,
        connected: async () => {
          const { instanceId, phoneNumber } = await connected()
          return { instanceId, own: `${phoneNumber}@s.whatsapp.net` }
        },
      })))
  })
