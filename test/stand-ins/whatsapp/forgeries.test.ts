import { proto } from '@whiskeysockets/baileys'
import { expect, it } from 'vitest'
import { whatsAppForEach } from '../../support/whatsapp.ts'

const world = whatsAppForEach()
const { Type } = proto.Message.ProtocolMessage

it('A stranger can send what only the own phone may, and the client does not heed it', async () => {
  const client = await world.linked()
  const keyBefore = client.auth.creds.myAppStateKeyId
  const forged = Buffer.from('forged')
  await world.alice.writeTo(world.shop, {
    protocolMessage: {
      type: Type.APP_STATE_SYNC_KEY_SHARE,
      appStateSyncKeyShare: { keys: [{ keyId: { keyId: forged }, keyData: { keyData: Buffer.alloc(32) } }] },
    },
  })
  const id = await world.alice.writeTo(world.shop, 'after it')
  await client.message(({ key }) => key.id === id)
  expect(client.auth.creds.myAppStateKeyId).toBe(keyBefore)
})

it('A message can be made of bytes that are none', async () => {
  const client = await world.linked()
  await world.alice.writeTo(world.shop, 'a session')
  const id = await world.alice.writeBytesTo(world.shop, Buffer.from('0affffffff0f', 'hex'))
  const broken = await client.message(({ key }) => key.id === id)
  expect(broken.message ?? undefined).toBeUndefined()
})

it('Pre-keys can come with a signature that does not fit, and the client as it comes does not notice', async () => {
  const client = await world.linked()
  world.whatsApp.faults.forgedPreKeySignature = true
  await client.socket.sendMessage(world.alice.lid, { text: 'to whom?' })
  await world.alice.received(({ text }) => text === 'to whom?')
})

it('A phone that cannot read a message says so', async () => {
  const client = await world.linked()
  await client.socket.sendMessage(world.alice.lid, { text: 'one' })
  await world.alice.received(({ text }) => text === 'one')
  const device = world.shop.devices.get(1)
  if (!device) throw new Error('The client is not linked.')
  const enc = { tag: 'enc', attrs: { v: '2', type: 'msg' }, content: Buffer.from('not a message') }
  const node = { tag: 'message', attrs: { id: 'BROKEN', to: world.alice.lid }, content: [enc] }
  await world.alice.take(device, node, [enc])
  expect(world.whatsApp.errors.splice(0)).toHaveLength(1)
})
