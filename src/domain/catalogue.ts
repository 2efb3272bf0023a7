import { addressEvents, type AddressEvent } from './address.ts'
import { contactEvents, type ContactEvent } from './contact.ts'
import { automationRunEvents, type AutomationRunEvent } from './automation-run.ts'
import { automationEvents, type AutomationEvent } from './automation.ts'
import { conversationEvents, type ConversationEvent } from './conversation.ts'
import type { EventSchemas } from './decider.ts'
import { groupEvents, type GroupEvent } from './group.ts'
import { instanceEvents, type InstanceEvent } from './instance.ts'
import { mediaEvents, type MediaEvent } from './media.ts'
import { messageEvents, type MessageEvent } from './message.ts'
import { tagEvents, type TagEvent } from './tag.ts'
import { tenantEvents, type TenantEvent } from './tenant.ts'
import { tokenEvents, type TokenEvent } from './token.ts'
import { userEvents, type UserEvent } from './user.ts'
import { webhookEvents, type WebhookEvent } from './webhook.ts'

/** Every event of this program: the one place that knows them all. */
export const catalogue: EventSchemas = {
  ...addressEvents,
  ...contactEvents,
  ...automationEvents,
  ...automationRunEvents,
  ...conversationEvents,
  ...groupEvents,
  ...instanceEvents,
  ...mediaEvents,
  ...messageEvents,
  ...tagEvents,
  ...tenantEvents,
  ...tokenEvents,
  ...userEvents,
  ...webhookEvents,
}

export type ZapiniEvent =
  | AddressEvent
  | ContactEvent
  | AutomationEvent
  | AutomationRunEvent
  | ConversationEvent
  | GroupEvent
  | InstanceEvent
  | MediaEvent
  | MessageEvent
  | TagEvent
  | TenantEvent
  | TokenEvent
  | UserEvent
  | WebhookEvent
export type EventType = ZapiniEvent['type']
export const eventTypes = Object.keys(catalogue).toSorted()

type Stored = { readonly type: string; readonly data: object; readonly meta: { readonly version: number } }

/** Lifts a stored event to the newest version of its shape. An event of an unknown type stays as it is. */
export const upcast = <E extends Stored>(event: E, schemas: EventSchemas = catalogue): E => {
  const schema = schemas[event.type]
  if (!schema || event.meta.version === schema.version) return event
  let data: unknown = event.data
  for (let version = event.meta.version; version < schema.version; version++) {
    const lift = schema.upcasters[version]
    if (!lift) throw new Error(`No upcaster takes ${event.type} from version ${version} to ${version + 1}`)
    data = lift(data as never)
  }
  return { ...event, data, meta: { ...event.meta, version: schema.version } }
}
