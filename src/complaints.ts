import type { ErrorObject } from 'ajv'
import { isObject } from './domain/values.ts'

/** Per field, in dotted form (`steps.0.text`), what has to be done. */
export type Details = Record<string, string[]>

/** ajv's errors in words that a person can act on. Values are not repeated: they may be secret. */
export const complaints = (errors: readonly ErrorObject[]): Details => {
  const details: Details = {}
  for (const error of withoutNoise(errors)) {
    const messages = (details[fieldOf(error)] ??= [])
    const message = messageOf(error)
    if (!messages.includes(message)) messages.push(message)
  }
  return details
}

const fieldOf = ({ instancePath, keyword, params }: ErrorObject): string => {
  const path = instancePath.split('/').slice(1)
  if (keyword === 'required') path.push(String(params['missingProperty']))
  if (keyword === 'additionalProperties') path.push(String(params['additionalProperty']))
  return path.map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~')).join('.') || 'body'
}

const messageOf = (error: ErrorObject): string => {
  const { keyword, params, schema, parentSchema } = error
  const limit = Number(params['limit'])
  switch (keyword) {
    case 'required':
      return 'is required'
    case 'type':
      return `must be ${typeNames(params['type'])}`
    case 'minLength':
      return limit === 1 ? 'must not be empty' : `must be at least ${limit} characters`
    case 'maxLength':
      return `must be at most ${limit} characters`
    case 'minimum':
      return `must be at least ${limit}`
    case 'maximum':
      return `must be at most ${limit}`
    case 'minItems':
      return `must have at least ${counted(limit)}`
    case 'maxItems':
      return `must have at most ${counted(limit)}`
    case 'uniqueItems':
      return 'must not name the same item twice'
    case 'enum':
      return `must be one of: ${listed(schema)}`
    case 'const':
      return `must be ${String(schema)}`
    case 'format':
      return `must be ${formatNames[String(schema)] ?? `a valid ${String(schema)}`}`
    case 'pattern':
      return `must have the form ${String(schema)}`
    case 'anyOf':
      return choices(parentSchema?.['anyOf']) ?? 'must have one of the documented forms'
    case 'additionalProperties':
      return 'is not a known field'
    default:
      return error.message ?? 'is not valid'
  }
}

const nameOfType: Readonly<Record<string, string>> = {
  string: 'text',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  null: 'null',
}
const typeNames = (types: unknown) =>
  [types]
    .flat()
    .map((type) => nameOfType[String(type)] ?? String(type))
    .join(' or ')

const formatNames: Readonly<Record<string, string>> = {
  uuid: 'a UUID',
  email: 'an e-mail address',
  uri: 'an absolute URL',
  cidr: 'an address range such as 10.0.0.0/8',
  date: 'a date such as 2025-01-15',
  'date-time': 'a date and time such as 2025-01-15T10:30:00Z',
}
const counted = (count: number) => (count === 1 ? '1 item' : `${count} items`)
const listed = (values: unknown) => [values].flat().map(String).join(', ')

/** `must be one of …` where every branch of a union names one value; null counts as one. */
const choices = (branches: unknown): string | undefined => {
  if (!Array.isArray(branches)) return undefined
  const values = branches.flatMap((branch: unknown) => {
    if (typeof branch !== 'object' || branch === null) return []
    if ('const' in branch) return [branch.const]
    return 'type' in branch && branch.type === 'null' ? ['null'] : []
  })
  return values.length === branches.length ? `must be one of: ${listed(values)}` : undefined
}

/**
 * ajv reports every branch of a failed union. Kept are those of the one branch that was meant (its type and its fixed
 * values fit), or else just that the union failed.
 */
const withoutNoise = (errors: readonly ErrorObject[]): readonly ErrorObject[] => {
  const dropped = new Set<ErrorObject>()
  for (const union of errors) {
    if (union.keyword !== 'anyOf' || dropped.has(union)) continue
    const branches = branchesOf(union, errors)
    const meant = [...branches].filter(
      ([branch, own]) => !contradicts(union, branch) && !own.some((error) => isMismatch(error, union)),
    )
    const kept = meant.length === 1 ? meant[0]?.[1] : undefined
    for (const branch of branches.values()) if (branch !== kept) branch.forEach((error) => dropped.add(error))
    if (kept) dropped.add(union)
  }
  return errors.filter((error) => !dropped.has(error))
}

const branchesOf = (union: ErrorObject, errors: readonly ErrorObject[]) => {
  const branches = new Map<string, ErrorObject[]>()
  const prefix = `${union.schemaPath}/`
  for (const error of errors) {
    if (!error.schemaPath.startsWith(prefix) || !isWithin(error.instancePath, union.instancePath)) continue
    const branch = error.schemaPath.slice(prefix.length).split('/', 1)[0] ?? ''
    branches.set(branch, [...(branches.get(branch) ?? []), error])
  }
  return branches
}

/** The branch names a fixed value for a field, and the value has another there (`type`, say). */
const contradicts = ({ parentSchema, data }: ErrorObject, branch: string): boolean => {
  const branches: readonly unknown[] = [parentSchema?.['anyOf']].flat()
  const schema = fieldsOf(branches[Number(branch)])
  if (!isObject(data)) return false
  return Object.entries(fieldsOf(schema['properties'])).some(
    ([name, property]) => isObject(property) && 'const' in property && property['const'] !== data[name],
  )
}
const fieldsOf = (value: unknown) => (isObject(value) ? value : {})

const isWithin = (path: string, parent: string) => path === parent || path.startsWith(`${parent}/`)

/** The value has another type than the branch, or another fixed value (at most one level down) than the branch names. */
const isMismatch = (error: ErrorObject, union: ErrorObject) => {
  const depth = error.instancePath.slice(union.instancePath.length).split('/').length - 1
  return (
    (depth === 0 && error.keyword === 'type') || (depth <= 1 && ['const', 'enum'].includes(error.keyword))
  )
}
