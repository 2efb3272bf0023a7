import {
  cleanMessage,
  decodeMessageNode,
  DEFAULT_CONNECTION_CONFIG,
  getContentType,
  jidNormalizedUser,
  normalizeMessageContent,
  proto,
  unpadRandomMax16,
  type BinaryNode,
  type SignalAuthState,
  type SocketConfig,
  type WAMessage,
  type WAMessageKey,
} from '@whiskeysockets/baileys'
import { placeOf } from './cipher.ts'
import { decode, encode, type InboundRow, type KeySet } from './key-store.ts'
import type { Opening } from './opening.ts'
import { guardSignal } from './signal-guard.ts'

const PENDING_MAX = 1000

/** What WhatsApp sent and was decrypted, until it has been told. */
export type Journal = {
  /** For makeWASocket: guarded, and writes what it decrypts into the journal. */
  readonly makeSignalRepository: SocketConfig['makeSignalRepository']
  /** The message whose payloads are decrypted next, and until another one is named. */
  expect(message: BinaryNode): void
  /** Messages that were not settled, oldest first, at most a thousand: settle them, then ask again. */
  pending(): Promise<readonly WAMessage[]>
  /** These have been told; keys as they came with the message. Not fenced: what is stored is stored. */
  settle(keys: readonly WAMessageKey[]): Promise<void>
}

type Own = { readonly id: string; readonly lid?: string | undefined }
type Attributes = BinaryNode['attrs']
/** What one encrypted payload was, with all that is needed to make its message again. */
type Entry = { readonly plain: Buffer; readonly stanza?: Attributes | undefined; readonly me: Own }

/**
 * Writes each payload that is decrypted beside the ratchet that it moved on, in the same commit, so before WhatsApp gets a
 * receipt. Without that, a message is lost if the program ends between the commit and its being told: it may come
 * again, but the key that it was encrypted with is gone. Now it is answered from here, or read back.
 */
export const createJournal = (
  { instanceId, pool, cipher, attempt }: Opening,
  me: () => Own,
  onError: (error: unknown) => void,
): Journal => {
  let expected: { readonly attrs: Attributes; readonly payloads: ReadonlySet<string> } | undefined
  const place = (ciphertext: Buffer) => placeOf('whatsapp_inbound', ciphertext)
  const lookupOf = (ciphertext: Uint8Array) => cipher.lookup('inbound', ciphertext)
  const entryOf = (ciphertext: Buffer, value: Buffer) =>
    decode(cipher.open(place(ciphertext), value)) as Entry

  /** By id and author, because authors choose their ids. */
  const messageOf = ({ id, fromMe, participant, remoteJid }: WAMessageKey) =>
    cipher.lookup(
      'inbound author',
      [fromMe ? 'me' : jidNormalizedUser(participant || (remoteJid ?? '')), id ?? ''].join(' '),
    )

  const rowOf = (ciphertext: Buffer, entry: Entry): InboundRow => {
    const message = messageIn(entry)
    return {
      message: message ? messageOf(message.key) : null,
      plumbing: !message || isPlumbing(message),
      value: cipher.seal(place(ciphertext), encode(entry)),
    }
  }

  const find = (ciphertext: Buffer) =>
    attempt(async () => {
      const { rows } = await pool.query<{ value: Buffer }>({
        name: 'whatsapp-inbound',
        text: 'select value from whatsapp_inbound where instance_id = $1 and ciphertext = $2',
        values: [instanceId, ciphertext],
      })
      return rows[0] && entryOf(ciphertext, rows[0].value)
    })

  /** Under the lock that the library takes itself, so that its transaction becomes part of this one. */
  const journalled = (
    { keys }: SignalAuthState,
    lock: string,
    payload: Uint8Array,
    decrypt: () => Promise<Uint8Array>,
  ): Promise<Uint8Array> => {
    if (!('transaction' in keys)) throw new Error('The key store knows no transactions')
    return keys.transaction(async () => {
      const ciphertext = lookupOf(payload)
      const name = ciphertext.toString('hex')
      const stanza = expected?.payloads.has(name) ? expected.attrs : undefined
      const known = await find(ciphertext)
      if (known && isSame(known.stanza, stanza)) return known.plain
      const plain = Buffer.from(await decrypt())
      if (!stanza) onError(new Error('A message came past the journal: it cannot be read back after a crash'))
      const written: KeySet = { inbound: { [name]: rowOf(ciphertext, { plain, stanza, me: me() }) } }
      await keys.set(written)
      return plain
    }, lock)
  }

  return {
    makeSignalRepository: guardSignal((auth, logger, findLids) => {
      const repository = DEFAULT_CONNECTION_CONFIG.makeSignalRepository(auth, logger, findLids)
      return {
        ...repository,
        decryptMessage: (options) =>
          journalled(auth, options.jid, options.ciphertext, () => repository.decryptMessage(options)),
        decryptGroupMessage: (options) =>
          journalled(auth, options.group, options.msg, () => repository.decryptGroupMessage(options)),
      }
    }),

    expect: ({ attrs, content }) => {
      const payloads = (Array.isArray(content) ? content : []).flatMap(({ tag, content: payload }) =>
        tag === 'enc' && payload instanceof Uint8Array ? [lookupOf(payload).toString('hex')] : [],
      )
      expected = { attrs, payloads: new Set(payloads) }
    },

    pending: async () => {
      const { rows } = await pool.query<{ ciphertext: Buffer; value: Buffer }>({
        name: 'whatsapp-pending',
        text: `select ciphertext, value from whatsapp_inbound
               where instance_id = $1 and not plumbing order by seq limit $2`,
        values: [instanceId, PENDING_MAX],
      })
      return rows.flatMap(({ ciphertext, value }) => {
        try {
          return messageIn(entryOf(ciphertext, value)) ?? []
        } catch (error) {
          // It must not hold up the others.
          onError(error)
          return []
        }
      })
    },

    settle: async (keys) => {
      await pool.query({
        name: 'whatsapp-settle',
        text: 'delete from whatsapp_inbound where instance_id = $1 and message = any($2)',
        values: [instanceId, keys.map(messageOf)],
      })
    },
  }
}

/** Whoever carries a payload must not be able to put it into the mouth of another one. */
const isSame = (one: Attributes = {}, other: Attributes = {}) =>
  ['id', 'from', 'participant'].every((name) => one[name] === other[name])

/** The message as the library would have told it; undefined if the payload cannot be read. */
const messageIn = ({ plain, stanza, me }: Entry): WAMessage | undefined => {
  if (!stanza) return undefined
  const lid = me.lid ?? ''
  try {
    const { fullMessage } = decodeMessageNode({ tag: 'message', attrs: stanza }, me.id, lid)
    const content = proto.Message.decode(unpadRandomMax16(plain))
    fullMessage.message = content.deviceSentMessage?.message ?? content
    cleanMessage(fullMessage, me.id, lid)
    return fullMessage
  } catch {
    return undefined
  }
}

const { REVOKE, MESSAGE_EDIT } = proto.Message.ProtocolMessage.Type
const toldTypes: unknown[] = [REVOKE, MESSAGE_EDIT]

/** Keys of groups, and what the devices of one account tell each other: for the library alone, when it comes again. */
const isPlumbing = ({ message }: WAMessage): boolean => {
  const content = normalizeMessageContent(message)
  if (!getContentType(content)) return true
  return content?.protocolMessage ? !toldTypes.includes(content.protocolMessage.type) : false
}
