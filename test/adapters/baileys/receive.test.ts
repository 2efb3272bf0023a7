import { randomUUID } from 'node:crypto'
import { proto } from '@whiskeysockets/baileys'
import { describe, expect, it, vi } from 'vitest'
import type { GatewayListener } from '../../../src/ports/gateway.ts'
import { recordingListener, sessionOf } from '../../contracts/gateway.ts'
import { range } from '../../support/range.ts'
import { gate } from '../../support/subscriber.ts'
import { PATIENCE, startGateway } from './whatsapp.ts'

describe('what comes in', () => {
  it('is told in our own words, by the number of who wrote', async () => {
    const { whatsApp, paired } = await startGateway()
    const shop = await paired()
    const maria = whatsApp.person('Maria')
    const whatsappId = await maria.writeTo(shop.owner, 'Hello!')
    await vi.waitFor(
      () =>
        expect(shop.messages).toEqual([
          {
            whatsappId,
            chat: maria.jid,
            sender: maria.jid,
            senderName: 'Maria',
            fromMe: false,
            content: { kind: 'text', text: 'Hello!' },
            at: expect.stringMatching(/Z$/),
          },
        ]),
      PATIENCE,
    )
  })

  it('is told in the order in which it was said, also what comes while a backlog is worked through', async () => {
    const { gateway, whatsApp, paired, isConnected } = await startGateway()
    const shop = await paired()
    const people = range(6).map((n) => whatsApp.person(`Customer ${n}`))
    const said = new Map<string, string[]>(people.map(({ jid }) => [jid, []]))
    const write = async (count: number) => {
      for (const _ of range(count))
        for (const person of people) {
          const ids = said.get(person.jid) ?? []
          ids.push(await person.writeTo(shop.owner, 'Hello!'))
        }
    }
    await write(5)
    await gateway.close(shop.instanceId, { forget: false })
    await write(15)
    await gateway.open(sessionOf(shop.instanceId), shop.listener)
    await isConnected(shop)
    await write(5)
    await vi.waitFor(() => expect(shop.messages).toHaveLength(150), PATIENCE)
    const told = people.map(({ jid }) => [
      jid,
      shop.messages.filter(({ chat }) => chat === jid).map(({ whatsappId }) => whatsappId),
    ])
    expect(told).toEqual([...said])
  })

  it('is told before its receipts, also where both were said while nobody listened', async () => {
    const { gateway, whatsApp, paired, isConnected } = await startGateway()
    const shop = await paired()
    const maria = whatsApp.person('Maria')
    await gateway.close(shop.instanceId, { forget: false })
    const typed: string[] = []
    for (const n of range(20)) {
      typed.push(await shop.owner.writeTo(maria, `Hello ${n}`))
      maria.receipt(shop.owner, typed.at(-1) ?? '', 'read')
    }
    await gateway.open(sessionOf(shop.instanceId), shop.listener)
    await isConnected(shop)
    await vi.waitFor(() => expect(shop.receipts).toHaveLength(typed.length), PATIENCE)
    expect(shop.messages.map(({ whatsappId }) => whatsappId)).toEqual(typed)
    for (const id of typed) {
      const told = shop.all.filter((one) => 'whatsappId' in one && one.whatsappId === id)
      expect(told.map((one) => ('status' in one ? one.status : 'message'))).toEqual(['message', 'read'])
    }
  })

  it('is told in the chat of its author if it was sent to a list of people', async () => {
    const { whatsApp, paired } = await startGateway()
    const shop = await paired()
    const maria = whatsApp.person('Maria')
    const message = proto.Message.encode({ conversation: 'To all of you' }).finish()
    for (const device of shop.owner.devices.values())
      whatsApp.deliver(shop.owner, device.id, {
        tag: 'message',
        attrs: {
          ...{ id: 'LIST1', from: '1700000000@broadcast', participant: maria.lid, participant_pn: maria.jid },
          ...{ t: '1767225600', type: 'text', notify: maria.name },
        },
        content: [await maria.phone.encrypt(device, message)],
      })
    await vi.waitFor(
      () =>
        expect(shop.messages).toMatchObject([
          { whatsappId: 'LIST1', chat: maria.jid, sender: maria.jid, senderName: 'Maria' },
        ]),
      PATIENCE,
    )
  })

  it('waits in the journal while nothing can be stored, and is told once it can', async () => {
    const { whatsApp, paired } = await startGateway()
    const shop = await paired()
    shop.refuse(2)
    const id = await whatsApp.person('Maria').writeTo(shop.owner, 'Hello!')
    await vi.waitFor(() => expect(shop.messages.map(({ whatsappId }) => whatsappId)).toEqual([id]), PATIENCE)
  })

  it('is told by the next session if the last one was closed before it could be stored', async () => {
    const { gateway, whatsApp, paired, opened, isConnected } = await startGateway({
      timing: { settleMs: 100 },
    })
    const shop = await paired()
    shop.refuse(1000)
    const id = await whatsApp.person('Maria').writeTo(shop.owner, 'Hello!')
    const maria = whatsApp.people.at(-1)
    // WhatsApp has its receipt: it will not give it again.
    await maria?.receiptSeen(({ ids }) => ids.includes(id))
    await gateway.close(shop.instanceId, { forget: false })
    expect(shop.messages).toEqual([])
    const again = await opened(shop.instanceId)
    await isConnected(again)
    await vi.waitFor(() => expect(again.messages.map(({ whatsappId }) => whatsappId)).toEqual([id]), PATIENCE)
  })

  it('that was acknowledged is told also if the connection goes before the backlog was complete', async () => {
    const { gateway, whatsApp, paired, isConnected } = await startGateway()
    const shop = await paired()
    const maria = whatsApp.person('Maria')
    await gateway.close(shop.instanceId, { forget: false })
    const ids = [await maria.writeTo(shop.owner, 'One'), await maria.writeTo(shop.owner, 'Two')]
    whatsApp.faults.backlogMarkerWithheld = true
    await gateway.open(sessionOf(shop.instanceId), shop.listener)
    for (const id of ids) await maria.receiptSeen((receipt) => receipt.ids.includes(id))
    shop.owner.drop()
    await vi.waitFor(() => expect(shop.messages.map(({ whatsappId }) => whatsappId)).toEqual(ids), PATIENCE)
    await isConnected(shop)
  })

  it('of the past is told if it is wanted, marked as such, and is not lost with the connection', async () => {
    const { gateway, whatsApp, world, qrOf, isConnected } = await startGateway({ timing: { settleMs: 100 } })
    const [owner, maria] = [whatsApp.person('Shop'), whatsApp.person('Maria')]
    const ids = range(300).map((n) => `PAST${n}`)
    const messages = ids.map((id, n) => ({ id, from: maria, content: `Hello ${n}`, at: 1_700_000_000 + n }))
    world.history.keep(owner, [{ with: maria, messages }], ids.length)
    const { opened: stored, open: store } = gate()
    const { opened: begun, open: begin } = gate()
    const instance = { instanceId: randomUUID(), ...recordingListener() }
    const message: GatewayListener['message'] = async (incoming) => {
      begin()
      await stored
      await instance.listener.message(incoming)
    }
    const { instanceId } = instance
    await gateway.open({ ...sessionOf(instanceId), importsPast: true }, { ...instance.listener, message })
    await owner.scan(await qrOf(instance))
    await isConnected(instance)
    await begun
    owner.drop()
    await vi.waitFor(() => expect(gateway.connected(instanceId)).toBe(false), PATIENCE)
    store()
    await isConnected(instance)
    expect(instance.messages.map(({ whatsappId, past }) => [whatsappId, past])).toEqual(
      ids.map((id) => [id, true]),
    )
  })

  it('is told although WhatsApp never says that the backlog is complete', async () => {
    const { gateway, whatsApp, paired } = await startGateway()
    const shop = await paired()
    await gateway.close(shop.instanceId, { forget: false })
    const id = await whatsApp.person('Maria').writeTo(shop.owner, 'Hello')
    whatsApp.faults.backlogMarkerWithheld = true
    await gateway.open(sessionOf(shop.instanceId), shop.listener)
    await vi.waitFor(() => expect(shop.messages.map(({ whatsappId }) => whatsappId)).toEqual([id]), PATIENCE)
  })
})

