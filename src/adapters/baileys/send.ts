import {
  generateWAMessage,
  isJidGroup,
  proto,
  type WAMediaUploadFunction,
  type WAMessage,
} from '@whiskeysockets/baileys'
import { isMedia } from '../../domain/content.ts'
import { Refusal } from '../../domain/errors.ts'
import type { Outgoing, SendOutcome } from '../../ports/gateway.ts'
import type { Places } from '../../places.ts'
import { within } from '../within.ts'
import { createAcks, type Ack } from './acks.ts'
import type { Addresses } from './addresses.ts'
import { CallRefused, type OpenSocket } from './ask.ts'
import { compose, type OutgoingFile } from './compose.ts'
import type { GroupCache } from './group-cache.ts'
import type { MessageMemory } from './message-memory.ts'

/** More are not taken: each waits for those before it. */
const WAITING_MAX = 5000

type Parts = {
  readonly open: OpenSocket
  readonly messages: MessageMemory
  readonly addresses: Addresses
  /** The file that a message is to carry. */
  readonly fileOf: (message: Outgoing) => Promise<OutgoingFile | undefined>
  readonly upload: WAMediaUploadFunction
  /** For files on their way to WhatsApp. */
  readonly uploads: Pick<Places, 'within'>
  readonly groups: Pick<GroupCache, 'forget'>
  readonly ackMs: number
  readonly uploadMs: number
  /** WhatsApp restricts the account: whoever runs this has to know. */
  readonly onRestricted: () => void
  readonly onError: (error: unknown) => void
}

/**
 * Sends over one socket. What WhatsApp has acknowledged is sent; where nothing is known, the answer is `retry`, and the
 * same bytes go out again under the same id.
 */
export const createSend = (parts: Parts) => {
  const { open, messages, addresses } = parts
  const { sock, ask } = open
  const expectAck = createAcks(sock)
  let waiting = 0
  let last: Promise<unknown> = Promise.resolve()

  /** The library sends one at a time; so the clock of each starts when it is its turn. */
  const inTurn = <T>(task: () => Promise<T>): Promise<T> => {
    const result = last.then(task)
    last = result.catch(() => undefined)
    return result
  }

  const make = async (message: Outgoing, chat: string): Promise<WAMessage> => {
    const target = message.about
    const about = target && (await messages.find({ id: target.whatsappId, fromMe: target.fromMe }))
    const file = await parts.fileOf(message)
    const { content, options } = composed({ ...message, chat }, { raw: about, file })
    const making = generateWAMessage(chat, content, {
      ...options,
      mediaUploadTimeoutMs: parts.uploadMs,
      userJid: sock.user?.id ?? '',
      upload: parts.upload,
    })
    return within(parts.uploadMs, making, () => new Error('The file could not be handed to WhatsApp in time'))
  }

  /** As it went out before under this id, or made now; kept first, since the other side may ask for it at once. */
  const rawOf = async (message: Outgoing, chat: string): Promise<WAMessage> => {
    const before = await messages.find({ id: message.whatsappId, fromMe: true })
    if (before?.message) return before
    const making = () => make(message, chat)
    const made = await (isMedia(message.content) ? parts.uploads.within(making) : making())
    await messages.remember([made])
    return made
  }

  /** The library would send it to the other devices of this account alone, and WhatsApp take that. */
  const hasDevices = async (chat: string) => {
    if (isJidGroup(chat)) return true
    const devices = await ask('devices', () => sock.getUSyncDevices([chat], true, false))
    return devices.length > 0
  }
  /** Answers whether there was anybody to write to. */
  const relay = async (id: string, chat: string, message: proto.IMessage) => {
    const isThere = await hasDevices(chat)
    if (isThere)
      await ask('message', () => sock.relayMessage(chat, message, { messageId: id, ...stanzaOf(message) }))
    return isThere
  }

  const deliver = async (id: string, chat: string, message: proto.IMessage): Promise<Ack | Nobody> => {
    const ack = expectAck(id)
    try {
      if (!(await inTurn(() => relay(id, chat, message)))) return { kind: 'nobody' }
      // The answer comes after; what is lost with the connection is unknown.
      return await ask('acknowledgement', () => ack.within(parts.ackMs))
    } finally {
      ack.forget()
    }
  }

  const attempt = async (message: Outgoing): Promise<SendOutcome> => {
    const chat = await addresses.resolve(open, message.chat)
    if (chat === undefined) return refused('This number is not on WhatsApp.')
    const { message: content } = await rawOf(message, chat)
    if (!content) return refused('There is nothing in this message.')
    const ack = await deliver(message.whatsappId, chat, content)
    switch (ack.kind) {
      case 'good':
        return { kind: 'sent', at: new Date().toISOString() }
      case 'bad':
        if (ack.code === RESTRICTED) parts.onRestricted()
        if (ack.code === STALE) await forgetAddresses(message.chat, chat)
        return refusal(ack.code)
      case 'nobody':
        return retry('WhatsApp names no device that could read the message.')
      case 'none':
        // Either the acknowledgement alone was lost, or the connection is dead, which this finds out.
        await ask('ping', () => sock.query(ping()))
        return retry('WhatsApp did not confirm the message: it may arrive nevertheless.')
    }
  }

  /** Where the next message goes is asked anew: who is in the group, and which devices everybody has, ourselves too. */
  const forgetAddresses = async (asked: string, chat: string) => {
    addresses.forget(asked)
    parts.groups.forget(chat)
    await sock.userDevicesCache.flushAll()
  }

  return async (message: Outgoing): Promise<SendOutcome> => {
    if (waiting >= WAITING_MAX) return retry('Too many messages of this instance wait to be sent.')
    waiting += 1
    try {
      return await attempt(message)
    } catch (error) {
      return outcomeOf(error, parts.onError)
    } finally {
      waiting -= 1
    }
  }
}
export type Send = ReturnType<typeof createSend>

