import pg from 'pg'

const INT8 = 20
const TIMESTAMPTZ = 1184
const isoTime = (text: string) => new Date(text).toISOString()

/** Numbers stay below 2^53 and times are ISO 8601 in UTC everywhere, as they are in events and in answers. */
const types = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') => {
    if (oid === INT8) return Number
    if (oid === TIMESTAMPTZ) return isoTime
    return pg.types.getTypeParser(oid, format ?? 'text')
  },
}

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
