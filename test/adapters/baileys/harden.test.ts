import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { Curve, generateSignalPubKey } from '@whiskeysockets/baileys'
import { expect, test } from 'vitest'
import { harden } from '../../../src/adapters/baileys/harden.ts'
import { padded, signalDevice } from '../../support/signal.ts'

test('a signature counts only if it is of this key and this message', () => {
  const [signer, other] = [Curve.generateKeyPair(), Curve.generateKeyPair()]
  const message = Buffer.from('message')
  const signature = Curve.sign(signer.private, message)
  const forged = Buffer.alloc(64, 1)
  // Once this fails, the library looks at the answer itself.
  expect(Curve.verify(signer.public, message, forged)).toBe(true)
  harden()
  harden()
  expect(Curve.verify(signer.public, message, forged)).toBe(false)
  expect(Curve.verify(signer.public, message, signature)).toBe(true)
  expect(Curve.verify(generateSignalPubKey(signer.public), message, signature)).toBe(true)
  expect(Curve.verify(other.public, message, signature)).toBe(false)
  expect(Curve.verify(signer.public, Buffer.from('another'), signature)).toBe(false)
  expect(Curve.verify(signer.public, message, Buffer.alloc(3))).toBe(false)
})

test('two who wrote to each other at the same moment, over a session each, go on to read each other', async () => {
  harden()
  const [alice, bob] = [signalDevice('111@lid'), signalDevice('222@lid')]
  const write = (from: typeof alice, to: typeof alice, text: string) =>
    from.repository.encryptMessage({ jid: to.jid, data: padded(text) })
  await alice.repository.injectE2ESession({ jid: bob.jid, session: bob.bundle() })
  await bob.repository.injectE2ESession({ jid: alice.jid, session: alice.bundle() })
  const crossing = [await write(alice, bob, 'from Alice'), await write(bob, alice, 'from Bob')] as const
  expect(await bob.read(alice.jid, crossing[0])).toBe('from Alice')
  expect(await alice.read(bob.jid, crossing[1])).toBe('from Bob')
  for (const n of [1, 2, 3]) {
    expect(await bob.read(alice.jid, await write(alice, bob, `to Bob ${n}`))).toBe(`to Bob ${n}`)
    expect(await alice.read(bob.jid, await write(bob, alice, `to Alice ${n}`))).toBe(`to Alice ${n}`)
  }
})

/** Sessions begin and end between two devices, and a message cannot be read; in a process of its own. */
const talk = `
  const { harden } = await import('./src/adapters/baileys/harden.ts')
  const { padded, signalDevice } = await import('./test/support/signal.ts')
  if (process.argv.includes('hardened')) harden()
  const [alice, bob] = [signalDevice('111@lid'), signalDevice('222@lid')]
  await alice.repository.injectE2ESession({ jid: bob.jid, session: bob.bundle() })
  const first = await alice.repository.encryptMessage({ jid: bob.jid, data: padded('first') })
  await bob.read(alice.jid, first)
  await bob.repository.injectE2ESession({ jid: alice.jid, session: alice.bundle() })
  const second = await bob.repository.encryptMessage({ jid: alice.jid, data: padded('second') })
  await alice.read(bob.jid, second)
  await alice.read(bob.jid, second).catch(() => console.info('ours', 'is printed'))`

const outputOf = async (...args: string[]) => {
  const node = ['--import', 'tsx', '--input-type=module', '-e', talk, '--', ...args]
  const { stdout, stderr } = await promisify(execFile)(process.execPath, node, { timeout: 50_000 })
  return `${stdout}${stderr}`
}

test('libsignal prints private keys, and once it is hardened nothing at all; others still print', async () => {
  expect(await outputOf()).toContain('privKey')
  expect(await outputOf('hardened')).toBe('ours is printed\n')
})
