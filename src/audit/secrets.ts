const HIDDEN = '[hidden]'

/** What opens something: hashes of passwords and tokens, keys of signatures, codes to pair with, addresses of files. */
export const SECRETS: ReadonlySet<string> = new Set([
  'passwordHash',
  'hash',
  'hookSecret',
  'secret',
  'qr',
  'key',
])

/** A copy of the data of an event in which nothing is that opens anything. */
export const withoutSecrets = (data: object): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(data).map(([name, value]: [string, unknown]) => [
      name,
      SECRETS.has(name) && typeof value === 'string' ? HIDDEN : hiddenIn(value),
    ]),
  )

const hiddenIn = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(hiddenIn)
  return typeof value === 'object' && value !== null ? withoutSecrets(value) : value
}
