import type { BaileysEventMap, WAMessage } from '@whiskeysockets/baileys'
import { changeIn, unwrapped } from '../../domain/whatsapp-content.ts'
import { countOf, fieldsOf, listOf, type Fields } from '../../domain/whatsapp-fields.ts'
import { hearPairs, newsOf, subjectsIn } from './people.ts'
import { createReader, type Known } from './reading.ts'
import { foldedReceipts, groupReceipts, receiptOfStatus } from './receipts.ts'
import { changeOf, messageOf, reactionOf, whatItSays, type Context } from './saying.ts'
import type { Told } from './told.ts'

export type { Known } from './reading.ts'

type Batch = Partial<BaileysEventMap>
/** `WebMessageInfo.StubType.REVOKE` */
export const REVOKED: unknown = 1

/** The hidden ids whose phone numbers `translate` will ask for. */
export const lidsIn = (batch: Batch): readonly string[] => {
  const asked = new Set<string>()
  const pnOf = (lid: string) => void asked.add(lid)
  translate(batch, { account: { jid: '' }, pnOf, past: true })
  return [...asked]
}

/**
 * What a batch of Baileys' events says, in our own words: addresses first, then messages in order, then what happened
 * to them. Pure; never throws. What is told again means the same again.
 */
export const translate = (batch: Batch, known: Known): readonly Told[] => {
  const reader = createReader(known)
  const context: Context = { reader, known, subjects: subjectsIn(batch) }
  hearPairs(reader, [batch['lid-mapping.update']])
  const past = known.past ? pastOf(context, batch['messaging-history.set']) : []
  const upserts = messagesIn(batch)
  const messages = upserts.flatMap((message) => whatItSays(context, message))
  // What a message did to another one may be told a second time by what Baileys made of it.
  const said = new Set(messages.map(deedOf).filter((deed) => deed !== undefined))
  const events = [
    ...upserts.flatMap((message) => foldedIn(context, message)),
    ...updatesOf(context, batch['messages.update']),
    ...reactionsOf(context, batch['messages.reaction']),
  ].filter((told) => !said.has(deedOf(told) ?? ''))
  const receipts = groupReceipts(reader, batch['message-receipt.update'])
  const contacts = newsOf(reader, [...listOf(batch['contacts.upsert']), ...listOf(batch['contacts.update'])])
  const told = [...past, ...messages, ...events, ...receipts, ...contacts]
  const links = [...reader.people.pairs].map(([from, to]): Told => {
    return { kind: 'addressLink', link: { from, to, at: reader.present } }
  })
  return [...links, ...withoutRepeats(told)]
}

const isList = <T>(given: readonly T[] | null | undefined): given is readonly T[] => Array.isArray(given)
const recordsOf = <T>(given: readonly T[] | null | undefined): readonly T[] =>
  isList(given) ? given.filter((record) => fieldsOf(record) !== undefined) : []

/** The messages of a batch, as far as they are some. */
export const messagesIn = ({ 'messages.upsert': upsert }: Batch): readonly WAMessage[] =>
  recordsOf(fieldsOf(upsert) ? upsert?.messages : undefined).filter(({ key }) => fieldsOf(key))

/** What was said before the pairing. What was thought of it since, and how far it came, is past as well, and not told. */
const pastOf = (context: Context, given: BaileysEventMap['messaging-history.set'] | undefined): Told[] => {
  const { reader } = context
  const history = fieldsOf(given)
  if (!given || !history) return []
  hearPairs(reader, listOf(history['lidPnMappings']))
  const contacts = newsOf(reader, history['contacts'])
  const messages = recordsOf(given.messages).flatMap((message) => {
    const place = reader.placeOf(message.key, message.participant)
    return place ? messageOf(context, message, place, unwrapped(message.message)) : []
  })
  const past = messages.map((told): Told =>
    told.kind === 'message' ? { ...told, incoming: { ...told.incoming, past: true } } : told,
  )
  // WhatsApp gives the newest first.
  return [...contacts, ...past.toReversed().toSorted((a, b) => Date.parse(atOf(a)) - Date.parse(atOf(b)))]
}
const atOf = (told: Told) => (told.kind === 'message' ? told.incoming.at : '')

