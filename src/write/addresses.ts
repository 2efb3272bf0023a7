import { LRUCache } from 'lru-cache'
import { Address, link } from '../domain/address.ts'
import { addressId } from '../domain/ids.ts'
import type { Context } from '../domain/metadata.ts'
import { isGroup } from '../domain/values.ts'
import type { Load, Transact } from './transact.ts'

const KEPT = 50_000
/** How long somebody who writes in a group is believed to have no other name. */
const BELIEVED_MS = 30_000

/** By which JID people are known who can be reached by several. */
export const createAddresses = ({ load }: { readonly load: Load }) => {
  /** A link is for good. */
  const links = new LRUCache<string, string>({ max: KEPT })
  const unlinked = new LRUCache<string, true>({ max: KEPT, ttl: BELIEVED_MS })

  const linkOf = async (instanceId: string, jid: string): Promise<string | undefined> => {
    const id = addressId(instanceId, jid)
    const to = links.get(id) ?? (await load(Address, id)).state.to
    if (to !== undefined) links.set(id, to)
    return to
  }

  /** The JID that a person is known by; that of a group is its only one. */
  const nameOf = async (instanceId: string, jid: string): Promise<string> => {
    if (isGroup(jid)) return jid
    const seen = new Set([jid])
    for (let name = jid; ;) {
      const to = await linkOf(instanceId, name)
      if (to === undefined || seen.has(to)) return name
      seen.add((name = to))
    }
  }

  /** The same for each message of a group: a link of the last seconds may be missed. */
  const believedNameOf = async (instanceId: string, jid: string): Promise<string> => {
    const id = addressId(instanceId, jid)
    if (unlinked.has(id) && !links.has(id)) return jid
    const name = await nameOf(instanceId, jid)
    if (name === jid) unlinked.set(id, true)
    return name
  }

  return { linkOf, nameOf, believedNameOf }
}
export type Addresses = ReturnType<typeof createAddresses>

/** Takes down that `from` is another name of `to`. */
export const recordLink = (
  transact: Transact,
  { instanceId, from, to, at }: { instanceId: string; from: string; to: string; at: string },
  context: Context,
) =>
  transact(Address, addressId(instanceId, from), link(instanceId, from, to, at), context, { expectNew: true })
