import { upcast } from '../../domain/catalogue.ts'
import { START, type EventStore } from '../../ports/event-store.ts'
import { isOf } from '../../projections/projection.ts'
import { readLog } from '../../read-log.ts'

/** That somebody who is reached by one JID is known by another one. */
type Link = readonly [from: string, to: string]

/** All links between addresses of a tenant, by instance, as far as they can still be read. `stored`: sealed. */
export const linksOf = async (
  { store, stored }: { readonly store: EventStore; readonly stored: EventStore },
  tenant: string,
): Promise<ReadonlyMap<string, readonly Link[]>> => {
  const links = new Map<string, Link[]>()
  for await (const batch of readLog(stored, START, await stored.head())) {
    const own = batch.filter(({ type, meta }) => type === 'AddressLinked' && meta.tenant === tenant)
    const streams = [...new Set(own.map(({ stream }) => stream))]
    const read = await Promise.all(streams.map((stream) => store.readStream(stream)))
    for (const event of read.flat()) {
      if (!isOf(event, 'AddressLinked') || event.erased) continue
      const { instanceId, from, to } = upcast(event).data
      const known = links.get(instanceId) ?? []
      known.push([from, to])
      links.set(instanceId, known)
    }
  }
  return links
}

/** All JIDs that lead to the same person as one of them. */
export const namesOf = (jid: string, links: readonly Link[]): readonly string[] => {
  const names = new Set([jid])
  for (let before = 0; before < names.size;) {
    before = names.size
    for (const link of links)
      if (link.some((name) => names.has(name))) link.forEach((name) => names.add(name))
  }
  return [...names]
}
