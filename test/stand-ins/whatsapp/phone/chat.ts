/** A chat as the phone of a person shows it: what both have written, with what became of it. */
import { getContentType, normalizeMessageContent, proto } from '@whiskeysockets/baileys'
import { textOf } from '../content.ts'
import { fileIn } from '../media.ts'
import type { Person } from '../types.ts'

const { Type } = proto.Message.ProtocolMessage

export type Entry = {
  readonly id: string
  /** Whether the person wrote it; otherwise the business did. */
  readonly mine: boolean
  text: string
  /** Milliseconds since 1970. */
  readonly at: number
  /** Of a message that the person wrote: what the business has done with it. Of one of the business: what was told. */
  ticks: 'sent' | 'delivered' | 'read'
  reactions: { mine?: string; theirs?: string }
  readonly file?: { readonly kind: string; readonly mimetype: string; readonly name: string }
  readonly replyTo?: string
  edited: boolean
  deleted: boolean
}

/** The chat of a person with the business, kept up to date while it goes on. */
export const openChat = (person: Person, business: Person) => {
  const entries = new Map<string, Entry>()
  const messages = new Map<string, proto.IMessage>()

  const add = (mine: boolean, id: string, message: proto.IMessage) => {
    const content = normalizeMessageContent(message) ?? {}
    const { reactionMessage: reaction, protocolMessage: change } = content
    if (reaction) {
      const target = entries.get(reaction.key?.id ?? '')
      if (target) target.reactions[mine ? 'mine' : 'theirs'] = reaction.text ?? ''
    } else if (change) {
      const target = entries.get(change.key?.id ?? '')
      if (!target || target.mine !== mine) return
      if (change.type === Type.REVOKE) target.deleted = true
      else if (change.editedMessage) {
        target.text = textOf(change.editedMessage) ?? ''
        target.edited = true
      }
    } else {
      entries.set(id, entryOf(mine, id, content))
      messages.set(id, content)
    }
  }

  person.onReceived.add(({ sender, id, message, chat }) => {
    const isOurs = sender === business && !chat.endsWith('@g.us')
    if (isOurs) add(false, id, message)
  })

  return {
    /** What the person has written, or done to a message. */
    wrote: (id: string, message: proto.IMessage) => add(true, id, message),
    messageOf: (id: string): proto.IMessage => {
      const message = messages.get(id)
      if (!message) throw new Error(`There is no message ${id}`)
      return message
    },
    /** What the person was told has been read. */
    read: () => {
      const unread = [...entries.values()].filter(({ mine, ticks }) => !mine && ticks !== 'read')
      for (const entry of unread) entry.ticks = 'read'
      return unread.map(({ id }) => id)
    },
    entries: (): readonly Entry[] => {
      for (const { ids, type, from } of person.receipts) {
        if (from !== business) continue
        for (const id of ids) {
          const entry = entries.get(id)
          if (!entry?.mine || entry.ticks === 'read') continue
          if (type === 'read') entry.ticks = 'read'
          // `inactive`: it is there, and nobody looks at it.
          else if (type === 'delivery' || type === 'inactive') entry.ticks = 'delivered'
        }
      }
      return [...entries.values()]
    },
  }
}

/** What else there is to read in a message. */
const wordsOf = (content: proto.IMessage): string => {
  const { locationMessage: place, contactMessage: contact, contactsArrayMessage: contacts } = content
  const { pollCreationMessage, pollCreationMessageV2, pollCreationMessageV3 } = content
  const poll = pollCreationMessage ?? pollCreationMessageV2 ?? pollCreationMessageV3
  if (place) {
    const { name, address, degreesLatitude, degreesLongitude } = place
    return ['Place:', name, address, `${degreesLatitude}, ${degreesLongitude}`].filter(Boolean).join('\n')
  }
  if (poll)
    return [`Poll: ${poll.name}`, ...(poll.options ?? []).map((one) => `○ ${one.optionName}`)].join('\n')
  const people = contacts?.contacts ?? (contact ? [contact] : [])
  if (people.length > 0) return `Contact: ${people.map(({ displayName }) => displayName).join(', ')}`
  return fileIn(content) ? '' : `Not shown here: ${getContentType(content)}`
}

const entryOf = (mine: boolean, id: string, content: proto.IMessage): Entry => {
  const file = fileIn(content)
  const replyTo = content.extendedTextMessage?.contextInfo?.stanzaId
  return {
    id,
    mine,
    text: textOf(content) ?? wordsOf(content),
    at: Date.now(),
    ticks: mine ? 'sent' : 'delivered',
    reactions: {},
    ...(file && {
      file: {
        kind: file.type,
        mimetype: file.fields.mimetype ?? '',
        name: content.documentMessage?.fileName ?? file.type,
      },
    }),
    ...(replyTo && { replyTo }),
    edited: false,
    deleted: false,
  }
}
