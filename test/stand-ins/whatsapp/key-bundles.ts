import { KEY_BUNDLE_TYPE, type BinaryNode } from '@whiskeysockets/baileys'
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

/** The iqs of `encrypt`: pre-keys of the client itself, and the bundles of others. */
export const preKeyHandler =
  (whatsApp: WhatsApp, stocked: (device: Device) => void): IqHandler =>
  async (iq, { device }) => {
    if (!device) return [errorNode(401, 'not-authorized')]
    const asked = firstChild(iq)
    if (iq.attrs.type === 'set') {
      const rotated = child(child(iq, 'rotate'), 'skey')
      if (rotated) device.signedPreKey = signedPreKeyIn(rotated)
      device.preKeys.push(...children(child(iq, 'list'), 'key').map(preKeyIn))
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

const preKeyIn = (node: BinaryNode): PreKey => ({
  keyId: bytesOf(child(node, 'id')).readUIntBE(0, 3),
  public: bytesOf(child(node, 'value')),
})

const signedPreKeyIn = (node: BinaryNode): SignedPreKey => ({
  ...preKeyIn(node),
  signature: bytesOf(child(node, 'signature')),
})
