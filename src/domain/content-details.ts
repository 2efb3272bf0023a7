import { Type, type Static } from 'typebox'
import type { Content } from './content.ts'

/** What a place, contacts, a poll and what has no words say beside their text, as the outside sees it. */
export const contentDetails = {
  location: Type.Object(
    {
      latitude: Type.Number({ description: 'degrees' }),
      longitude: Type.Number({ description: 'degrees' }),
      name: Type.Union([Type.String(), Type.Null()]),
      address: Type.Union([Type.String(), Type.Null()]),
    },
    {
      description:
        'the place that the message shows: `latitude`, `longitude`, and `name` and `address` or null',
    },
  ),
  contacts: Type.Array(Type.Object({ display_name: Type.String(), vcard: Type.String() }), {
    description: 'the contacts that the message hands over, each with `display_name` and `vcard`',
  }),
  poll: Type.Object(
    {
      question: Type.String(),
      options: Type.Array(Type.String()),
      selectable: Type.Integer({ description: 'how many options each may choose; 0: any number' }),
    },
    { description: 'the poll that the message is: `question`, `options`, `selectable`' },
  ),
  other: Type.String({
    description: 'what WhatsApp calls a message that has no words here, such as `pollUpdateMessage`',
  }),
}

export type ContentDetails = {
  readonly [K in keyof typeof contentDetails]?: Static<(typeof contentDetails)[K]>
}

/** At most one of them. */
export const detailsOf = (content: Content): ContentDetails => {
  switch (content.kind) {
    case 'location': {
      const { latitude, longitude, name = null, address = null } = content
      return { location: { latitude, longitude, name, address } }
    }
    case 'contact':
      return {
        contacts: content.contacts.map(({ displayName, vcard }) => ({ display_name: displayName, vcard })),
      }
    case 'poll': {
      const { question, options, selectable } = content
      return { poll: { question, options, selectable } }
    }
    case 'other':
      return { other: content.description }
    case 'text':
    case 'image':
    case 'video':
    case 'audio':
    case 'document':
    case 'sticker':
    case 'reaction':
    case 'edit':
    case 'delete':
      return {}
  }
}
