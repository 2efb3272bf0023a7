import pg from 'pg'

/** Numbers stay below 2^53 and times are ISO 8601 in UTC everywhere, as they are in events and in answers. */
const types = new pg.TypeOverrides()
types.setTypeParser(pg.types.builtins.INT8, Number)
types.setTypeParser(pg.types.builtins.TIMESTAMPTZ, (text) => new Date(text).toISOString())

type PoolOptions = {
  readonly max: number
  /** `false`: a commit may be lost when the database itself crashes. Only for what is done again then. */
  readonly durable?: boolean
  readonly onError: (error: Error) => void
}

export const createPool = (connectionString: string, { max, durable = true, onError }: PoolOptions) => {
  const pool = new pg.Pool({
    connectionString,
    max,
    types,
    connectionTimeoutMillis: 10_000,
    idleTimeoutMillis: 0,
    application_name: 'zapini',
    ...(!durable && { options: '-c synchronous_commit=off' }),
  })
  // An idle connection that breaks is replaced by the pool; without a listener the error would end the process.
  pool.on('error', onError)
  return pool
}
