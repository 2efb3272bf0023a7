import { invalid } from '../domain/errors.ts'

const FIRST = '1970-01-01T00:00:00.000Z'
const LAST = '9999-12-31T23:59:59.999Z'

/** As events keep times: ISO 8601 in UTC. */
export const now = () => new Date().toISOString()

/**
 * ISO 8601 in UTC of a time that a caller gives, as text or as Unix milliseconds. Times outside the years 1970 to 9999
 * are refused by the name of `field`: not everything that stores events and rows could keep them.
 */
export const timeOf = (given: string | number, field: string): string => {
  const time = new Date(given)
  const text = Number.isNaN(time.getTime()) ? '' : time.toISOString()
  // Beyond the year 9999 the text has a sign in front, and so comes before all others.
  if (text < FIRST || text > LAST)
    throw invalid(field, 'must be a time between 1970 and 9999 such as 2025-01-15T10:30:00Z')
  return text
}