describe('the log of the program', () => {
  it('has no key, no QR code, no pairing code and no word of what people say', async () => {
    const printed: string[] = []
    for (const name of ['log', 'info', 'warn', 'error', 'debug'] as const)
      vi.spyOn(console, name).mockImplementation(
        (...said: unknown[]) => void printed.push(said.map(String).join(' ')),
      )
    const { gateway, whatsApp, logs, paired, opened, qrOf, isConnected, status } = await startGateway()
    const shop = await paired()
    const maria = whatsApp.person('Maria')
    const coded = await opened()
    const qr = await qrOf(coded)
    const owner = whatsApp.person('Coded')
    const code = await gateway.pairingCode(coded.instanceId, owner.phoneNumber)
    await maria.writeTo(shop.owner, 'a secret of hers')
    await maria.writeTo(shop.owner, 'another secret', { fault: 'corrupt' })
    await vi.waitFor(() => expect(shop.messages.length).toBeGreaterThan(0), PATIENCE)
    await gateway.send({
      instanceId: shop.instanceId,
      whatsappId: '3EB0AAAAAAAAAAAAAAAAAA',
      chat: maria.jid,
      content: { kind: 'text', text: 'a secret of ours' },
    })
    shop.owner.streamError(503)
    await isConnected(shop)
    shop.owner.unlink()
    await status(shop, { status: 'disconnected' })
    const all = [...printed, ...logs.map((line) => JSON.stringify(line, errors))].join('\n')
    expect(logs.length).toBeGreaterThan(0)
    for (const secret of [
      'secret',
      code,
      qr.split(',')[2] ?? '',
      maria.phoneNumber,
      'privKey',
      'noiseKey',
      'advSecret',
    ])
      expect(all).not.toContain(secret)
  })
})

const errors = (_name: string, value: unknown) =>
  value instanceof Error ? `${value.message} ${value.stack}` : value
