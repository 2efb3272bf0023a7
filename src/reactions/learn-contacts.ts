import { LRUCache } from 'lru-cache'
import { upcast } from '../domain/catalogue.ts'
import { heardName } from '../domain/contact.ts'
import { idOfStream } from '../domain/decider.ts'
import { contactId } from '../domain/ids.ts'
import { causedBy, type Context } from '../domain/metadata.ts'
import { isGroup } from '../domain/values.ts'
import type { Recorded } from '../ports/event-store.ts'
import { isOf, type RecordedOf } from '../projections/projection.ts'
import type { Contacts, Heard } from '../write/contacts.ts'
import type { Reaction } from './runner.ts'

/** People whose names are remembered, so that most messages cost nothing. */
const KEPT = 50_000
const REST_MS = 20
/** Known, but by no name. */
const NAMELESS = ''

type News = { readonly heard: Heard; readonly context: Context }

/** Learns who writes: everybody becomes a contact, by the name that they last gave themselves. */
export const learnContacts = ({ hear }: Pick<Contacts, 'hear'>): Reaction => {
  const known = new LRUCache<string, string>({ max: KEPT })

  /** The last that a batch says about each person; for somebody who is known by that name already, nothing. */
  const newsOf = (batch: readonly Recorded[]) => {
    const news = new Map<string, News>()
    for (const event of batch)
      if (isOf(event, 'ContactDeleted')) {
        known.delete(idOfStream(event.stream))
        news.delete(idOfStream(event.stream))
      } else if (isOf(event, 'MessageReceived') && !event.erased) {
        const { heard, context } = newsFrom(upcast(event))
        if (isGroup(heard.jid)) continue
        const id = contactId(heard.instanceId, heard.jid)
        const latest = later({ heard, context }, news.get(id))
        const { pushName } = latest.heard
        if (known.has(id) && (pushName === undefined || known.get(id) === pushName)) news.delete(id)
        else news.set(id, latest)
      }
    return news
  }

  return {
    name: 'learn-contacts',
    begin: () => known.clear(),
    restMs: REST_MS,
    handle: async (batch) => {
      const learning = [...newsOf(batch)].map(async ([id, { heard, context }]) => {
        const person = await hear(heard, context)
        if (person) known.set(id, person.pushName ?? NAMELESS)
      })
      await Promise.all(learning)
    },
  }
}

/** The later of two, if it says a name; what was imported may be older than what was heard before it. */
const later = (one: News, other: News | undefined): News => {
  if (!other) return one
  const [first, second] = one.heard.at < other.heard.at ? [one, other] : [other, one]
  return second.heard.pushName === undefined && first.heard.pushName !== undefined
    ? { ...second, heard: { ...second.heard, pushName: first.heard.pushName, at: first.heard.at } }
    : second
}

const newsFrom = (event: RecordedOf<'MessageReceived'>): News => {
  const { data, meta } = event
  const { instanceId, sender: jid, senderName, importedAt } = data
  const pushName = heardName(senderName)
  return {
    heard: {
      instanceId,
      jid,
      ...(pushName !== undefined && { pushName }),
      at: importedAt === undefined ? meta.at : data.at,
    },
    context: causedBy(event, { kind: 'gateway' }),
  }
}
