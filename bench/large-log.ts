import type { ZapiniEvent } from '../src/domain/catalogue.ts'
import { newId } from '../src/domain/ids.ts'
import type { Metadata } from '../src/domain/metadata.ts'
import { NO_STREAM, type EventStore } from '../src/ports/event-store.ts'
import { businessOf, type Told } from './large-log-business.ts'

const TENANT = '0190d0a0-0000-7000-8000-0000000a0001'
const NEIGHBOUR = '0190d0a0-0000-7000-8000-0000000a0002'
/** Every tenth event is of the second tenant. */
const NEIGHBOUR_SHARE = 0.1
/** Appends that are on their way at once; those of one stream go together. */
const PORTION = 2000
const YEAR_MS = 365 * 86_400_000

/** A generator of numbers between 0 and 1 that gives the same ones every time (mulberry32). */
const randomFrom = (seed: number) => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** So many events of two tenants over a year, in the order of the log. */
function* largeLog(events: number, until: number): Generator<Told & { readonly tenant: string }> {
  const random = randomFrom(20_250_115)
  // A serial number is given once, whoever the tenant is.
  let [conversations, messages, others] = [0, 0, 0]
  const numbers = {
    conversation: () => (conversations += 1),
    message: () => (messages += 1),
    other: () => (others += 1),
  }
  const timeOf = (n: number) => until - YEAR_MS + Math.floor((n / events) * YEAR_MS)
  const businesses = [
    { tenant: TENANT, share: 1 - NEIGHBOUR_SHARE },
    { tenant: NEIGHBOUR, share: NEIGHBOUR_SHARE },
  ].map(({ tenant, share }) => ({
    tenant,
    next: businessOf({ tenant, events: Math.ceil(events * share), random, numbers }),
  }))
  for (let n = 0; n < events; n++) {
    const business = businesses[random() < NEIGHBOUR_SHARE ? 1 : 0]
    if (business) yield { ...business.next(new Date(timeOf(n)).toISOString()), tenant: business.tenant }
  }
}

const metaOf = (tenant: string, { data }: ZapiniEvent): Metadata => ({
  tenant,
  actor: { kind: 'gateway' },
  correlation: newId(),
  version: 1,
  at: data.at,
})

type Portion = Map<string, { readonly tenant: string; readonly event: ZapiniEvent }[]>

/** Writes a large log through the port, so that its events are stored as those of the program are. */
export const loadLargeLog = async (
  store: EventStore,
  events: number,
  until: number,
  onProgress: (text: string) => void,
) => {
  const revisions = new Map<string, number>()
  let portion: Portion = new Map()
  const write = async () => {
    const appends = [...portion].map(async ([stream, told]) => {
      const revision = revisions.get(stream) ?? NO_STREAM
      revisions.set(stream, revision + told.length)
      await store.append(
        stream,
        revision,
        told.map(({ tenant, event }) => ({ ...event, id: newId(), meta: metaOf(tenant, event) })),
      )
    })
    await Promise.all(appends)
    portion = new Map()
  }
  let count = 0
  for (const { stream, event, tenant } of largeLog(events, until)) {
    portion.set(stream, [...(portion.get(stream) ?? []), { tenant, event }])
    if (++count % PORTION > 0) continue
    await write()
    onProgress(`${count} of ${events} events`)
  }
  await write()
}
