import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sandboxGateway } from '../../src/adapters/sandbox/gateway.ts'
import type { ConnectionReport } from '../../src/domain/instance.ts'
import type { Outgoing } from '../../src/ports/gateway.ts'
import { gatewayContract, recordingListener, sessionOf, textMessage } from '../contracts/gateway.ts'
import { startSandboxDatabase } from '../support/sandbox.ts'
import { eventually } from '../support/eventually.ts'

const quiet = () => undefined
const page = { limit: 1000 }

/** WhatsApp delivers again until it is acknowledged; in the sandbox whoever drives the phone does. */
const untilTaken = async <T>(call: () => Promise<T>): Promise<T> => eventually(call)

gatewayContract('sandbox', async () => {
  const database = await startSandboxDatabase()
  const sandbox = sandboxGateway(database.pool, quiet)
  return {
    gateway: sandbox,
    whatsapp: {
      pair: (instanceId, _qr, phoneNumber) => sandbox.scan(instanceId, { phoneNumber }),
      delivered: (instanceId) => sandbox.outbox(instanceId, page),
      write: (instanceId, { text, ...written }) =>
        untilTaken(() => sandbox.incoming(instanceId, { ...written, content: { kind: 'text', text } })),
      receipt: sandbox.receipt,
      react: sandbox.reaction,
      groups: {
        unwilling: '5511900000000@s.whatsapp.net',
        addedTo: async (instanceId, { subject, by }) => {
          const content = { kind: 'text', text: 'Welcome' } as const
          await sandbox.incoming(instanceId, { from: by, group: subject, content })
          const groups = await sandbox.groups.list(instanceId)
          return groups.find((group) => group.subject === subject)?.jid ?? ''
        },
      },
    },
    stop: database.stop,
  }
})

let database: Awaited<ReturnType<typeof startSandboxDatabase>>
let sandbox: ReturnType<typeof sandboxGateway>
beforeAll(async () => {
  database = await startSandboxDatabase()
  sandbox = sandboxGateway(database.pool, quiet)
}, 60_000)
afterAll(() => database.stop())

const opened = async (gateway = sandbox, instanceId: string = randomUUID()) => {
  const told = recordingListener()
  await gateway.open(sessionOf(instanceId), told.listener)
  return { instanceId, ...told }
}
const connected = async (gateway = sandbox) => {
  const instance = await opened(gateway)
  await gateway.scan(instance.instanceId, { phoneNumber: '+55 11 91234-5678', name: 'Support' })
  return instance
}
const qrOf = ({ connections }: { connections: readonly ConnectionReport[] }) => {
  const report = connections.at(-1)
  return report?.status === 'qr_ready' ? report.qr : undefined
}
const outboxTexts = async (instanceId: string, gateway = sandbox) =>
  (await gateway.outbox(instanceId, page)).map(({ content }) =>
    content.kind === 'text' ? content.text : content.kind,
  )
const hello = { from: '5511988887777', name: 'Maria', content: { kind: 'text', text: 'Hello!' } } as const