/** What Baileys puts in the place of a message that was edited; itself an edit of another one, it is none of this. */
const editedIn = (message: unknown): Fields | undefined => {
  const edited = fieldsOf(fieldsOf(fieldsOf(message)?.['editedMessage'])?.['message'])
  const said = edited && unwrapped(edited)
  return said && !changeIn(said) ? said : undefined
}

/** What came so soon after a message that it stands in it. */
const foldedIn = (context: Context, message: WAMessage): Told[] => {
  const { reader } = context
  const { key } = message
  const place = reader.placeOf(key, message.participant)
  if (!place) return []
  const id = fieldsOf(key)?.['id']
  const edited = editedIn(message.message)
  const at = reader.timeOf(message.messageTimestamp)
  return [
    ...(edited ? changeOf(context, place, id, edited, at) : []),
    ...foldedReceipts(reader, message),
    ...reactionsOf(
      context,
      listOf(message.reactions).map((reaction) => ({ key, reaction })),
    ),
  ]
}

const updatesOf = (context: Context, updates: unknown): Told[] =>
  listOf(updates).flatMap((given) => {
    const { key, update } = { ...fieldsOf(given) }
    const news = fieldsOf(update)
    if (!news) return []
    const { reader } = context
    const receipt = receiptOfStatus(reader, key, news)
    const place = reader.placeOf(key)
    const id = fieldsOf(key)?.['id']
    const at = reader.timeOf(news['messageTimestamp'])
    const edited = editedIn(news['message'])
    const isTakenBack = news['message'] === null && news['messageStubType'] === REVOKED
    if (!place || (!edited && !isTakenBack)) return receipt
    return [...receipt, ...changeOf(context, place, id, edited ?? null, at)]
  })

const reactionsOf = ({ reader }: Context, reactions: unknown): Told[] =>
  listOf(reactions).flatMap((given) => {
    const { key, reaction } = { ...fieldsOf(given) }
    const said = fieldsOf(reaction)
    const own = fieldsOf(said?.['key'])
    const place = own && reader.placeOf(own)
    if (!said || !place) return []
    const at = reader.timeOf(Math.trunc((countOf(said['senderTimestampMs']) ?? 0) / 1000))
    return reactionOf(place, said, key, at)
  })

/** Who did what to which message. */
const deedOf = (told: Told): string | undefined => {
  switch (told.kind) {
    case 'change': {
      const { targetWhatsappId, by, text } = told.change
      return `${text === undefined ? 'delete' : 'edit'} ${targetWhatsappId} ${by}`
    }
    case 'reaction':
      return `react ${told.reaction.targetWhatsappId} ${told.reaction.sender}`
    case 'message':
    case 'receipt':
    case 'contact':
    case 'addressLink':
      return undefined
  }
}

/** Of a receipt that many give, the first; and nobody's name again who has said it with a message. */
const withoutRepeats = (all: readonly Told[]): readonly Told[] => {
  const names = new Map<string, string | undefined>()
  for (const told of all)
    if (told.kind === 'message') names.set(told.incoming.sender, told.incoming.senderName)
  const receipts = new Set<string>()
  return all.filter((told) => {
    if (told.kind === 'receipt') {
      const { whatsappId, chat, status } = told.receipt
      const receipt = `${status} ${whatsappId} ${chat}`
      return !receipts.has(receipt) && receipts.add(receipt)
    }
    if (told.kind !== 'contact') return true
    const { jid, pushName, at: _at, ...more } = told.news
    return Object.keys(more).length > 0 || names.get(jid) !== pushName
  })
}
