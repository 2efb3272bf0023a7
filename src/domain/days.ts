/** Every time zone in use is whole quarters of an hour off UTC, so that a day is made of such slots. */
export const SLOT_MS = 15 * 60 * 1000
const DAY_MS = 24 * 60 * 60 * 1000
/** No place is further from UTC than this. */
const OFFSET_MAX_MS = 15 * 60 * 60 * 1000

/** Start of the slot that a time is in, Unix milliseconds. */
export const slotOf = (at: number) => Math.floor(at / SLOT_MS) * SLOT_MS

/** Making a format takes far longer than using it. */
const formats = new Map<string, Intl.DateTimeFormat>()
const formatOf = (timeZone: string) => {
  const known = formats.get(timeZone)
  if (known) return known
  const options = { timeZone, year: 'numeric', month: '2-digit', day: '2-digit' } as const
  const format = new Intl.DateTimeFormat('en-u-ca-gregory-nu-latn', options)
  formats.set(timeZone, format)
  return format
}

/** The date (`2025-01-15`) in a time zone at a moment. */
export const dateAt = (at: number, timeZone: string): string => {
  const parts = formatOf(timeZone).formatToParts(at)
  const valueOf = (type: 'year' | 'month' | 'day') => parts.find((part) => part.type === type)?.value ?? ''
  return `${valueOf('year').padStart(4, '0')}-${valueOf('month')}-${valueOf('day')}`
}

const utc = (date: string) => Date.parse(`${date}T00:00:00Z`)
const dateOfUtc = (at: number) => new Date(at).toISOString().slice(0, 'YYYY-MM-DD'.length)

export const addDays = (date: string, days: number) => dateOfUtc(utc(date) + days * DAY_MS)
/** How many days after one date another one is. */
export const daysBetween = (from: string, to: string) => Math.round((utc(to) - utc(from)) / DAY_MS)
/** The dates from one to another, both included. */
export const datesBetween = (from: string, to: string): string[] =>
  Array.from({ length: daysBetween(from, to) + 1 }, (_, n) => addDays(from, n))

/** Sunday is 0. */
const weekday = (date: string) => new Date(utc(date)).getUTCDay()
export const mondayOf = (date: string) => addDays(date, -((weekday(date) + 6) % 7))
export const firstOfMonth = (date: string) => `${date.slice(0, 'YYYY-MM'.length)}-01`

/**
 * The moment at which a date begins in a time zone, Unix milliseconds: the first slot of that date. That is midnight,
 * or the first slot after it where the clocks skip midnight. A date that a zone skipped begins with the one after it.
 */
export const startOfDay = (date: string, timeZone: string): number => {
  let before = utc(date) - OFFSET_MAX_MS
  let after = utc(date) + OFFSET_MAX_MS
  while (after - before > SLOT_MS) {
    const middle = slotOf((before + after) / 2)
    if (dateAt(middle, timeZone) < date) before = middle
    else after = middle
  }
  return after
}

/** Seconds until the next day begins in a time zone, at least 1. */
export const secondsToMidnight = (at: number, timeZone: string): number =>
  Math.max(1, Math.ceil((startOfDay(addDays(dateAt(at, timeZone), 1), timeZone) - at) / 1000))
