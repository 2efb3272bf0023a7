import { chained, HASH_KEPT_BYTES, hashOf, NO_DIGEST } from '../../chain/digest.ts'
import { NO_LINK, type Link } from '../../chain/links.ts'
import type { Recorded } from '../../ports/event-store.ts'
import { align } from './align.ts'
import { at, type EventPlace, type TellLog } from './findings.ts'

/** Links read at once. */
const PAGE = 100

type Seen = { readonly place: EventPlace; readonly hash: Buffer }

type Options = {
  /** Some of the links that begin after so many events. */
  readonly readLinks: (fromEvents: number, max: number) => Promise<readonly Link[]>
  /** The last link to compare with. */
  readonly last: Link
  readonly tell: TellLog
}

const namesOf = (hashes: Buffer) =>
  Array.from({ length: Math.floor(hashes.length / HASH_KEPT_BYTES) }, (_, n) =>
    hashes.toString('hex', n * HASH_KEPT_BYTES, (n + 1) * HASH_KEPT_BYTES),
  )

/** Compares the log with its chain, link by link: is told the log in order, tells of every event that is another. */
export const createChainCheck = ({ readLinks, last, tell }: Options) => {
  let page: Link[] = []
  let isRead = last === NO_LINK
  /** The link whose events are seen now, and the one before it. */
  let link: Link | undefined
  let previous = NO_LINK
  let seen: Seen[] = []
  /** Of the log as it is: how many events have come, and their digest. */
  let events = 0
  let digest: Buffer = NO_DIGEST
  let before: EventPlace | undefined

  const nextLink = async (): Promise<Link | undefined> => {
    if (page.length === 0 && !isRead) {
      const links = await readLinks(previous === NO_LINK ? 0 : previous.before + 1, PAGE)
      page = links.filter((one) => one.before <= last.before)
      isRead = page.length === 0
    }
    const next = page.shift()
    if (next && next.before !== previous.events)
      tell({
        kind: 'chain',
        what: `log_digest has no row for the events ${previous.events + 1} to ${next.before} of the log`,
      })
    return next
  }

  /** Of which hashes and digest are right tells what was changed: events, or what is said of them. */
  const close = (closing: Link) => {
    const row = `the row of log_digest for the events ${closing.before + 1} to ${closing.events}`
    const hashes = Buffer.concat(seen.map(({ hash }) => hash.subarray(0, HASH_KEPT_BYTES)))
    const isSame = hashes.equals(closing.hashes) && seen.length === closing.events - closing.before
    const follows = (digestAt: Buffer) =>
      seen.reduce((so, { hash }) => chained(so, hash), digestAt).equals(closing.digest)
    // After an earlier difference the log's own digest fits no more, and that of the link before may.
    const fits =
      digest.equals(closing.digest) || (previous.events === closing.before && follows(previous.digest))
    if (fits && !isSame)
      tell({ kind: 'chain', what: `${row} was changed: its hashes are not those of its events` })
    else if (!fits && isSame)
      tell({ kind: 'chain', what: `${row} was changed: its digest is not that of its events` })
    else if (!fits) compare(namesOf(closing.hashes), namesOf(hashes))
    else if (seen[0]?.place.position !== closing.first || seen.at(-1)?.place.position !== closing.last)
      tell({ kind: 'chain', what: `${row} names other positions than those of its events` })
    previous = closing
    before = seen.at(-1)?.place ?? before
    seen = []
  }

  const compare = (was: readonly string[], is: readonly string[]) => {
    for (const found of align(was, is)) {
      const place = seen[found.is]?.place
      switch (found.kind) {
        case 'changed':
          if (place) tell({ ...at(place), kind: 'changed', what: 'is not the event that was recorded here' })
          break
        case 'added':
          if (place) tell({ ...at(place), kind: 'added', what: 'was not recorded: it has been added' })
          break
        case 'moved':
          if (place) tell({ ...at(place), kind: 'moved', what: 'was recorded at another place' })
          break
        case 'missing':
          tell({
            kind: 'missing',
            what: `${eventsAre(found.count)} missing ${between(seen[found.is - 1]?.place ?? before, place)}`,
          })
      }
    }
  }

  const take = async (event: Recorded) => {
    const hash = hashOf(event)
    if (events === 0) link = await nextLink()
    while (link && event.position > link.last) {
      close(link)
      link = await nextLink()
    }
    // What stands in a gap of the chain is known by the digest that follows it.
    if (link && (event.position >= link.first || link.before === previous.events))
      seen.push({ place: event, hash })
    digest = chained(digest, hash)
    events++
  }

  /** What the chain knows beyond the end of the log. */
  const end = async () => {
    if (events === 0) link = await nextLink()
    if (link && seen.length > 0) {
      close(link)
      link = await nextLink()
    }
    if (!link) return
    const position = before ? `after position ${before.position}` : 'from the start on'
    tell({
      kind: 'missing',
      what: `${eventsAre(last.events - link.before)} missing ${position}: the chain goes on to position ${last.last}`,
    })
  }

  return { take, end, state: () => ({ events, digest }) }
}

const eventsAre = (count: number) => (count === 1 ? 'an event is' : `${count} events are`)
const named = ({ position, stream, revision }: EventPlace) =>
  `position ${position} (${stream} revision ${revision})`
const between = (one: EventPlace | undefined, other: EventPlace | undefined) =>
  [one && `after ${named(one)}`, other && `before ${named(other)}`].filter(Boolean).join(' and ')
