/** Where an answer may differ from the one that is documented. A field is named by the end of its path. */
export type Rules = {
  /** Data of the document's example world: only type and format count. */
  readonly varies?: readonly string[]
  /** May be null, though the document shows a value. */
  readonly orNull?: readonly string[]
  /** Items of a documented list that contradict the documented request, such as `data.tags.2`. */
  readonly except?: readonly string[]
  /** Texts of which the very same are expected, whatever their form. */
  readonly exact?: readonly string[]
}

type Format = {
  readonly name: string
  /** How the document shows it, which may be shortened with dots. */
  readonly shown: RegExp
  /** How it is, if that is not the same. */
  readonly is?: RegExp
}

/** No two values of these are ever the same, so the document's own value is never expected. */
const unique: readonly Format[] = [
  { name: 'a UUID', shown: /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/ },
  { name: 'a time in seconds with Z', shown: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/ },
  { name: 'a time in milliseconds with Z', shown: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/ },
  { name: 'a time in microseconds with Z', shown: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/ },
  { name: 'a time with +00:00', shown: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$/ },
  {
    name: 'a PNG as data URL',
    shown: /^data:image\/png;base64,/,
    is: /^data:image\/png;base64,[A-Za-z0-9+/]{100,}={0,2}$/,
  },
  { name: 'a QR text', shown: /^2@/ },
  { name: 'an invite link', shown: /^https:\/\/chat\.whatsapp\.com\/\w+$/ },
  { name: 'a URL', shown: /^https?:\/\// },
  { name: 'a WhatsApp id', shown: /^3EB0[0-9A-F]{8,}$/ },
  { name: 'a media id', shown: /^media_\w+$/ },
  { name: 'a token', shown: /^\d+\|\S+$/ },
  { name: 'a hex SHA-256', shown: /^[0-9a-f]+\.\.\.$/, is: /^[0-9a-f]{64}$/ },
]
/** What else a string can look like; counts where its value is free. */
const shaped: readonly Format[] = [
  { name: 'digits', shown: /^\d+$/ },
  { name: 'a colour', shown: /^#[0-9a-f]{6}$/ },
  { name: 'a JID of a person', shown: /^\d+@s\.whatsapp\.net$/ },
  { name: 'a JID of a group', shown: /^\d+@g\.us$/ },
]

/**
 * What an answer lacks of the documented one, in words; empty if it is as documented. Fields beyond the documented ones
 * are fine. Every documented item of a list has to have its like among the actual ones, and all of these the same keys.
 */
export const differences = (documented: unknown, actual: unknown, rules: Rules = {}): string[] =>
  compare(documented, actual, rules, '')

const compare = (documented: unknown, actual: unknown, rules: Rules, path: string): string[] => {
  if (actual === undefined) return [`${path} is missing`]
  if (actual === null && documented !== null && isNamed(rules.orNull, path)) return []
  if (typeOf(actual) !== typeOf(documented))
    return [`${path} is of type ${typeOf(actual)}, not ${typeOf(documented)}`]
  if (Array.isArray(documented)) return compareLists(documented, asList(actual), rules, path)
  if (isObject(documented)) {
    const fields = isObject(actual) ? actual : {}
    return Object.entries(documented).flatMap(([key, value]) =>
      compare(value, fields[key], rules, path === '' ? key : `${path}.${key}`),
    )
  }
  return compareValues(documented, actual, rules, path)
}

const compareLists = (
  documented: readonly unknown[],
  actual: readonly unknown[],
  rules: Rules,
  path: string,
): string[] => {
  const [first] = documented
  if (first === undefined)
    return actual.length === 0 || isNamed(rules.varies, path) ? [] : [`${path} is not empty`]
  if (actual.length === 0) return [`${path} is empty`]
  const unlike = documented.flatMap((item, n) => {
    const place = `${path}.${n}`
    if (rules.except?.includes(place)) return []
    const [closest = []] = actual
      .map((candidate) => compare(item, candidate, rules, place))
      .toSorted((one, other) => one.length - other.length)
    return closest
  })
  const keyless = actual.flatMap((item, n) =>
    missingKeys(first, item).map((key) => `${path}[${n}] lacks ${key}`),
  )
  return [...unlike, ...keyless]
}

const missingKeys = (documented: unknown, actual: unknown): string[] =>
  isObject(documented)
    ? Object.keys(documented).filter((key) => !isObject(actual) || !Object.hasOwn(actual, key))
    : []

const compareValues = (documented: unknown, actual: unknown, rules: Rules, path: string): string[] => {
  const isFree = isNamed(rules.varies, path)
  if (typeof documented === 'string' && typeof actual === 'string' && !rules.exact?.includes(documented)) {
    const format = (isFree ? [...unique, ...shaped] : unique).find(({ shown }) => shown.test(documented))
    if (format)
      return (format.is ?? format.shown).test(actual) ? [] : [`${path} is ${actual}, not ${format.name}`]
    if (isFree) return actual === '' ? [`${path} is an empty text`] : []
  }
  if (isFree || actual === documented) return []
  return [`${path} is ${JSON.stringify(actual)}, not ${JSON.stringify(documented)}`]
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const asList = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

const typeOf = (value: unknown): string => {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'list'
  return Number.isInteger(value) ? 'integer' : typeof value
}

/** Whether a rule names the field: `unread_count` or `data.unread_count` names `data.3.unread_count`. */
const isNamed = (names: readonly string[] | undefined, path: string): boolean => {
  const plain = path.replace(/\.\d+(?=\.|$)/g, '')
  return names?.some((name) => plain === name || plain.endsWith(`.${name}`)) ?? false
}
