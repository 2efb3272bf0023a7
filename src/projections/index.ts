import { accounts, tenants } from './accounts.ts'
import { auditEvents } from './audit.ts'
import { contacts } from './contacts.ts'
import { automations } from './automations.ts'
import { conversationTags } from './conversation-tags.ts'
import { conversations } from './conversations.ts'
import { instanceActivity } from './instance-activity.ts'
import { instances } from './instances.ts'
import { messageSearch } from './message-search.ts'
import { media } from './media.ts'
import { messages } from './messages.ts'
import { numbers } from './numbers.ts'
import { outbox } from './outbox.ts'
import type { AnyProjection } from './projection.ts'
import { tags } from './tags.ts'
import { tokens } from './tokens.ts'
import { webhookEndpoints } from './webhook-endpoints.ts'

/** Every read model of this program. */
export const projections = {
  accounts,
  auditEvents,
  contacts,
  automations,
  conversationTags,
  conversations,
  instanceActivity,
  instances,
  messageSearch,
  media,
  messages,
  numbers,
  outbox,
  tags,
  tenants,
  tokens,
  webhookEndpoints,
} as const satisfies Record<string, AnyProjection>
