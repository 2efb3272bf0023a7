import type { Pool } from 'pg'
import { START, type Position, type Recorded } from '../ports/event-store.ts'
import { readCheckpoint } from '../projections/checkpoint.ts'
import { chained, HASH_KEPT_BYTES, hashOf, NO_DIGEST } from './digest.ts'

/** A part of the log, and the digest of all the log up to its end. Links follow each other without gaps. */
export type Link = {
  /** So many events come before it in the log. */
  readonly before: number
  /** So many events are in the log up to its end. */
  readonly events: number
  /** Positions of its first and its last event. */
  readonly first: Position
  readonly last: Position
  readonly digest: Buffer
  /** The first bytes of each event's hash, one after the other. */
  readonly hashes: Buffer
}

/** What the first link follows. */
export const NO_LINK: Link = {
  ...{ before: 0, events: 0, first: START, last: START },
  ...{ digest: NO_DIGEST, hashes: Buffer.alloc(0) },
}

/** The link of the events that follow another one. */
export const linkAfter = (link: Link, events: readonly Recorded[]): Link => {
  const hashes = events.map(hashOf)
  return {
    before: link.events,
    events: link.events + events.length,
    first: events[0]?.position ?? link.last,
    last: events.at(-1)?.position ?? link.last,
    digest: hashes.reduce(chained, link.digest),
    hashes: Buffer.concat(hashes.map((hash) => hash.subarray(0, HASH_KEPT_BYTES))),
  }
}

type Row = Omit<Link, 'first' | 'last'> & { readonly first: string; readonly last: string }
const COLUMNS = 'before, events, first_position::text as first, last_position::text as last, digest, hashes'
const linkOf = ({ first, last, ...row }: Row): Link => ({ ...row, first: BigInt(first), last: BigInt(last) })

export const lastLink = async (pool: Pool): Promise<Link> => {
  const { rows } = await pool.query<Row>(`select ${COLUMNS} from log_digest order by before desc limit 1`)
  return rows[0] ? linkOf(rows[0]) : NO_LINK
}

/** Some of the links that begin after so many events, in order. */
export const readLinks = async (pool: Pool, fromEvents: number, max: number): Promise<readonly Link[]> => {
  const { rows } = await pool.query<Row>({
    name: 'read-links',
    text: `select ${COLUMNS} from log_digest where before >= $1 order by before limit $2`,
    values: [fromEvents, max],
  })
  return rows.map(linkOf)
}

/** What is kept of it in the table of checkpoints. */
export const CHAIN = 'chain'

/** How far the chain has ever come: further than its last link if rows were taken away from its end. */
export const everChained = (pool: Pool): Promise<Position> => readCheckpoint(pool, CHAIN)

/** Adds a link to the one that it follows. Answers false, and adds nothing, if that one is not the last. */
export const addLink = async (pool: Pool, link: Link, follows: Link): Promise<boolean> => {
  const { rowCount } = await pool.query({
    name: 'add-link',
    text: `with added as (
             insert into log_digest (before, events, first_position, last_position, digest, hashes)
             select $1, $2, $3, $4, $5, $6
             where $1::bigint = 0 or exists (select from log_digest where events = $1 and digest = $7)
             on conflict do nothing returning last_position
           )
           insert into checkpoint as present (name, version, position) select $8, 1, last_position from added
           on conflict (name) do update set position = excluded.position, updated_at = now()`,
    values: [
      link.before,
      link.events,
      String(link.first),
      String(link.last),
      link.digest,
      link.hashes,
      follows.digest,
      CHAIN,
    ],
  })
  return rowCount === 1
}
