import { createHmac, randomBytes } from 'node:crypto'
import { Curve, proto, WA_ADV_ACCOUNT_SIG_PREFIX, WA_ADV_DEVICE_SIG_PREFIX } from '@whiskeysockets/baileys'
import { signedBy } from './key-bundles.ts'
import { bytesOf, child, SERVER, stanza } from './stanza.ts'
import type { Connection, Device, Person, WhatsApp } from './types.ts'

/** What a phone and a client share once the one has read the other's QR or code. */
export type Secret = { readonly identityKey: Buffer; readonly advSecret: Buffer }

/**
 * The phone signs the identity of the client, the client signs back, and the server knows a new device of the account.
 * The client then has to connect anew.
 */
export const link = async (
  { faults }: WhatsApp,
  person: Person,
  deviceId: number,
  connection: Connection,
  { identityKey, advSecret }: Secret,
): Promise<Device> => {
  const account = person.phone.identity
  const signer = faults.forgedAccountSignature ? Curve.generateKeyPair() : account
  const details = proto.ADVDeviceIdentity.encode({
    rawId: randomBytes(4).readUInt32BE(0),
    timestamp: Math.floor(Date.now() / 1000),
    keyIndex: deviceId,
  }).finish()
  const signed = proto.ADVSignedDeviceIdentity.encode({
    details,
    accountSignatureKey: account.public,
    accountSignature: Curve.sign(
      signer.private,
      Buffer.concat([WA_ADV_ACCOUNT_SIG_PREFIX, details, identityKey]),
    ),
  }).finish()
  const answer = await connection.query(
    stanza('iq', { from: SERVER, type: 'set', xmlns: 'md' }, [
      stanza('pair-success', {}, [
        stanza(
          'device-identity',
          {},
          proto.ADVSignedDeviceIdentityHMAC.encode({
            details: signed,
            hmac: createHmac('sha256', advSecret).update(signed).digest(),
          }).finish(),
        ),
        stanza('device', { jid: person.address('pn', deviceId), lid: person.address('lid', deviceId) }),
        stanza('platform', { name: 'android' }),
      ]),
    ]),
  )
  const device = deviceOf(person, deviceId, connection, identityKey)
  const signedBack = child(child(answer, 'pair-device-sign'), 'device-identity')
  if (!isIdentityOf(device, bytesOf(signedBack), details))
    throw new Error('The client signed its identity wrongly.')
  return device
}

/**
 * Whether account and device have signed that they belong together: what a phone looks at when a device that it does not
 * know writes to it.
 */
export const isIdentityOf = ({ identityKey, person }: Device, bytes: Uint8Array, signed?: Uint8Array) => {
  const account = person.phone.identity.public
  const { details, accountSignature, deviceSignature } = proto.ADVSignedDeviceIdentity.decode(bytes)
  if (!details || !accountSignature || !deviceSignature) return false
  const statement = Buffer.concat([details, identityKey])
  return (
    (!signed || Buffer.from(signed).equals(details)) &&
    Curve.verify(account, Buffer.concat([WA_ADV_ACCOUNT_SIG_PREFIX, statement]), accountSignature) &&
    Curve.verify(identityKey, Buffer.concat([WA_ADV_DEVICE_SIG_PREFIX, statement, account]), deviceSignature)
  )
}

const deviceOf = (
  person: Person,
  id: number,
  { payload, noiseKey }: Connection,
  identityKey: Buffer,
): Device => {
  const keys = payload.devicePairingData
  if (!keys?.eRegid || !keys.eIdent || !keys.eSkeyId || !keys.eSkeyVal || !keys.eSkeySig)
    throw new Error('The client came to be linked without keys.')
  if (!identityKey.equals(keys.eIdent)) throw new Error('The client showed another identity than it has.')
  return {
    id,
    person,
    noiseKey,
    identityKey,
    registrationId: Buffer.from(keys.eRegid).readUInt32BE(0),
    signedPreKey: signedBy(identityKey, {
      keyId: Buffer.from(keys.eSkeyId).readUIntBE(0, 3),
      public: keys.eSkeyVal,
      signature: keys.eSkeySig,
    }),
    preKeys: [],
    queue: [],
    connection: undefined,
    logins: 0,
  }
}
