import { randomBytes } from 'node:crypto'
import {
  aesDecryptCTR,
  aesDecryptGCM,
  aesEncryptCTR,
  Curve,
  derivePairingCodeKey,
  hkdf,
  type BinaryNode,
} from '@whiskeysockets/baileys'
import type { Secret } from './linking.ts'
import { addressOf, bytesOf, child, errorNode, newStanzaId, now, required, SERVER, stanza } from './stanza.ts'
import type { Connection, IqAnswer, Person, WhatsApp } from './types.ts'

type CodeRequest = {
  readonly connection: Connection
  readonly phoneNumber: string
  readonly ref: Buffer
  readonly wrappedKey: Buffer
  readonly finished: Promise<BinaryNode>
  readonly finish: (node: BinaryNode) => void
}

/** How a client that is not linked yet offers itself, and how a phone takes the offer. */
export type Pairing = {
  readonly offer: (connection: Connection) => void
  readonly withdraw: (connection: Connection) => void
  readonly readQr: (qr: string) => { connection: Connection; secret: Secret }
  readonly readCode: (person: Person, code: string) => Promise<{ connection: Connection; secret: Secret }>
  /** `<link_code_companion_reg>` of a client. */
  readonly codeStep: (step: BinaryNode, connection: Connection) => IqAnswer
}

export const createPairing = ({ faults }: WhatsApp): Pairing => {
  const refs = new Map<string, Connection>()
  /** The QR secrets that are valid no more. */
  const retired = new Map<Connection, string>()
  const requests = new Map<Connection, CodeRequest>()

  return {
    offer: (connection) => {
      const offered = Array.from({ length: faults.qrRefs }, () => `2@${randomBytes(24).toString('base64')}`)
      for (const ref of offered) refs.set(ref, connection)
      const nodes = offered.map((ref) => stanza('ref', {}, Buffer.from(ref)))
      connection.send(
        stanza('iq', { from: SERVER, type: 'set', xmlns: 'md', id: newStanzaId() }, [
          stanza('pair-device', {}, nodes),
        ]),
      )
    },
    withdraw: (connection) => {
      for (const [ref, offeredBy] of refs) if (offeredBy === connection) refs.delete(ref)
      retired.delete(connection)
      requests.delete(connection)
    },
    readQr: (qr) => {
      const [ref = '', noiseKey, identityKey = '', advSecret = ''] = qr.slice(qr.indexOf('#') + 1).split(',')
      const connection = refs.get(ref)
      if (!connection || noiseKey !== connection.noiseKey.toString('base64'))
        throw new Error('This QR is not valid, or no more.')
      if (retired.get(connection) === advSecret)
        throw new Error('Could not link the device: this QR was retired.')
      if (faults.refreshOnScan && !retired.has(connection)) {
        retired.set(connection, advSecret)
        connection.send(notification('companion_reg_refresh', [stanza('companion_reg_refresh')]))
        throw new Error('Could not link the device: scan the new QR.')
      }
      refs.delete(ref)
      return {
        connection,
        secret: {
          identityKey: Buffer.from(identityKey, 'base64'),
          advSecret: Buffer.from(advSecret, 'base64'),
        },
      }
    },
    readCode: async (person, code) => {
      const request = [...requests.values()]
        .reverse()
        .find((asked) => asked.phoneNumber === person.phoneNumber)
      if (!request) throw new Error('No client asked for a code for this phone number.')
      try {
        return { connection: request.connection, secret: await exchangeKeys(person, code, request) }
      } finally {
        requests.delete(request.connection)
      }
    },
    codeStep: (step, connection) => {
      if (step.attrs.stage !== 'companion_hello') {
        requests.get(connection)?.finish(step)
        return []
      }
      if (faults.pairingCode !== undefined)
        return [errorNode(faults.pairingCode, refusals[faults.pairingCode] ?? 'error')]
      const request = {
        connection,
        phoneNumber: addressOf(required(step, 'jid')).user,
        ref: Buffer.from(`2@${randomBytes(12).toString('base64')}`),
        wrappedKey: bytesOf(child(step, 'link_code_pairing_wrapped_companion_ephemeral_pub')),
        ...later<BinaryNode>(),
      }
      requests.set(connection, request)
      const ref = stanza('link_code_pairing_ref', {}, request.ref)
      return [stanza('link_code_companion_reg', { stage: 'companion_hello' }, [ref])]
    },
  }
}

const refusals: Readonly<Record<number, string>> = { 400: 'bad-request', 429: 'rate-overlimit' }

const later = <T>() => {
  let finish: (value: T) => void = () => {}
  const finished = new Promise<T>((resolve) => {
    finish = resolve
  })
  return { finished, finish }
}

const notification = (type: string, content: BinaryNode[]): BinaryNode =>
  stanza('notification', { from: SERVER, type, id: newStanzaId(), t: now() }, content)

const unlessMistyped = (open: () => Buffer): Buffer => {
  try {
    return open()
  } catch (cause) {
    throw new Error('This is not the code. Ask for another one.', { cause })
  }
}

/** Phone and client agree on a secret that only who knows the code can derive. */
const exchangeKeys = async (person: Person, code: string, request: CodeRequest): Promise<Secret> => {
  const { connection, ref, wrappedKey, finished } = request
  const { identity } = person.phone
  const clientKey = aesDecryptCTR(
    wrappedKey.subarray(48, 80),
    await derivePairingCodeKey(code, wrappedKey.subarray(0, 32)),
    wrappedKey.subarray(32, 48),
  )
  const ephemeral = Curve.generateKeyPair()
  const salt = randomBytes(32)
  const iv = randomBytes(16)
  const wrapped = aesEncryptCTR(ephemeral.public, await derivePairingCodeKey(code, salt), iv)
  connection.send(
    notification('link_code_companion_reg', [
      stanza('link_code_companion_reg', { stage: 'primary_hello' }, [
        stanza('link_code_pairing_ref', {}, ref),
        stanza('primary_identity_pub', {}, identity.public),
        stanza('link_code_pairing_wrapped_primary_ephemeral_pub', {}, Buffer.concat([salt, iv, wrapped])),
      ]),
    ]),
  )
  const bundle = bytesOf(child(await finished, 'link_code_pairing_wrapped_key_bundle'))
  const shared = Curve.sharedKey(ephemeral.private, clientKey)
  const bundleKey = hkdf(shared, 32, {
    salt: bundle.subarray(0, 32),
    info: 'link_code_pairing_key_bundle_encryption_key',
  })
  const opened = unlessMistyped(() =>
    aesDecryptGCM(bundle.subarray(44), Buffer.from(bundleKey), bundle.subarray(32, 44), Buffer.alloc(0)),
  )
  const identityKey = opened.subarray(0, 32)
  const random = opened.subarray(64, 96)
  const between = Curve.sharedKey(identity.private, identityKey)
  const advSecret = hkdf(Buffer.concat([shared, between, random]), 32, { info: 'adv_secret' })
  return { identityKey, advSecret: Buffer.from(advSecret) }
}
