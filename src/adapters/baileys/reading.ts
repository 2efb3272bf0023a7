import { beginningOf, storable } from '../../domain/storable.ts'
import { isGroup, numberOf } from '../../domain/values.ts'
import { contentOf, editedText, type Reading } from '../../domain/whatsapp-content.ts'
import { countOf, fieldsOf, type Fields } from '../../domain/whatsapp-fields.ts'
import { addressBook, jidOf } from './jids.ts'
import type { Account } from './told.ts'

/** What has to be known to understand a batch. */
export type Known = {
  readonly account: Account
  /** JID with the phone number of a hidden id, such as `123456789@lid`. */
  readonly pnOf: (lid: string) => string | undefined
  /** Whether what was said before the pairing is wanted. */
  readonly past: boolean
  readonly isAdmin?: (group: string, jid: string) => boolean
  readonly subjectOf?: (group: string) => string | undefined
  /** The time of what carries none; the present if left out. */
  readonly now?: Date
}

/** Of all that one message says. An event of the log has an end, wherever it is kept. */
const TEXT_MAX = 65_536
/** As many as a group has members. */
const MENTIONS_MAX = 1024
const NAME_MAX = 200
const ID_MAX = 128
const DAY_MS = 86_400_000

export const textOf = (given: string, max = TEXT_MAX) => storable(beginningOf(given, max))

export const nameOf = (given: unknown): string | undefined => {
  if (typeof given !== 'string') return undefined
  const name = textOf(given, NAME_MAX).trim()
  return name === '' ? undefined : name
}

/** An id that no honest client gives is nobody's. */
export const idOf = (given: unknown): string | undefined =>
  typeof given === 'string' && given.length <= ID_MAX && /^[\x21-\x7e]+$/.test(given) ? given : undefined

/** Where something was said, and by whom. */
export type Place = {
  readonly chat: string
  readonly sender: string
  readonly fromMe: boolean
}

/** How the parts of a batch are read that many events have in common. */
export const createReader = (known: Known) => {
  const { now = new Date() } = known
  const people = addressBook(known)
  const present = now.toISOString()

  /** ISO 8601, of seconds; what cannot be is taken for the present. */
  const timeOf = (seconds: unknown): string => {
    const ms = (countOf(seconds) ?? 0) * 1000
    return ms > 0 && ms <= now.getTime() + DAY_MS ? new Date(ms).toISOString() : present
  }

  const hearPerson = (key: Record<string, unknown>, participant: unknown) =>
    people.person(participant, key['participantAlt'], key['participantPn'])

  /** Undefined for what is no chat with a person or a group: statuses and channels above all. */
  const placeOf = (given: unknown, participantBeside?: unknown): Place | undefined => {
    const key = { ...fieldsOf(given) }
    const { remoteJid } = key
    const fromMe = key['fromMe'] === true
    const participant = key['participant'] || participantBeside
    if (typeof remoteJid !== 'string') return undefined
    const jid = jidOf(remoteJid)
    if (jid !== undefined && isGroup(jid)) {
      const sender = fromMe ? people.own : hearPerson(key, participant)
      return sender === undefined ? undefined : { chat: jid, sender, fromMe }
    }
    // Who writes to a list of people writes to each of them.
    const isList = /^\d+@broadcast$/.test(remoteJid) && !fromMe
    const chat = isList
      ? hearPerson(key, participant)
      : people.person(remoteJid, key['remoteJidAlt'], key['senderPn'])
    return chat === undefined ? undefined : { chat, sender: fromMe ? people.own : chat, fromMe }
  }

  /** Mentions name people by the address that they are known by, in the text as well. */
  const reading = (): Reading => {
    const names = new Map<string, string>()
    let [mentions, left] = [0, TEXT_MAX]
    const begun = (given: string) => {
      const kept = textOf(given, left)
      left = Math.max(0, left - kept.length)
      return kept
    }
    return {
      jid: (given) => {
        const jid = mentions++ < MENTIONS_MAX ? people.person(given) : undefined
        if (jid !== undefined) names.set(numberOf(given), numberOf(jid))
        return jid
      },
      text: (given) =>
        begun(given).replace(/@(\d{5,20})/g, (mention, digits: string) => {
          const name = names.get(digits)
          return name === undefined ? mention : `@${name}`
        }),
      // Where the file is at WhatsApp, encrypted, is of no use to anybody.
      url: () => undefined,
    }
  }

  return {
    people,
    present,
    timeOf,
    placeOf,
    contentOf: (message: Fields) => contentOf(message, reading()),
    editedText: (message: Fields) => editedText(message, reading()),
  }
}
export type Reader = ReturnType<typeof createReader>
