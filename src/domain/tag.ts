import { Type } from 'typebox'
import { eventSchema, type Decide, type Decider, type EventOf } from './decider.ts'
import { notFound } from './errors.ts'
import { Time } from './values.ts'

const Fields = { name: Type.String(), color: Type.String({ pattern: '^#[0-9a-f]{6}$' }), at: Time }

export const tagEvents = {
  TagCreated: eventSchema(Type.Object(Fields)),
  /** The name and colour that it has from now on. */
  TagChanged: eventSchema(Type.Object(Fields)),
  /** It is taken from every conversation. */
  TagDeleted: eventSchema(Type.Object({ at: Time })),
}
export type TagEvent = EventOf<typeof tagEvents>

export type Tag = { readonly exists: boolean; readonly name?: string; readonly color?: string }

/** A word and a colour to sort conversations by. */
export const Tag: Decider<Tag, TagEvent> = {
  category: 'tag',
  events: tagEvents,
  initial: { exists: false },
  evolve: (_state, event) => {
    switch (event.type) {
      case 'TagCreated':
      case 'TagChanged':
        return { exists: true, name: event.data.name, color: event.data.color }
      case 'TagDeleted':
        return { exists: false }
    }
  },
}

type Decision = Decide<Tag, TagEvent>
export type Looks = { readonly name: string; readonly color: string }

export const create =
  (looks: Looks, at: string): Decision =>
  ({ exists }) =>
    exists ? [] : [{ type: 'TagCreated', data: { ...looks, at } }]

export const change =
  (looks: Partial<Looks>, at: string): Decision =>
  ({ exists, name, color }) => {
    if (!exists || name === undefined || color === undefined) throw notFound('Tag')
    const next = { name: looks.name ?? name, color: looks.color ?? color }
    return next.name === name && next.color === color ? [] : [{ type: 'TagChanged', data: { ...next, at } }]
  }

export const remove =
  (at: string): Decision =>
  ({ exists }) => {
    if (!exists) throw notFound('Tag')
    return [{ type: 'TagDeleted', data: { at } }]
  }
