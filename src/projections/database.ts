import type { AccountRow, TenantRow } from './accounts.ts'
import type { AuditEventRow } from './audit.ts'
import type { ContactRow } from './contacts.ts'
import type { AutomationRow } from './automations.ts'
import type { ConversationTagRow } from './conversation-tags.ts'
import type { ConversationRow } from './conversations.ts'
import type { InstanceActivityRow } from './instance-activity.ts'
import type { InstanceRow } from './instances.ts'
import type { MessageSearchRow } from './message-search.ts'
import type { MediaRow } from './media.ts'
import type { MessageRow } from './messages.ts'
import type { HighestNumberRow } from './numbers.ts'
import type { OutboxRow } from './outbox.ts'
import type { TagRow } from './tags.ts'
import type { TokenRow } from './tokens.ts'
import type { WebhookEndpointRow } from './webhook-endpoints.ts'

/** The read models, as queries see them. */
export type Database = {
  account: AccountRow
  audit_event: AuditEventRow
  contact: ContactRow
  automation: AutomationRow
  conversation: ConversationRow
  conversation_tag: ConversationTagRow
  highest_number: HighestNumberRow
  instance: InstanceRow
  instance_activity: InstanceActivityRow
  media: MediaRow
  message: MessageRow
  message_search: MessageSearchRow
  outbox: OutboxRow
  tag: TagRow
  tenant: TenantRow
  token: TokenRow
  webhook_endpoint: WebhookEndpointRow
}
