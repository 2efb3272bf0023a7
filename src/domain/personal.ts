import { catalogue } from './catalogue.ts'
import { idOfStream, type DomainEvent } from './decider.ts'
import { conversationId } from './ids.ts'
import { ERASED, isObject } from './values.ts'

/** What of a schema says which fields are personal. */
type Schema = {
  readonly properties?: Readonly<Record<string, Schema>>
  readonly items?: Schema
  readonly anyOf?: readonly Schema[]
  readonly personal?: boolean
  readonly secret?: boolean
}

/** Where in the data of a type something is to be taken out; undefined where there is nothing. */
type Cut =
  | { readonly leaf: true }
  | { readonly leaf: false; readonly fields: ReadonlyMap<string, Cut>; readonly items?: Cut }

/** Alternatives are taken together: a field that is personal in one of them is so in all. */
const cutOf = (schemas: readonly Schema[]): Cut | undefined => {
  const all = schemas.flatMap(alternativesOf)
  if (all.length === 0) return undefined
  if (all.some(({ personal, secret }) => personal || secret)) return { leaf: true }
  const fields = new Map<string, Cut>()
  for (const name of new Set(all.flatMap(({ properties = {} }) => Object.keys(properties)))) {
    const cut = cutOf(all.flatMap(({ properties }) => properties?.[name] ?? []))
    if (cut) fields.set(name, cut)
  }
  const items = cutOf(all.flatMap((schema) => schema.items ?? []))
  return fields.size > 0 || items ? { leaf: false, fields, ...(items && { items }) } : undefined
}
const alternativesOf = (schema: Schema): readonly Schema[] => [
  schema,
  ...(schema.anyOf ?? []).flatMap(alternativesOf),
]

const cuts = new Map(
  Object.entries(catalogue).flatMap(([type, { data }]) => {
    const cut = cutOf([data])
    return cut ? [[type, cut] as const] : []
  }),
)

/** Data of which the personal leaves are gone, with `null` in the place of each. */
export type Emptied = {
  readonly data: object
  /** What was taken out, in the order in which it stood there. */
  readonly leaves: readonly unknown[]
  /** Which of the nulls, counted from 0, were null before. */
  readonly nulls: readonly number[]
}

/** Takes out what is personal or secret by the schema of its type; undefined if there is nothing of the kind. */
export const takeOut = ({ type, data }: DomainEvent): Emptied | undefined => {
  const whole = cuts.get(type)
  if (!whole) return undefined
  const leaves: unknown[] = []
  const nulls: number[] = []
  const empty = (value: unknown, cut?: Cut): unknown => {
    if (value === undefined) return undefined
    if (value === null) {
      nulls.push(nulls.length + leaves.length)
      return null
    }
    if (cut?.leaf) {
      leaves.push(value)
      return null
    }
    if (Array.isArray(value)) return value.map((item: unknown) => empty(item, cut?.items))
    return isObject(value) ? mapFields(value, (field, name) => empty(field, cut?.fields.get(name))) : value
  }
  const emptied = mapFields(data, (field, name) => empty(field, whole.leaf ? whole : whole.fields.get(name)))
  return leaves.length > 0 ? { data: emptied, leaves, nulls } : undefined
}

/** Puts something in the place of each leaf: the n-th of them, in a field (or a list) of this name. */
const fill = (
  data: object,
  nulls: readonly number[],
  leafAt: (n: number, name: string) => unknown,
): object => {
  let seen = 0
  let filled = 0
  const refill = (value: unknown, name: string): unknown => {
    if (value === null) return nulls.includes(seen++) ? null : leafAt(filled++, name)
    if (Array.isArray(value)) return value.map((item: unknown) => refill(item, name))
    return isObject(value) ? mapFields(value, refill) : value
  }
  return mapFields(data, refill)
}

/** The data as it was. It takes no schema: older shapes come back as they were, too. */
export const putBack = (data: object, leaves: readonly unknown[], nulls: readonly number[] = []): object => {
  let count = 0
  const whole = fill(data, nulls, (n) => (count++, leaves[n]))
  if (count !== leaves.length)
    throw new TypeError(`There are ${leaves.length} values for ${count} places in the data`)
  return whole
}

/** Degrees; every other leaf is a text. */
const NUMBERS = ['latitude', 'longitude']

/** What is left to be read where the leaves are gone for good: of the same shape. */
export const withErased = (data: object, nulls: readonly number[] = []): object =>
  fill(data, nulls, (_n, name) => (NUMBERS.includes(name) ? 0 : ERASED))

const mapFields = (data: object, change: (value: unknown, name: string) => unknown): object =>
  Object.fromEntries(Object.entries(data).map(([name, value]) => [name, change(value, name)]))

/**
 * Whose key seals what is personal in an event: what is said in a conversation goes with it, and what is said of
 * somebody with the contact. Everything else stands for itself.
 */
export const ownerOf = ({ data }: DomainEvent, stream: string): string => {
  const idIn = (name: string): string | undefined => {
    const value: unknown = Reflect.get(data, name)
    return typeof value === 'string' ? value : undefined
  }
  const [instanceId, chat] = [idIn('instanceId'), idIn('chat')]
  if (stream.startsWith('group-') && instanceId !== undefined && chat !== undefined)
    return conversationId(instanceId, chat)
  return idIn('into') ?? idIn('conversationId') ?? idOfStream(stream)
}
