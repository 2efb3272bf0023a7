import { proto, type AuthenticationCreds } from '@whiskeysockets/baileys'
import { describe, expect, it, vi } from 'vitest'
import { whatsAppForEach } from '../../support/whatsapp.ts'

const world = whatsAppForEach()
const PATIENCE = { timeout: 15_000, interval: 20 }
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

describe('A client is not believed', () => {
  const eventually = async (words: string) => {
    const { errors } = world.whatsApp
    const said = () => errors.map(({ message }) => message)
    await vi.waitFor(() => expect(said()).toContainEqual(expect.stringContaining(words)), PATIENCE)
    errors.length = 0
  }

  it.each([
    [
      'a pre-key that it did not sign',
      ({ signedPreKey }: AuthenticationCreds) => void signedPreKey.signature.fill(1),
      'its pre-key wrongly',
    ],
    ['a QR for another connection', undefined, 'not valid'],
  ])('with %s', async (_, forge, words) => {
    const client = world.client()
    forge?.(client.auth.creds)
    client.open()
    const qr = (await client.qr()).split(',')
    if (!forge) qr[1] = Buffer.alloc(32).toString('base64')
    await expect(world.shop.scan(qr.join(','))).rejects.toThrow(words)
    expect(world.shop.devices.size).toBe(0)
  })

  it('with the keys of another device', async () => {
    const client = world.client()
    client.open()
    await world.shop.scan(await client.qr())
    await client.closed()
    Object.assign(client.auth.creds, { registrationId: 1 })
    client.open()
    await eventually('the keys of another device')
  })

  it('with a message that is not encrypted', async () => {
    const client = await world.linked()
    const content = [{ tag: 'plaintext', attrs: {}, content: Buffer.from('in the clear') }]
    await client.socket.sendNode({ tag: 'message', attrs: { id: 'CLEAR', to: world.alice.lid }, content })
    await eventually('without anything encrypted')
    expect(world.alice.inbox).toEqual([])
  })

  it('with what was sent before under another id', async () => {
    const client = await world.linked()
    await client.socket.sendMessage(world.alice.lid, { text: 'once' })
    await world.alice.received(({ text }) => text === 'once')
    const { node } = await world.whatsApp.stanzas.first(
      ({ direction, node: { tag } }) => direction === 'from-client' && tag === 'message',
    )
    await client.socket.sendNode({ ...node, attrs: { ...node.attrs, id: 'AGAIN' } })
    await eventually('Alice cannot read message AGAIN')
    expect(world.alice.inbox.map(({ text }) => text)).toEqual(['once'])
  })

  it('with the identity of another device before its first message to somebody', async () => {
    const client = await world.linked()
    const { account } = client.auth.creds
    if (!account) throw new Error('The client is not linked.')
    client.auth.creds.account = { ...account, deviceSignature: Buffer.alloc(64, 1) }
    await client.socket.sendMessage(world.alice.lid, { text: 'whose?' })
    await eventually('without the identity of its device')
    expect(world.alice.inbox).toEqual([])
  })
})

it('Who could not read a message twice gives fresh keys, and gets it under these', async () => {
  const client = await world.linked()
  // The pre-keys that the server has of it are good for nothing.
  const ids = Array.from({ length: 2000 }, (_, id) => [String(id), null])
  await client.auth.keys.set({ 'pre-key': Object.fromEntries(ids) })
  const id = await world.alice.writeTo(world.shop, 'at last')
  expect(client.text(await client.message(({ key, message }) => key.id === id && Boolean(message)))).toBe(
    'at last',
  )
  const asked = world.alice.receipts.filter(({ ids, type }) => type === 'retry' && ids.includes(id))
  expect(asked.length).toBe(2)
})
