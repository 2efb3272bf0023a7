import { randomBytes, randomUUID } from 'node:crypto'
import { DEFAULT_CONNECTION_CONFIG } from '@whiskeysockets/baileys'
import { expect, test } from 'vitest'
import { createCipher } from '../../../src/adapters/baileys/cipher.ts'
import { openSessionStore } from '../../../src/adapters/baileys/session-store.ts'
import { guardSignal } from '../../../src/adapters/baileys/signal-guard.ts'
import { testPool } from '../../support/database.ts'
import { padded, signalDevice, type Payload } from '../../support/signal.ts'

const ME = '911@lid'
const ALICE = '111@lid'
const stock = DEFAULT_CONNECTION_CONFIG.makeSignalRepository

/** This account, with its keys in PostgreSQL, and a contact. */
const pair = async (make: typeof stock) => {
  const store = await openSessionStore(
    { pool: await testPool(), cipher: createCipher(randomBytes(32)), onError: () => {} },
    { instanceId: randomUUID(), term: 1 },
  )
  return { me: signalDevice(ME, store.auth, make), alice: signalDevice(ALICE) }
}

/** Both write to each other at once. Answers how much of it each could read. */
const talk = async (make: typeof stock, messages: number) => {
  const { me, alice } = await pair(make)
  await alice.repository.injectE2ESession({ jid: ME, session: me.bundle() })
  const write = (text: string): Promise<Payload> =>
    alice.repository.encryptMessage({ jid: ME, data: padded(text) })
  expect(await me.read(ALICE, await write('first'))).toBe('first')

  const readable = { me: 0, alice: 0 }
  const arriving: Promise<unknown>[] = []
  const sending = async () => {
    for (let n = 0; n < messages; n++)
      await me.send(ALICE, `to Alice ${n}`, (payload) => {
        const read = alice.read(ME, payload).then(
          () => readable.alice++,
          () => undefined,
        )
        arriving.push(read)
      })
  }
  const receiving = async () => {
    for (let n = 0; n < messages; n++)
      await me.read(ALICE, await write(`to me ${n}`)).then(
        () => readable.me++,
        () => undefined,
      )
  }
  await Promise.all([sending(), receiving()])
  await Promise.all(arriving)
  return readable
}

test('200 messages each way at once with one contact are all readable; with the library alone they are not', async () => {
  expect(await talk(guardSignal(stock), 200)).toEqual({ me: 200, alice: 200 })
  expect((await talk(stock, 200)).alice).toBeLessThan(200)
})

test('messages to one contact under its number and its hidden id take turns', async () => {
  const { me, alice } = await pair(guardSignal(stock))
  await me.repository.lidMapping.storeLIDPNMappings([{ lid: ALICE, pn: '5511922222222@s.whatsapp.net' }])
  await me.repository.injectE2ESession({ jid: ALICE, session: alice.bundle() })
  const payloads = await Promise.all(
    Array.from({ length: 40 }, (_, n) =>
      me.repository.encryptMessage({
        jid: n % 2 === 0 ? ALICE : '5511922222222@s.whatsapp.net',
        data: padded(String(n)),
      }),
    ),
  )
  const texts = new Set<string>()
  for (const payload of payloads) texts.add(await alice.read(ME, payload))
  expect(texts.size).toBe(40)
})

/** A send that fails once the stanza is out, and another one. Answers what the contact could read. */
const sendTwice = async (make: typeof stock) => {
  const { me, alice } = await pair(make)
  await me.repository.injectE2ESession({ jid: ALICE, session: alice.bundle() })
  const written: Payload[] = []
  const failing = me.send(ALICE, 'one', (payload) => {
    written.push(payload)
    throw new Error('The connection was lost')
  })
  await expect(failing).rejects.toThrow('lost')
  await me.send(ALICE, 'two', (payload) => written.push(payload))
  const texts: string[] = []
  for (const payload of written) texts.push(await alice.read(ME, payload).catch(() => 'unreadable'))
  return texts
}

test('after a send that failed once it was out, the next one is readable; with the library alone it is not', async () => {
  expect(await sendTwice(guardSignal(stock))).toEqual(['one', 'two'])
  expect(await sendTwice(stock)).toEqual(['one', 'unreadable'])
})

test('pre-keys whose signature is not that of the identity begin no session; with the library alone they do', async () => {
  const begins = async (make: typeof stock, forge: boolean, signature: Uint8Array = Buffer.alloc(64, 1)) => {
    const { me, alice } = await pair(make)
    const { signedPreKey, ...bundle } = alice.bundle()
    const session = { ...bundle, signedPreKey: { ...signedPreKey, ...(forge && { signature }) } }
    await me.repository.injectE2ESession({ jid: ALICE, session })
    return (await me.repository.validateSession(ALICE)).exists
  }
  expect(await begins(stock, true)).toBe(true)
  expect(await begins(guardSignal(stock), true)).toBe(false)
  expect(await begins(guardSignal(stock), true, Buffer.alloc(3))).toBe(false)
  expect(await begins(guardSignal(stock), false)).toBe(true)
})
