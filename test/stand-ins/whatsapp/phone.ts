import {
  addTransactionCapability,
  Curve,
  DEFAULT_CONNECTION_CONFIG,
  generateSignalPubKey,
  initAuthCreds,
  proto,
  unpadRandomMax16,
  writeRandomPadMax16,
} from '@whiskeysockets/baileys'
import { pino } from 'pino'
import { keysInMemory } from './keys-in-memory.ts'
import { bytesOf, stanza } from './stanza.ts'
import type { Device, KeyBundle, Phone } from './types.ts'

const silent = pino({ level: 'silent' })

/** The phone of somebody: device 0, which encrypts to linked devices and decrypts from them. */
export const createPhone = (jid: string, bundleOf: (device: Device) => KeyBundle): Phone => {
  const creds = initAuthCreds()
  const keys = addTransactionCapability(keysInMemory(), silent, {
    maxCommitRetries: 1,
    delayBetweenTriesMs: 1,
  })
  const signal = DEFAULT_CONNECTION_CONFIG.makeSignalRepository({ creds, keys }, silent, async () => [])
  let lastPreKey = 0
  let turn: Promise<unknown> = Promise.resolve()
  /** A ratchet takes one step at a time. */
  const inTurn = <T>(step: () => Promise<T>): Promise<T> => {
    const result = turn.then(step)
    turn = result.catch(() => {})
    return result
  }

  const begin = async (device: Device, keys = bundleOf(device)) => {
    const { registrationId, identityKey, signedPreKey, preKey } = keys
    await signal.injectE2ESession({
      jid: nameOf(device),
      session: {
        registrationId,
        identityKey: generateSignalPubKey(identityKey),
        signedPreKey: {
          keyId: signedPreKey.keyId,
          publicKey: generateSignalPubKey(signedPreKey.public),
          signature: signedPreKey.signature,
        },
        ...(preKey && { preKey: { keyId: preKey.keyId, publicKey: generateSignalPubKey(preKey.public) } }),
      },
    })
  }

  return {
    identity: creds.signedIdentityKey,
    bundle: async () => {
      const pair = Curve.generateKeyPair()
      const keyId = ++lastPreKey
      await keys.set({ 'pre-key': { [keyId]: pair } })
      const { keyId: signedId, keyPair, signature } = creds.signedPreKey
      return {
        registrationId: creds.registrationId,
        identityKey: creds.signedIdentityKey.public,
        signedPreKey: { keyId: signedId, public: keyPair.public, signature },
        preKey: { keyId, public: pair.public },
      }
    },
    encrypt: (device, bytes, keys) =>
      inTurn(async () => {
        const session = await signal.validateSession(nameOf(device))
        if (!session.exists) await begin(device, keys)
        const data = Buffer.from(writeRandomPadMax16(bytes))
        const { type, ciphertext } = await signal.encryptMessage({ jid: nameOf(device), data })
        return stanza('enc', { v: '2', type }, ciphertext)
      }),
    decrypt: (device, group, enc) =>
      inTurn(async () => {
        const authorJid = nameOf(device)
        const { type } = enc.attrs
        if (type !== 'msg' && type !== 'pkmsg' && type !== 'skmsg')
          throw new Error(`Unknown <enc> of type ${type}.`)
        const padded =
          type === 'skmsg'
            ? await signal.decryptGroupMessage({ group: group ?? '', authorJid, msg: bytesOf(enc) })
            : await signal.decryptMessage({ jid: authorJid, type, ciphertext: bytesOf(enc) })
        const message = proto.Message.decode(unpadRandomMax16(padded))
        const senderKey = message.senderKeyDistributionMessage
        if (senderKey) await signal.processSenderKeyDistributionMessage({ authorJid, item: senderKey })
        return message
      }),
    encryptForGroup: (group, bytes) =>
      inTurn(async () => {
        const data = Buffer.from(writeRandomPadMax16(bytes))
        const sealed = await signal.encryptGroupMessage({ group, meId: jid, data })
        return {
          enc: stanza('enc', { v: '2', type: 'skmsg' }, sealed.ciphertext),
          key: sealed.senderKeyDistributionMessage,
        }
      }),
    forgetSession: (device) => inTurn(() => signal.deleteSession([nameOf(device)])),
  }
}

/** How a phone files the session with a device, whatever the addressing of the stanza. */
const nameOf = (device: Device): string => device.person.address('pn', device.id)
