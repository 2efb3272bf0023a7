import pg from 'pg'

/** Numbers stay below 2^53 and times are ISO 8601 in UTC everywhere, as they are in events and in answers. */
const types = new pg.TypeOverrides()
types.setTypeParser(pg.types.builtins.INT8, Number)
types.setTypeParser(pg.types.builtins.TIMESTAMPTZ, (text) => new Date(text).toISOString())

type PoolOptions = {
  /** What its sessions are called in PostgreSQL. */
  readonly name?: string
  readonly max: number
  readonly onError: (error: Error) => void
}

const poolOf = (
  connectionString: string,
  settings: readonly string[],
  { name = 'zapini', max, onError }: PoolOptions,
  limits: Pick<pg.PoolConfig, 'connectionTimeoutMillis' | 'query_timeout'> = {},
) => {
  const pool = new pg.Pool({
    connectionString,
    max,
    types,
    connectionTimeoutMillis: 10_000,
    idleTimeoutMillis: 0,
    // One that only listens would else never find out that the other end has vanished.
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    application_name: name,
    ...limits,
    ...(settings.length > 0 && { options: settings.map((setting) => `-c ${setting}`).join(' ') }),
  })
  // An idle connection that breaks is replaced by the pool; without a listener the error would end the process.
  // One that the server closes while the pool ends is no loss.
  pool.on('error', (error) => {
    if (!pool.ending) onError(error)
  })
  // One that breaks while somebody has it must not end it either: whatever is asked next over it fails, and it is not used again.
  pool.on('connect', (client) => client.on('error', () => {}))
  return pool
}

/** Every statement has an index, and uses it also while the planner knows nothing of a new table. */
const BY_INDEX = 'enable_seqscan=off'
/** A query gets one processor: the others are for other queries. */
const BY_ONE = 'max_parallel_workers_per_gather=0'
/** Few statements, prepared once and run very often: to plan them anew each time costs more than to run them. */
const PLAN_ONCE = [BY_INDEX, 'plan_cache_mode=force_generic_plan']
const RELAXED = 'synchronous_commit=off'

/** For queries and whatever else has no pool of its own. */
export const createPool = (connectionString: string, options: PoolOptions) =>
  poolOf(connectionString, [BY_INDEX, BY_ONE], options)

/** For the log, and the keys of WhatsApp sessions: what it says is written has to survive a crash of the database. */
export const createLogPool = (connectionString: string, options: PoolOptions) =>
  poolOf(connectionString, PLAN_ONCE, options)

/**
 * For what is made from the log, together with how far it has come: a crash of the database takes back the last
 * fraction of a second of both, and it is made again. So nobody waits for the disk.
 */
export const createWorkPool = (connectionString: string, options: PoolOptions) =>
  poolOf(connectionString, [...PLAN_ONCE, RELAXED], options)

/** What hangs is given up, and tried again over another connection, before a lease can run out of it. */
const LEASE_TIMEOUT_MS = 1500

/** For leases: one connection for what is renewed and taken, one for questions who holds what. */
export const createLeasePool = (connectionString: string, onError: PoolOptions['onError']) =>
  poolOf(
    connectionString,
    [`statement_timeout=${LEASE_TIMEOUT_MS}`],
    { max: 2, onError },
    { connectionTimeoutMillis: LEASE_TIMEOUT_MS, query_timeout: LEASE_TIMEOUT_MS },
  )
/** The database ends a session whose node has vanished within some 20 seconds, where the system would take hours. */
const NOTICING_DEATH = ['tcp_keepalives_idle=10', 'tcp_keepalives_interval=3', 'tcp_keepalives_count=3']

/** For turns: each of its sessions waits for one, for a bounded time, or holds one, and must not outlive its node for long. */
export const createTurnPool = (connectionString: string, options: PoolOptions) =>
  poolOf(connectionString, [...NOTICING_DEATH, 'lock_timeout=10s'], options)
