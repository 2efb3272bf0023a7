import type { Entry } from './entry.ts'
import { headings } from './headings.ts'
import { auth } from './sections/auth.ts'
import { automationControl } from './sections/automation-control.ts'
import { automations } from './sections/automations.ts'
import { bulk } from './sections/bulk.ts'
import { chat } from './sections/chat.ts'
import { contacts } from './sections/contacts.ts'
import { conversations } from './sections/conversations.ts'
import { groups } from './sections/groups.ts'
import { instances } from './sections/instances.ts'
import { media } from './sections/media.ts'
import { messages } from './sections/messages.ts'
import { tags } from './sections/tags.ts'
import { webhooks } from './sections/webhooks.ts'

export type Section = keyof typeof headings

/** Every call of the reference, by section. */
export const table: Readonly<Record<Section, readonly Entry[]>> = {
  auth,
  instances,
  messages,
  conversations,
  automationControl,
  contacts,
  webhooks,
  media,
  groups,
  tags,
  chat,
  automations,
  bulk,
}

export const sections = Object.keys(headings) as Section[]

export const titleOf: Readonly<Record<Section, string>> = {
  auth: 'Authentication',
  instances: 'Instances',
  messages: 'Messages',
  conversations: 'Conversations',
  automationControl: 'Automation Control',
  contacts: 'Contacts',
  webhooks: 'Webhooks',
  media: 'Media',
  groups: 'Groups',
  tags: 'Tags',
  chat: 'Chat API',
  automations: 'Automations',
  bulk: 'Bulk Operations',
}

/** The path on which a call is served bare. */
export const bare = (path: string) => path.replace(/^\/api\/v1(?=\/)/, '')
