/** Who is there and who is typing: what clients say of themselves, and what people show. */
import type { BinaryNode } from '@whiskeysockets/baileys'
import { createSightings } from './sightings.ts'
import { now } from './stanza.ts'
import type { Person, WhatsApp } from './types.ts'

export type Presence = 'available' | 'unavailable' | 'composing' | 'recording' | 'paused'
export type PresenceSeen = {
  readonly from: Person
  readonly presence: Presence
  /** Of the chat, as the stanza named it; none if it is for everybody. */
  readonly to: string | undefined
}

export const addPresence = (whatsApp: WhatsApp) => {
  const seen = createSightings<PresenceSeen>('presence')
  /** Whose presence a person's clients want to know. */
  const subscriptions = new Map<Person, Set<Person>>()

  whatsApp.stanzaHandlers.set('presence', ({ attrs }, { device }) => {
    if (!device) return
    const { type = 'available', to } = attrs
    if (type === 'subscribe') {
      const whom = whatsApp.find(to ?? '')
      const known = subscriptions.get(device.person) ?? new Set()
      subscriptions.set(device.person, whom ? known.add(whom) : known)
    } else if (type === 'available' || type === 'unavailable')
      seen.add({ from: device.person, presence: type, to: undefined })
  })
  whatsApp.stanzaHandlers.set('chatstate', ({ attrs, content }, { device }) => {
    const [state] = Array.isArray(content) ? content : []
    if (device && state) seen.add({ from: device.person, presence: presenceIn(state), to: attrs.to })
  })

  /** It is news of the moment: whoever is not connected does not hear of it later. */
  const tell = (person: Person, node: BinaryNode) => {
    for (const { connection } of person.devices.values()) connection?.send(node)
  }

  return {
    seen,
    /** Somebody types, records or stops, in the chat with a person or in a group. */
    show: (who: Person, chat: Person | string, presence: 'composing' | 'recording' | 'paused') => {
      const address = who.address(whatsApp.addressing)
      const isGroup = typeof chat === 'string'
      const receivers = isGroup ? (whatsApp.groups.get(chat)?.members ?? []) : [chat]
      for (const person of receivers.filter((one) => one !== who))
        tell(person, {
          tag: 'chatstate',
          attrs: isGroup ? { from: chat, participant: address } : { from: address },
          content: [stateOf(presence)],
        })
    },
    /** Somebody opens WhatsApp or leaves it: told to those who asked to know. */
    be: (who: Person, presence: 'available' | 'unavailable') => {
      const from = who.address(whatsApp.addressing)
      const last = now()
      for (const [person, whom] of subscriptions)
        if (whom.has(who))
          tell(person, {
            tag: 'presence',
            attrs: presence === 'available' ? { from } : { from, type: presence, last },
          })
    },
  }
}

const presenceIn = ({ tag, attrs }: BinaryNode): Presence =>
  tag === 'paused' ? 'paused' : attrs.media === 'audio' ? 'recording' : 'composing'

const stateOf = (presence: 'composing' | 'recording' | 'paused'): BinaryNode =>
  presence === 'recording' ? { tag: 'composing', attrs: { media: 'audio' } } : { tag: presence, attrs: {} }