describe('the simulated phone', () => {
  it('without a number it gets one that is always the same, and pairing survives a restart', async () => {
    const { instanceId } = await opened()
    const profile = await sandbox.scan(instanceId, {})
    expect(profile.phoneNumber).toMatch(/^55119\d{8}$/)
    const { connections } = await opened(sandboxGateway(database.pool, quiet), instanceId)
    expect(connections).toMatchObject([{ status: 'connected', phoneNumber: profile.phoneNumber }])
    await sandbox.close(instanceId, { forget: true })
    await opened(sandbox, instanceId)
    expect(await sandbox.scan(instanceId, {})).toEqual(profile)
  })
  it('keeps its QR code over a restart until it is forgotten', async () => {
    const { instanceId, connections } = await opened()
    const restarted = sandboxGateway(database.pool, quiet)
    const again = await opened(restarted, instanceId)
    expect(qrOf(again)).toBe(qrOf({ connections }))
    await restarted.close(instanceId, { forget: true })
    const forgotten = await opened(restarted, instanceId)
    expect(qrOf(forgotten)).toMatch(/^2@/)
    expect(qrOf(forgotten)).not.toBe(qrOf(again))
  })
  it('reports number and profile name', async () => {
    const { connections } = await connected()
    expect(connections.at(-1)).toMatchObject({
      status: 'connected',
      phoneNumber: '5511912345678',
      profileName: 'Support',
    })
  })
  it('is scanned once: of two scans at the same time one is refused', async () => {
    const { instanceId, connections } = await opened()
    const outcomes = await Promise.allSettled([sandbox.scan(instanceId, {}), sandbox.scan(instanceId, {})])
    expect(outcomes).toMatchObject([
      { status: 'fulfilled' },
      { status: 'rejected', reason: { code: 'CONFLICT' } },
    ])
    expect(connections.map(({ status }) => status)).toEqual(['qr_ready', 'connected'])
  })
  it('can be scanned again if the connection could not be stored', async () => {
    const { instanceId, refuse } = await opened()
    refuse(1)
    await expect(sandbox.scan(instanceId, {})).rejects.toThrow('Nothing can be stored')
    expect(sandbox.connected(instanceId)).toBe(false)
    await sandbox.scan(instanceId, {})
    expect(sandbox.connected(instanceId)).toBe(true)
  })
  it('a session that could not report is not open, and can be opened again', async () => {
    const { listener, refuse, connections } = recordingListener()
    const instanceId = randomUUID()
    refuse(1)
    await expect(sandbox.open(sessionOf(instanceId), listener)).rejects.toThrow('Nothing can be stored')
    await sandbox.open(sessionOf(instanceId), listener)
    expect(connections).toMatchObject([{ status: 'qr_ready' }])
  })
  it('waits for a session that is about to open, and refuses where none opens', async () => {
    const instanceId = randomUUID()
    const scanning = sandbox.scan(instanceId, {})
    await opened(sandbox, instanceId)
    expect((await scanning).phoneNumber).toMatch(/^55/)
    const stranger = randomUUID()
    const refusal = {
      code: 'NOT_FOUND',
      message: 'This instance is not an open sandbox instance.',
    }
    await Promise.all(
      [
        sandbox.scan(stranger, {}),
        sandbox.incoming(stranger, hello),
        sandbox.outbox(stranger, page),
        sandbox.fail(stranger, { on: 'send', outcome: 'refuse', times: 1 }),
        sandbox.connect(stranger),
      ].map((call) => expect(call).rejects.toMatchObject(refusal)),
    )
  })
  it('offline without its network, also when opened again, until it has it back', async () => {
    const { instanceId, listener, connections } = await connected()
    await sandbox.disconnect(instanceId, 'airplane mode')
    expect(sandbox.connected(instanceId)).toBe(false)
    expect(connections.at(-1)).toMatchObject({ status: 'offline', reason: 'airplane mode' })
    await sandbox.open(sessionOf(instanceId), listener)
    expect(connections.at(-1)).toMatchObject({ status: 'offline' })
    await expect(sandbox.incoming(instanceId, hello)).rejects.toMatchObject({
      code: 'INSTANCE_NOT_CONNECTED',
    })
    await sandbox.connect(instanceId)
    expect(sandbox.connected(instanceId)).toBe(true)
    expect(connections.at(-1)).toMatchObject({ status: 'connected', phoneNumber: '5511912345678' })
  })
})

