import type { TSchema } from 'typebox'
import { catalogue } from './catalogue.ts'
import { idOfStream } from './decider.ts'
import type { Metadata } from './metadata.ts'
import { isUuid } from './values.ts'

/** As the schemas of events use it: what a value may consist of. */
type Shape = {
  readonly format?: string
  readonly properties?: Readonly<Record<string, Shape>>
  readonly items?: Shape
  readonly anyOf?: readonly Shape[]
}
type Collect = (value: unknown, found: Set<string>) => void

/** Finds the values of a shape that are ids; undefined where there can be none. */
const collectorOf = (shape: Shape): Collect | undefined => {
  if (shape.format === 'uuid') return (value, found) => void (isUuid(value) && found.add(value.toLowerCase()))
  const parts: Collect[] = []
  for (const [name, field] of Object.entries(shape.properties ?? {})) {
    const collect = collectorOf(field)
    if (collect)
      parts.push((value, found) => {
        if (typeof value === 'object' && value !== null) collect(Reflect.get(value, name), found)
      })
  }
  const ofItems = shape.items && collectorOf(shape.items)
  if (ofItems)
    parts.push((value, found) => {
      if (Array.isArray(value)) for (const item of value) ofItems(item, found)
    })
  for (const either of shape.anyOf ?? []) parts.push(collectorOf(either) ?? (() => {}))
  if (parts.length === 0) return undefined
  return (value, found) => {
    for (const collect of parts) collect(value, found)
  }
}

const shapeOf = (schema: TSchema): Shape => schema

const collectors = new Map(
  Object.entries(catalogue).map(([type, { data }]) => [type, collectorOf(shapeOf(data))]),
)

type Told = {
  readonly type: string
  readonly stream: string
  readonly data: object
  readonly meta: Pick<Metadata, 'actor'>
}

/**
 * Every id that an event is about: that of its stream, those that its schema calls ids (`format: 'uuid'`), and who
 * caused it. None is personal, so that they stay when what is personal is erased.
 */
export const aboutOf = ({ type, stream, data, meta: { actor } }: Told): string[] => {
  const found = new Set<string>()
  const own = idOfStream(stream)
  if (isUuid(own)) found.add(own)
  collectors.get(type)?.(data, found)
  if ('id' in actor) found.add(actor.id)
  return [...found]
}