type Nobody = { readonly kind: 'nobody' }

const RESTRICTED = 463
const STALE = 479
const BUSY = [429, 500, 503]

class NotComposed extends Error {}

const composed = (...given: Parameters<typeof compose>) => {
  try {
    return compose(...given)
  } catch (error) {
    throw new NotComposed(error instanceof Error ? error.message : String(error))
  }
}

const { REVOKE, MESSAGE_EDIT } = proto.Message.ProtocolMessage.Type

/** What the envelope says of a message: an edit, a deletion (one's own, or an admin's), a poll. */
const stanzaOf = (message: proto.IMessage) => {
  const { protocolMessage: signal } = message
  if (signal?.type === MESSAGE_EDIT) return { additionalAttributes: { edit: '1' } }
  if (signal?.type === REVOKE) {
    const isAdmins = signal.key?.fromMe !== true && isJidGroup(signal.key?.remoteJid ?? '') === true
    return { additionalAttributes: { edit: isAdmins ? '8' : '7' } }
  }
  const { pollCreationMessage, pollCreationMessageV2, pollCreationMessageV3 } = message
  return pollCreationMessage || pollCreationMessageV2 || pollCreationMessageV3
    ? { additionalNodes: [{ tag: 'meta', attrs: { polltype: 'creation' } }] }
    : {}
}

const ping = () => ({
  tag: 'iq',
  attrs: { to: '@s.whatsapp.net', type: 'get', xmlns: 'w:p' },
  content: [{ tag: 'ping', attrs: {} }],
})

const retry = (reason: string): SendOutcome => ({ kind: 'retry', reason })
const refused = (reason: string): SendOutcome => ({ kind: 'refused', reason })

/** WhatsApp's no, with its code, and what can be done about it. */
const refusal = (code: number): SendOutcome => {
  if (BUSY.includes(code)) return retry(`WhatsApp cannot take the message at the moment (${code}).`)
  switch (code) {
    case RESTRICTED:
      return refused(
        'WhatsApp restricts this account: it may not write to people who have not written to it (463). Do not send it again, which makes it worse; wait for them to write, or for the restriction to end.',
      )
    case STALE:
      return refused(
        'WhatsApp refused the message (479): what was known of the devices of this chat was out of date. It is asked anew; send the message again.',
      )
    case 401:
    case 403:
    case 404:
      return refused(`WhatsApp refused the message (${code}): the instance may not write to this chat.`)
    default:
      return refused(`WhatsApp refused the message (${code}).`)
  }
}

const outcomeOf = (error: unknown, onError: (error: unknown) => void): SendOutcome => {
  if (error instanceof NotComposed) return refused(error.message)
  if (error instanceof CallRefused && error.code !== undefined) return refusal(error.code)
  if (error instanceof Refusal) return retry(error.message)
  onError(error)
  return retry('The message could not be handed to WhatsApp, as far as is known.')
}
