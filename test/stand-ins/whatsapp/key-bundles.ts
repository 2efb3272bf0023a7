import { Curve, generateSignalPubKey, KEY_BUNDLE_TYPE, type BinaryNode } from '@whiskeysockets/baileys'
import {
  addressOf,
  bigEndian,
  bytesOf,
  child,
  children,
  errorNode,
  firstChild,
  required,
  stanza,
} from './stanza.ts'
import type { Device, IqHandler, KeyBundle, PreKey, SignedPreKey, WhatsApp } from './types.ts'

/** What the server gives to whoever wants to write to a linked device: each one-time pre-key once. */
export const bundleOf = (device: Device): KeyBundle => ({
  registrationId: device.registrationId,
  identityKey: device.identityKey,
  signedPreKey: device.signedPreKey,
  preKey: device.preKeys.shift(),
})

/** A pre-key that its device signed: phones take no other. */
export const signedBy = (identityKey: Uint8Array, key: SignedPreKey): SignedPreKey => {
  if (!Curve.verify(identityKey, generateSignalPubKey(key.public), key.signature))
    throw new Error('The client signed its pre-key wrongly.')
  return key
}

/** The keys that a client tells of itself; they have to be those of the device that it is. */
export const ownKeysIn = (
  device: Device,
  keys: BinaryNode,
  registration = child(keys, 'registration'),
): KeyBundle => {
  const { identityKey, registrationId } = device
  if (!bytesOf(child(keys, 'identity')).equals(identityKey) || numberIn(registration) !== registrationId)
    throw new Error('The client told the keys of another device.')
  const preKey = child(keys, 'key')
  return {
    registrationId,
    identityKey,
    signedPreKey: signedBy(identityKey, signedPreKeyIn(child(keys, 'skey'))),
    preKey: preKey && preKeyIn(preKey),
  }
}

/** The iqs of `encrypt`: pre-keys of the client itself, and the bundles of others. */
export const preKeyHandler =
  (whatsApp: WhatsApp, stocked: (device: Device) => void): IqHandler =>
  async (iq, { device }) => {
    if (!device) return [errorNode(401, 'not-authorized')]
    const asked = firstChild(iq)
    if (iq.attrs.type === 'set') {
      const rotated = child(child(iq, 'rotate'), 'skey')
      device.signedPreKey = rotated
        ? signedBy(device.identityKey, signedPreKeyIn(rotated))
        : ownKeysIn(device, iq).signedPreKey
      for (const preKey of children(child(iq, 'list'), 'key').map(preKeyIn)) {
        const known = device.preKeys.findIndex(({ keyId }) => keyId === preKey.keyId)
        if (known === -1) device.preKeys.push(preKey)
        else device.preKeys[known] = preKey
      }
      stocked(device)
      return []
    }
    switch (asked?.tag) {
      case 'count':
        return [stanza('count', { value: String(device.preKeys.length) })]
      case 'digest':
        return [stanza('digest')]
      case 'key': {
        const wanted = children(asked, 'user').map((user) => required(user, 'jid'))
        return [stanza('list', {}, await Promise.all(wanted.map((jid) => bundleNode(whatsApp, jid))))]
      }
      default:
        return [errorNode(501, 'feature-not-implemented')]
    }
  }

const bundleNode = async (whatsApp: WhatsApp, jid: string): Promise<BinaryNode> => {
  const person = whatsApp.find(jid)
  const { deviceId } = addressOf(jid)
  const device = person?.devices.get(deviceId)
  const bundle = device ? bundleOf(device) : deviceId === 0 ? await person?.phone.bundle() : undefined
  if (!bundle) return stanza('user', { jid }, [errorNode(404, 'item-not-found')])
  const { registrationId, identityKey } = bundle
  return stanza('user', { jid }, [
    stanza('registration', {}, bigEndian(registrationId, 4)),
    stanza('type', {}, KEY_BUNDLE_TYPE),
    stanza('identity', {}, identityKey),
    ...keyNodes(bundle, whatsApp.faults.forgedPreKeySignature),
  ])
}

/** The pre-keys of a bundle, also as a retry receipt carries them. */
export const keyNodes = ({ signedPreKey, preKey }: KeyBundle, forged = false): BinaryNode[] => [
  stanza('skey', {}, [
    stanza('id', {}, bigEndian(signedPreKey.keyId, 3)),
    stanza('value', {}, signedPreKey.public),
    stanza('signature', {}, forged ? Buffer.alloc(64, 1) : signedPreKey.signature),
  ]),
  ...(preKey
    ? [stanza('key', {}, [stanza('id', {}, bigEndian(preKey.keyId, 3)), stanza('value', {}, preKey.public)])]
    : []),
]

const numberIn = (node: BinaryNode | undefined): number => {
  const bytes = bytesOf(node)
  return bytes.readUIntBE(0, bytes.length)
}

const preKeyIn = (node: BinaryNode | undefined): PreKey => ({
  keyId: numberIn(child(node, 'id')),
  public: bytesOf(child(node, 'value')),
})

const signedPreKeyIn = (node: BinaryNode | undefined): SignedPreKey => ({
  ...preKeyIn(node),
  signature: bytesOf(child(node, 'signature')),
})
