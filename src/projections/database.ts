import type { AccountRow, TenantRow } from './accounts.ts'
import type { AutomationRow } from './automations.ts'
import type { ConversationTagRow } from './conversation-tags.ts'
import type { ConversationRow } from './conversations.ts'
import type { InstanceActivityRow } from './instance-activity.ts'
import type { InstanceRow } from './instances.ts'
import type { MessageRow } from './messages.ts'
import type { OutboxRow } from './outbox.ts'
import type { TagRow } from './tags.ts'
import type { TokenRow } from './tokens.ts'
import type { WebhookEndpointRow } from './webhook-endpoints.ts'

/** The read models, as queries see them. */
export type Database = {
  account: AccountRow
  automation: AutomationRow
  conversation: ConversationRow
  conversation_tag: ConversationTagRow
  instance: InstanceRow
  instance_activity: InstanceActivityRow
  message: MessageRow
  outbox: OutboxRow
  tag: TagRow
  tenant: TenantRow
  token: TokenRow
  webhook_endpoint: WebhookEndpointRow
}