describe('what comes in', () => {
  it('needs a paired phone', async () => {
    const { instanceId } = await opened()
    await expect(sandbox.incoming(instanceId, hello)).rejects.toMatchObject({
      code: 'INSTANCE_NOT_CONNECTED',
    })
    await expect(sandbox.disconnect(instanceId)).rejects.toMatchObject({ code: 'INSTANCE_NOT_CONNECTED' })
  })
  it('has a new id and the time of now unless they are given', async () => {
    const { instanceId, messages } = await connected()
    const { whatsappId } = await sandbox.incoming(instanceId, hello)
    expect(whatsappId).toMatch(/^3A[0-9A-F]{18}$/)
    await sandbox.incoming(instanceId, { ...hello, whatsappId: 'MINE', at: '2025-01-15T10:30:00.000Z' })
    expect(messages).toMatchObject([{ whatsappId }, { whatsappId: 'MINE', at: '2025-01-15T10:30:00.000Z' }])
  })
  it('in a group the chat is the group and the sender the person', async () => {
    const { instanceId, messages } = await connected()
    const jid = '120363041234567890@g.us'
    for (const group of [
      '120363041234567890',
      jid,
      { id: jid, name: 'Family' },
      'Friends',
      { name: 'Friends' },
    ])
      await sandbox.incoming(instanceId, { ...hello, group })
    const sender = '5511988887777@s.whatsapp.net'
    const friends = messages.at(-1)?.chat
    expect(friends).toMatch(/^\d{18}@g\.us$/)
    expect(messages).toMatchObject([
      { chat: jid, sender, senderName: 'Maria' },
      { chat: jid, sender },
      { chat: jid, chatName: 'Family', sender },
      { chat: friends, chatName: 'Friends', sender },
      { chat: friends, chatName: 'Friends', sender },
    ])
  })
  it('typed on the phone itself it is from its owner, in the chat of the other', async () => {
    const { instanceId, messages } = await connected()
    await sandbox.incoming(instanceId, { ...hello, fromMe: true })
    expect(messages).toMatchObject([
      {
        fromMe: true,
        chat: '5511988887777@s.whatsapp.net',
        chatName: 'Maria',
        sender: '5511912345678@s.whatsapp.net',
        senderName: 'Support',
      },
    ])
  })
  it('an address that is none is refused by the name of its field', async () => {
    const { instanceId } = await connected()
    const refused = (message: object, field: string) =>
      expect(sandbox.incoming(instanceId, { ...hello, ...message })).rejects.toMatchObject({
        code: 'VALIDATION_FAILED',
        details: { [field]: [expect.any(String)] },
      })
    await refused({ from: 'Maria' }, 'from')
    await refused({ from: '120363041234567890@g.us' }, 'from')
    await refused({ group: '5511988887777@s.whatsapp.net' }, 'group')
    await refused({ group: {} }, 'group')
  })
  it('a receipt for what is not in the outbox is refused', async () => {
    const { instanceId, receipts } = await connected()
    const receipt = { whatsappId: '3EB0UNKNOWN', status: 'read' } as const
    await expect(sandbox.receipt(instanceId, receipt)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(receipts).toEqual([])
  })
})

describe('the outbox', () => {
  it('keeps the order of arrival, is read page by page, and survives a restart', async () => {
    const { instanceId } = await connected()
    const messages = Array.from({ length: 30 }, (_, n) => textMessage(instanceId, `Message ${n}`))
    await Promise.all(messages.map((message) => sandbox.send(message)))
    const restarted = sandboxGateway(database.pool, quiet)
    await opened(restarted, instanceId)
    const texts = messages.map((_, n) => `Message ${n}`)
    expect(await outboxTexts(instanceId, restarted)).toEqual(texts)
    const first = await restarted.outbox(instanceId, { limit: 10 })
    const after = first.at(-1)?.whatsappId ?? ''
    const second = await restarted.outbox(instanceId, { limit: 10, after })
    expect([...first, ...second].map(({ whatsappId }) => whatsappId)).toEqual(
      messages.slice(0, 20).map(({ whatsappId }) => whatsappId),
    )
    await expect(restarted.outbox(instanceId, { limit: 1, after: 'nothing' })).rejects.toMatchObject({
      code: 'VALIDATION_FAILED',
    })
  })
  it('one id many times at once shows once, beside its neighbours, and is counted', async () => {
    const { instanceId } = await connected()
    const repeated = textMessage(instanceId, 'Repeated')
    const sends = Array.from({ length: 20 }, (_, n) => [
      repeated,
      textMessage(instanceId, `Other ${n}`),
    ]).flat()
    const outcomes = await Promise.all(sends.map((message) => sandbox.send(message)))
    expect(new Set(outcomes.map(({ kind }) => kind))).toEqual(new Set(['sent']))
    const outbox = await sandbox.outbox(instanceId, page)
    expect(outbox).toHaveLength(21)
    expect(outbox.find(({ whatsappId }) => whatsappId === repeated.whatsappId)?.timesReceived).toBe(20)
  })
  it('shows a message of any kind as it was sent', async () => {
    const { instanceId } = await connected()
    const content = {
      kind: 'document',
      url: 'https://example.com/offer.pdf',
      filename: 'offer.pdf',
      caption: 'Our "offer" \\ ✓',
      replyTo: '3A01',
    } as const
    await sandbox.send({ ...textMessage(instanceId, ''), chat: 'anything@at.all', content })
    expect(await sandbox.outbox(instanceId, page)).toMatchObject([{ chat: 'anything@at.all', content }])
  })
  it('a message that cannot be stored is refused without harm to those sent with it', async () => {
    const { instanceId } = await connected()
    const broken: Outgoing = { ...textMessage(instanceId, 'Broken'), chat: 'nul\0' }
    const outcomes = await Promise.all(
      [textMessage(instanceId, 'Before'), broken, textMessage(instanceId, 'After')].map(sandbox.send),
    )
    expect(outcomes.map(({ kind }) => kind)).toEqual(['sent', 'refused', 'sent'])
    expect((await outboxTexts(instanceId)).toSorted()).toEqual(['After', 'Before'])
  })
  it('goes with the instance that is forgotten, also what was on its way, and with no other', async () => {
    const [instance, other] = [await connected(), await connected()]
    await sandbox.send(textMessage(other.instanceId, 'Stays'))
    const sends = Array.from({ length: 50 }, (_, n) => sandbox.send(textMessage(instance.instanceId, `${n}`)))
    await sandbox.close(instance.instanceId, { forget: true })
    await Promise.all(sends)
    await opened(sandbox, instance.instanceId)
    expect(await outboxTexts(instance.instanceId)).toEqual([])
    expect(await outboxTexts(other.instanceId)).toEqual(['Stays'])
  })
  it('while the database is away a send ends in retry, and it goes on when it is back', async () => {
    const errors: unknown[] = []
    const wired = sandboxGateway(database.wiredPool, (error) => errors.push(error))
    const { instanceId } = await connected(wired)
    database.wire.cut()
    const message = textMessage(instanceId, 'Patience')
    expect(await wired.send(message)).toEqual({ kind: 'retry', reason: expect.any(String) })
    expect(errors).toHaveLength(1)
    database.wire.mend()
    await eventually(async () => expect((await wired.send(message)).kind).toBe('sent'))
    expect(await outboxTexts(instanceId, wired)).toEqual(['Patience'])
  })
})

describe('scripted failures', () => {
  const scripted = async (script: Omit<Parameters<typeof sandbox.fail>[1], 'on'>) => {
    const instance = await connected()
    await sandbox.fail(instance.instanceId, { on: 'send', ...script })
    return instance
  }
  const sendTexts = async (instanceId: string, ...texts: string[]) => {
    const outcomes = []
    for (const text of texts) outcomes.push(await sandbox.send(textMessage(instanceId, text)))
    return outcomes
  }

  it('refuse: the next sends are refused with the reason, and do not arrive', async () => {
    const { instanceId } = await scripted({ outcome: 'refuse', times: 2, reason: 'Not on WhatsApp' })
    const refused = { kind: 'refused', reason: 'Not on WhatsApp' }
    expect(await sendTexts(instanceId, 'a', 'b', 'c')).toMatchObject([refused, refused, { kind: 'sent' }])
    expect(await outboxTexts(instanceId)).toEqual(['c'])
  })
  it('lost_ack: the message arrives but the outcome is retry; sent again it shows once', async () => {
    const { instanceId } = await scripted({ outcome: 'lost_ack', times: 1 })
    const message = textMessage(instanceId, 'Ack?')
    expect((await sandbox.send(message)).kind).toBe('retry')
    expect(await outboxTexts(instanceId)).toEqual(['Ack?'])
    expect((await sandbox.send(message)).kind).toBe('sent')
    expect(await sandbox.outbox(instanceId, page)).toMatchObject([{ timesReceived: 2 }])
  })
  it('unavailable: retry, and nothing arrives', async () => {
    const { instanceId } = await scripted({ outcome: 'unavailable', times: 1 })
    expect(await sendTexts(instanceId, 'a', 'b')).toMatchObject([{ kind: 'retry' }, { kind: 'sent' }])
    expect(await outboxTexts(instanceId)).toEqual(['b'])
  })
  it('slow: the answer comes after the delay, not before', async () => {
    const { instanceId } = await scripted({ outcome: 'slow', times: 1, delayMs: 150 })
    const begun = performance.now()
    expect(await sendTexts(instanceId, 'a')).toMatchObject([{ kind: 'sent' }])
    expect(performance.now() - begun).toBeGreaterThanOrEqual(149)
  })
  it('slow: the message is there before the answer, and closing does not wait for it', async () => {
    const { instanceId } = await scripted({ outcome: 'slow', times: 1, delayMs: 60_000 })
    const sending = sandbox.send(textMessage(instanceId, 'a'))
    await eventually(async () => expect(await outboxTexts(instanceId)).toEqual(['a']))
    await sandbox.close(instanceId, { forget: false })
    expect((await sending).kind).toBe('retry')
  })
  it('disconnect: the connection drops and says so until it is heard; opening connects again', async () => {
    const { instanceId, listener, connections, refuse } = await scripted({ outcome: 'disconnect', times: 1 })
    refuse(2)
    expect(await sendTexts(instanceId, 'a', 'b')).toMatchObject([{ kind: 'retry' }, { kind: 'retry' }])
    expect(sandbox.connected(instanceId)).toBe(false)
    await eventually(() => expect(connections.at(-1)?.status).toBe('disconnected'))
    await sandbox.open(sessionOf(instanceId), listener)
    expect(connections.map(({ status }) => status)).toEqual([
      'qr_ready',
      'connected',
      'disconnected',
      'connected',
    ])
    expect(await sendTexts(instanceId, 'c')).toMatchObject([{ kind: 'sent' }])
    expect(await outboxTexts(instanceId)).toEqual(['c'])
  })
  it('are used up in the order given, and forgotten when the session closes', async () => {
    const { instanceId, listener } = await scripted({ outcome: 'refuse', times: 1 })
    await sandbox.fail(instanceId, { on: 'send', outcome: 'unavailable', times: 5 })
    expect(await sendTexts(instanceId, 'a', 'b')).toMatchObject([{ kind: 'refused' }, { kind: 'retry' }])
    await sandbox.close(instanceId, { forget: false })
    await sandbox.open(sessionOf(instanceId), listener)
    expect(await sendTexts(instanceId, 'c')).toMatchObject([{ kind: 'sent' }])
  })
})

describe('the groups of the simulated phone', () => {
  const jid = '120363041234567890@g.us'
  const maria = '5511988887777@s.whatsapp.net'
  const john = '5511999999999@s.whatsapp.net'
  const own = '5511912345678@s.whatsapp.net'
  const write = (instanceId: string, written: object) =>
    sandbox.incoming(instanceId, { ...hello, group: jid, ...written })
  const group = (instanceId: string, of = sandbox) => of.groups.metadata(instanceId, jid)

  it('who writes first in a group has made it, and whoever writes is in it', async () => {
    const { instanceId } = await connected()
    await write(instanceId, {})
    await write(instanceId, { from: john })
    await write(instanceId, { from: john, fromMe: true })
    expect(await group(instanceId)).toEqual({
      jid,
      subject: '120363041234567890',
      owner: maria,
      participants: [
        { jid: maria, admin: 'superadmin' },
        { jid: own, admin: null },
        { jid: john, admin: null },
      ],
    })
  })
  it('a group that the phone itself writes in first is its own', async () => {
    const { instanceId } = await connected()
    await write(instanceId, { fromMe: true })
    expect(await group(instanceId)).toMatchObject({
      owner: own,
      participants: [{ jid: own, admin: 'superadmin' }],
    })
  })
  it('a reaction in a group makes it known as a message does', async () => {
    const { instanceId } = await connected()
    await sandbox.reaction(instanceId, { from: maria, group: jid, targetWhatsappId: '3A01', emoji: '👍' })
    expect(await group(instanceId)).toMatchObject({ owner: maria })
  })
  it('a group has the name it was given last, and tells it with every message', async () => {
    const { instanceId, messages } = await connected()
    for (const name of ['Family', 'Clan']) await write(instanceId, { group: { id: jid, name } })
    await write(instanceId, {})
    expect(messages.map(({ chatName }) => chatName)).toEqual(['Family', 'Clan', 'Clan'])
    expect(await group(instanceId)).toMatchObject({ subject: 'Clan' })
  })
  it('the name that it is called by does not undo another one', async () => {
    const { instanceId, messages } = await connected()
    await write(instanceId, { group: 'Friends', fromMe: true })
    const { chat = '' } = messages[0] ?? {}
    await sandbox.groups.setSubject(instanceId, chat, 'Old friends')
    await write(instanceId, { group: 'Friends' })
    expect(messages[1]).toMatchObject({ chat, chatName: 'Old friends' })
    expect(await sandbox.groups.metadata(instanceId, chat)).toMatchObject({ subject: 'Old friends' })
  })
  it('survive a restart as they are', async () => {
    const { instanceId } = await connected()
    await write(instanceId, { fromMe: true })
    await sandbox.groups.setDescription(instanceId, jid, 'All of us')
    const before = [await group(instanceId), await sandbox.groups.inviteCode(instanceId, jid)]
    const restarted = sandboxGateway(database.pool, quiet)
    await opened(restarted, instanceId)
    expect([await group(instanceId, restarted), await restarted.groups.inviteCode(instanceId, jid)]).toEqual(
      before,
    )
  })
  it('one that was left is there again when somebody writes in it', async () => {
    const { instanceId } = await connected()
    await write(instanceId, {})
    await sandbox.groups.leave(instanceId, jid)
    const message = { ...textMessage(instanceId, 'To the group'), chat: jid }
    expect(await sandbox.send(message)).toEqual({
      kind: 'refused',
      reason: 'The instance is not in this group.',
    })
    await write(instanceId, {})
    expect(await group(instanceId)).toMatchObject({ owner: maria })
    expect((await sandbox.send(message)).kind).toBe('sent')
  })
  it('who made a group can be neither removed nor demoted, and is still superadmin when promoted', async () => {
    const { instanceId } = await connected()
    await write(instanceId, { fromMe: true })
    for (const [action, status] of [
      ['remove', 406],
      ['demote', 406],
      ['promote', 200],
    ] as const)
      expect(await sandbox.groups.changeParticipants(instanceId, jid, action, [own])).toEqual([
        { jid: own, status },
      ])
    expect(await group(instanceId)).toMatchObject({ participants: [{ jid: own, admin: 'superadmin' }] })
  })
  it('go with the phone that is forgotten, and with no other', async () => {
    const [instance, other] = [await connected(), await connected()]
    for (const { instanceId } of [instance, other]) await write(instanceId, {})
    await sandbox.close(instance.instanceId, { forget: true })
    await sandbox.open(sessionOf(instance.instanceId), instance.listener)
    await sandbox.scan(instance.instanceId, {})
    expect(await sandbox.groups.list(instance.instanceId)).toEqual([])
    expect(await sandbox.groups.list(other.instanceId)).toHaveLength(1)
  })
  it('while the database is away a call fails, and nothing of it is done', async () => {
    const wired = sandboxGateway(database.wiredPool, quiet)
    const { instanceId } = await connected(wired)
    await wired.incoming(instanceId, { ...hello, group: jid })
    database.wire.cut()
    await expect(wired.groups.leave(instanceId, jid)).rejects.toThrow()
    database.wire.mend()
    await eventually(async () => expect(await wired.groups.list(instanceId)).toHaveLength(1))
  })
})
