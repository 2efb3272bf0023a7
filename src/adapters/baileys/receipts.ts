import type { WAMessage } from '@whiskeysockets/baileys'
import { receiptStatuses, type ReceiptStatus } from '../../domain/message.ts'
import { fieldsOf, listOf } from '../../domain/whatsapp-fields.ts'
import { idOf, type Place, type Reader } from './reading.ts'
import type { Told } from './told.ts'

/** Baileys counts 0 error, 1 pending, 2 sent, 3 delivered, 4 read, 5 played. */
const FIRST = 2
const SENT: unknown = FIRST

const told = (
  place: Place | undefined,
  id: unknown,
  status: ReceiptStatus | undefined,
  at: string,
): Told[] => {
  const whatsappId = idOf(id)
  return !place || whatsappId === undefined || status === undefined
    ? []
    : [{ kind: 'receipt', receipt: { whatsappId, chat: place.chat, status, at } }]
}

/** How far a message of ours came, by the status that stands in it or comes after it. */
export const receiptOfStatus = (
  { placeOf, timeOf }: Reader,
  key: unknown,
  said: { readonly status?: unknown; readonly messageTimestamp?: unknown },
): Told[] => {
  const { status, messageTimestamp } = said
  const { id, fromMe } = { ...fieldsOf(key) }
  // What is not from us was read on another device of the account.
  if (fromMe !== true || typeof status !== 'number') return []
  return told(placeOf(key), id, receiptStatuses[status - FIRST], timeOf(messageTimestamp))
}

/**
 * What one member of a group did. The message counts as delivered or read when the first member got or read it: the
 * log has one status for a message, and of a hundred members one will never look.
 */
const receiptsOfMember = ({ people, placeOf, timeOf }: Reader, key: unknown, receipt: unknown): Told[] => {
  const { userJid, receiptTimestamp, readTimestamp, playedTimestamp } = { ...fieldsOf(receipt) }
  if (people.isOwn(userJid)) return []
  const times = { delivered: receiptTimestamp, read: readTimestamp, played: playedTimestamp } as const
  return receiptStatuses.flatMap((status) => {
    const time = status === 'sent' ? undefined : times[status]
    return time ? told(placeOf(key), fieldsOf(key)?.['id'], status, timeOf(time)) : []
  })
}

/** Receipts that came so soon that they stand in the message itself. That it was sent says the message. */
export const foldedReceipts = (reader: Reader, message: WAMessage): Told[] => {
  const { fromMe } = message.key
  if (fromMe !== true) return []
  const isSent = message.status === SENT
  return [
    ...(isSent ? [] : receiptOfStatus(reader, message.key, message)),
    ...listOf(message.userReceipt).flatMap((receipt) => receiptsOfMember(reader, message.key, receipt)),
  ]
}

export const groupReceipts = (reader: Reader, updates: unknown): Told[] =>
  listOf(updates).flatMap((given) => {
    const { key, receipt } = { ...fieldsOf(given) }
    return fieldsOf(key)?.['fromMe'] === true ? receiptsOfMember(reader, key, receipt) : []
  })
