import type { Pool } from 'pg'
import type { Node } from '../../ports/leases.ts'

/** A row for each lease that ever was: one that is free keeps its term. `node` is empty once it was given back. */
export const leaseTable = `
create table lease (
  name text primary key,
  node text not null,
  url text not null,
  term integer not null,
  until timestamptz not null
) with (fillfactor = 50);`

/** A node takes so many free leases at one look, and of those beyond a quarter, so that others find some as well. */
const FIRST = 8
const SHARE = 4

/**
 * Takes leases that are free, those first that were asked for first. One that this node has in the table, and does not
 * know of, was taken by a statement whose answer got lost. Rows are locked in the order of their names, here and below,
 * so that no two nodes wait for each other.
 */
const ACQUIRE = `
with free as (
  select w.name, row_number() over (order by w.n) as place
  from unnest($1::text[]) with ordinality w(name, n) left join lease l on l.name = w.name
  where l.name is null or l.until <= now() or l.node = $2
), chosen as (
  select name from free order by place > ${FIRST}, random()
  limit (select ${FIRST} + ceil(greatest(count(*) - ${FIRST}, 0) / ${SHARE}.0) from free)
)
insert into lease as present (name, node, url, term, until)
select name, $2, $3, 1, now() + make_interval(secs => $4) from chosen order by name
on conflict (name) do update
  set node = excluded.node, url = excluded.url, term = present.term + 1, until = excluded.until
  where present.until <= now() or present.node = $2
returning name, term`

const OWN = `
with own as (
  select l.name from lease l join unnest($1::text[], $2::integer[]) w(name, term) on l.name = w.name and l.term = w.term
  where l.node = $3 order by l.name for update of l
)`

const RENEW = `${OWN}
update lease l set until = now() + make_interval(secs => $4) from own where l.name = own.name returning l.name`

const RELEASE = `${OWN}
update lease l set node = '', until = now() from own where l.name = own.name`

const HOLDERS = `
select name as lease, node as name, url from lease where name = any($1::text[]) and node <> '' and until > now()`

/** A lease of this node. */
export type Own = { readonly name: string; readonly term: number }

const columnsOf = (own: readonly Own[]) => [own.map(({ name }) => name), own.map(({ term }) => term)]

/** The table as one node sees it; whatever is done is done to many leases at once. */
export const leasesOf = (pool: Pool, node: Node, leaseSeconds: number) => ({
  /** Takes a share of those that are free. */
  async acquire(names: readonly string[]): Promise<readonly Own[]> {
    const values = [names, node.name, node.url, leaseSeconds]
    return (await pool.query<Own>({ name: 'acquire-leases', text: ACQUIRE, values })).rows
  },

  /** Answers the names of those that were still held by this node, under the same term. */
  async renew(own: readonly Own[]): Promise<ReadonlySet<string>> {
    const values = [...columnsOf(own), node.name, leaseSeconds]
    const { rows } = await pool.query<{ name: string }>({ name: 'renew-leases', text: RENEW, values })
    return new Set(rows.map(({ name }) => name))
  },

  async release(own: readonly Own[]): Promise<void> {
    await pool.query({ name: 'release-leases', text: RELEASE, values: [...columnsOf(own), node.name] })
  },

  async holders(names: readonly string[]): Promise<ReadonlyMap<string, Node>> {
    const query = { name: 'lease-holders', text: HOLDERS, values: [names] }
    const { rows } = await pool.query<Node & { lease: string }>(query)
    return new Map(rows.map(({ lease, name, url }) => [lease, { name, url }]))
  },
})
