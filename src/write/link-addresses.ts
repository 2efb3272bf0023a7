import { LRUCache } from 'lru-cache'
import { contactId, conversationId } from '../domain/ids.ts'
import type { Context } from '../domain/metadata.ts'
import { personOf } from '../domain/values.ts'
import type { AddressLink } from '../ports/gateway.ts'
import type { Turns } from '../ports/turns.ts'
import { recordLink, type Addresses } from './addresses.ts'
import type { Contacts } from './contacts.ts'
import type { Conversations } from './conversations.ts'
import type { Transact } from './transact.ts'

const KEPT = 50_000

type Parts = {
  readonly transact: Transact
  readonly inTurn: Turns
  readonly addresses: Addresses
  readonly conversations: Pick<Conversations, 'mergeInto' | 'find'>
  readonly contacts: Pick<Contacts, 'mergeInto' | 'find'>
}

/**
 * Two JIDs turn out to be one person: what is known by the one becomes part of what is known by the other. Each step
 * is done once, so that the same link told again completes what a crash left undone. An address has one link, for good:
 * what is told of it later, and a link that would lead back to it, is not believed.
 */
export const createLinkAddresses = ({ transact, inTurn, addresses, conversations, contacts }: Parts) => {
  /** Links that are done with, so that the gateway can tell them with every message. */
  const done = new LRUCache<string, string>({ max: KEPT })

  /** Whether what is known by one JID is part of what is known by the other, also if the link that led there was erased. */
  const isPartOf = async (instanceId: string, part: string, whole: string) => {
    const [conversation, contact] = await Promise.all([
      conversations.find(instanceId, part, true),
      contacts.find({ instanceId, jid: part }),
    ])
    return (
      conversation.id === conversationId(instanceId, whole) || contact.id === contactId(instanceId, whole)
    )
  }

  return async (instanceId: string, link: AddressLink, context: Context): Promise<void> => {
    const [from, told] = [personOf(link.from), personOf(link.to)]
    if (from === undefined || told === undefined || from === told) return
    const key = `${instanceId} ${from}`
    if (done.get(key) === told) return
    // Of two links that together lead round in a circle, each has to see the other.
    await inTurn(`addresses of ${instanceId}`, async () => {
      const before = await addresses.linkOf(instanceId, from)
      const leadsBack =
        (await addresses.nameOf(instanceId, told)) === from || (await isPartOf(instanceId, told, from))
      if (before === undefined && !leadsBack)
        await recordLink(transact, { instanceId, from, to: told, at: link.at }, context)
      const to = await addresses.nameOf(instanceId, from)
      if (to === from) return
      await conversations.mergeInto({ instanceId, from, to }, context)
      await contacts.mergeInto({ instanceId, from, to }, context)
    })
    done.set(key, told)
  }
}
export type LinkAddresses = ReturnType<typeof createLinkAddresses>
