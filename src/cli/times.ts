import { WrongUsage } from './command.ts'

const DAY = /^\d{4}-\d\d-\d\d/
const TIME = new RegExp(`${DAY.source}(T\\d\\d:\\d\\d(:\\d\\d(\\.\\d+)?)?(Z|[+-]\\d\\d:\\d\\d))?$`)

/** A day that there is: of others, `Date` makes one of the next month. */
const isDay = (day: string) => {
  const time = new Date(day)
  return !Number.isNaN(time.getTime()) && time.toISOString().startsWith(day)
}

/** The time that an option gives, as events keep times: ISO 8601 in UTC. A day alone is its beginning. */
export const timeOf = (given: string, option: string): string => {
  const time = TIME.test(given) && isDay(given.slice(0, 10)) ? new Date(given) : new Date(NaN)
  // Beyond the years of four digits, times would not be in order as text.
  if (Number.isNaN(time.getTime()) || !DAY.test(time.toISOString()))
    throw new WrongUsage(
      `--${option} is a day such as 2026-01-31, in UTC, or a time such as 2026-01-31T08:00:00Z; not ${given}.`,
    )
  return time.toISOString()
}
