/** What WhatsApp gives, of which nothing is sure to be there, or of the type that it should have. */
export type Fields = Readonly<Record<string, unknown>>

export const fieldsOf = (value: unknown): Fields | undefined => (isFields(value) ? value : undefined)
const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

const SAFE_HIGH = 2 ** 21
/** A whole number that is not negative, also as the text or the pair of halves (`Long`) that protobuf makes of big ones. */
export const countOf = (value: unknown): number | undefined => {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? value : undefined
  if (typeof value === 'string') return /^\d{1,15}$/.test(value) ? Number(value) : undefined
  const { low, high } = fieldsOf(value) ?? {}
  if (typeof low !== 'number' || typeof high !== 'number') return undefined
  return high >= 0 && high < SAFE_HIGH ? Math.trunc(high) * 2 ** 32 + (low >>> 0) : undefined
}

/** A text, if there is one. */
export const filled = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined)
