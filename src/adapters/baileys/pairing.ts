import { randomBytes } from 'node:crypto'
import type { AuthenticationCreds, BinaryNode, WASocket } from '@whiskeysockets/baileys'
import { Refusal } from '../../domain/errors.ts'
import { within } from '../within.ts'
import { failureOf } from './failures.ts'

const FIRST_QR_MS = 60_000
const NEXT_QR_MS = 20_000
/** A QR code is shown as long while a pairing code is typed: the connection, and the code with it, lives six times that. */
export const CODE_QR_MS = 60_000
const CODE_ANSWER_MS = 10_000
const CODE_REFRESH = 'companion_reg_refresh'
const SECRET_FIELD = 3

export const isPaired = ({ account }: AuthenticationCreds) => Boolean(account)

/** Somebody waits for a code to type on the phone of that number. */
export type CodeRequest = {
  readonly phoneNumber: string
  readonly resolve: (code: string) => void
  readonly reject: (error: unknown) => void
}

export type ShownQr = { readonly qr: string; readonly expiresAt: string }

type Showing = {
  readonly sock: Pick<WASocket, 'ws' | 'sendNode'>
  readonly creds: AuthenticationCreds
  readonly save: () => Promise<void>
  /** How long each is shown, if not as usual. */
  readonly qrMs: number | undefined
  readonly show: (shown: ShownQr) => void
}

/**
 * Shows the QR codes of a socket with the secret that is valid. WhatsApp may retire the one in a code that is on the
 * screen when the code is scanned; the library neither makes a new one nor acknowledges that. The phone then has to
 * scan again.
 */
export const showQrCodes = ({ sock, creds, save, qrMs, show }: Showing): ((qr: string) => void) => {
  let last: ShownQr | undefined
  const showWithSecret = (qr: string, expiresAt: string) => {
    const fields = qr.split(',')
    fields[SECRET_FIELD] = creds.advSecretKey
    last = { qr: fields.join(','), expiresAt }
    show(last)
  }
  sock.ws.on(`CB:notification,type:${CODE_REFRESH}`, ({ attrs: { id, from } }: BinaryNode) => {
    // The library looks at it again when the phone has accepted.
    creds.advSecretKey = randomBytes(32).toString('base64')
    save().catch(() => undefined)
    const attrs = { id: id ?? '', to: from ?? '', class: 'notification', type: CODE_REFRESH }
    sock.sendNode({ tag: 'ack', attrs }).catch(() => undefined)
    if (last) showWithSecret(last.qr, last.expiresAt)
  })
  return (qr) => {
    const lifeMs = qrMs ?? (last ? NEXT_QR_MS : FIRST_QR_MS)
    showWithSecret(qr, new Date(Date.now() + lifeMs).toISOString())
  }
}

/**
 * Asks for a pairing code once the socket has shown a QR code. The library answers with a code of its own making before
 * WhatsApp has said whether it will take it. REFUSED_BY_WHATSAPP, UNAVAILABLE.
 */
export const requestCode = async (
  sock: Pick<WASocket, 'ws' | 'requestPairingCode'>,
  phoneNumber: string,
): Promise<string> => {
  const accepted = 'CB:iq,,link_code_companion_reg'
  const refused = 'CB:iq,type:error'
  let onAccepted: () => void = () => undefined
  let onRefused: (node: BinaryNode) => void = () => undefined
  const answer = new Promise<void>((resolve, reject) => {
    onAccepted = resolve
    onRefused = (node) => reject(refusalOf(node))
  })
  sock.ws.on(accepted, onAccepted)
  sock.ws.on(refused, onRefused)
  try {
    const asked = Promise.all([sock.requestPairingCode(phoneNumber), answer])
    const [code] = await within(CODE_ANSWER_MS, asked, noAnswer)
    return code
  } catch (error) {
    throw failureOf(error)
  } finally {
    sock.ws.off(accepted, onAccepted)
    sock.ws.off(refused, onRefused)
  }
}

export const nothingToPairOver = () =>
  new Refusal(
    'INSTANCE_NOT_CONNECTED',
    'The instance does not try to connect, so that no phone can be paired. Reconnect it, then ask again.',
  )

export const noAnswer = () =>
  new Refusal('UNAVAILABLE', 'WhatsApp did not answer the request for a pairing code. Try again.')

const refusalOf = ({ content }: BinaryNode) => {
  const error = Array.isArray(content) ? content[0] : undefined
  const code = error?.attrs['code'] ?? 'no code'
  const advice =
    code === '429' ? 'It was asked too often: wait before you try again.' : 'Check the phone number.'
  return new Refusal(
    'REFUSED_BY_WHATSAPP',
    `WhatsApp gives no pairing code for this number (${code}). ${advice}`,
  )
}
