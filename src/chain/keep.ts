import type { Pool } from 'pg'
import type { EventStore } from '../ports/event-store.ts'
import { createReactionRunner, type ReactionRunner } from '../reactions/runner.ts'
import { gathered } from './gather.ts'
import { addLink, CHAIN, everChained, lastLink, linkAfter, NO_LINK, type Link } from './links.ts'

/** A link has so many events at most, or those of so much time: a busy log costs a row now and then. */
const EVENTS_MAX = 1000
const GATHER_MS = 1000
const TELL_EVERY_MS = 86_400_000

type Options = {
  readonly pool: Pool
  /** As events are stored: what is sealed stays sealed. */
  readonly stored: EventStore
  /** Hears of the digest once a day, and when it stops. Noted outside, it tells whether log and chain were made anew. */
  readonly onDigest: (link: Link) => void
  readonly onError: (error: unknown) => void
}

/** Keeps the hash chain over the log, from its own last link on. For one node at a time; a second one adds nothing. */
export const createChainKeeper = ({ pool, stored, onDigest, onError }: Options): ReactionRunner => {
  let last = NO_LINK
  let told = NO_LINK
  let tellAt = Infinity

  const tell = () => {
    if (last.events === told.events) return
    told = last
    tellAt = performance.now() + TELL_EVERY_MS
    onDigest(last)
  }

  const load = async () => {
    const ever = await everChained(pool)
    last = await lastLink(pool)
    tellAt = performance.now() + TELL_EVERY_MS
    if ((await stored.head()) < last.last)
      throw new Error(
        `The log ends before position ${last.last}, up to which its digest is known: events are missing. "zapini verify" says which.`,
      )
    if (last.last < ever)
      throw new Error(
        `The table log_digest ends at position ${last.last}, and has been at ${ever}: rows were taken away from it. "zapini verify" says what is known of the log.`,
      )
    return last.last
  }

  return createReactionRunner({
    pool,
    store: {
      subscribeToAll: (after, signal) =>
        gathered((until) => stored.subscribeToAll(after, until), signal, { max: EVENTS_MAX, ms: GATHER_MS }),
    },
    reaction: {
      name: CHAIN,
      handle: async (events) => {
        const link = linkAfter(last, events)
        if (!(await addLink(pool, link, last)))
          throw new Error(`Somebody else wrote what follows ${last.events} events in the table log_digest`)
        last = link
        if (performance.now() > tellAt) tell()
      },
    },
    // Its checkpoint is its last link.
    progress: {
      load,
      position: () => last.last,
      moveTo: () => {},
      flush: () => Promise.resolve(tell()),
    },
    onError,
  })
}
