import type { Pool, PoolClient } from 'pg'

export type Query = { readonly text: string; readonly values: readonly unknown[] }
/** One after the other; the queries of a turn at the same time. */
export type Turns = readonly (readonly Query[])[]

const isNamed = (value: unknown): value is { text: string; values?: unknown[] } =>
  typeof value === 'object' && value !== null && 'text' in value

const queryOf = ([what, values]: readonly unknown[]): Query => {
  if (isNamed(what)) return { text: what.text, values: what.values ?? [] }
  return { text: String(what), values: Array.isArray(values) ? (values as unknown[]) : [] }
}

/**
 * Listens to what a pool is asked. Answers turns: what is asked while something else is being answered belongs to the
 * same turn.
 */
export const recordQueries = (pool: Pool) => {
  let turns: Query[][] = []
  let clientsOut = 0
  const watched = new WeakSet<PoolClient>()

  const watch = (client: PoolClient) => {
    watched.add(client)
    client.query = new Proxy(client.query, {
      apply: (query, self, args: unknown[]) => {
        turns.at(-1)?.push(queryOf(args))
        return Reflect.apply(query, self, args) as unknown
      },
    })
  }
  pool.on('acquire', (client) => {
    if (!watched.has(client)) watch(client)
    if (clientsOut++ === 0) turns.push([])
  })
  pool.on('release', () => clientsOut--)

  /** What is asked while a task runs. */
  return async (task: () => Promise<unknown>): Promise<Turns> => {
    const recorded: Query[][] = (turns = [])
    await task()
    turns = []
    return recorded.filter((turn) => turn.length > 0)
  }
}
