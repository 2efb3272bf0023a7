import { createFinders } from '../finders.ts'
import type { Instances, ResolveInstance } from '../instances.ts'
import type { Route } from '../route.ts'
import type { Services } from '../services.ts'
import { auditRoutes } from './audit.ts'
import { authRoutes } from './auth.ts'
import { automationBulkRoutes } from './automation-bulk.ts'
import { automationControlRoutes } from './automation-control.ts'
import { chatRoutes } from './chat.ts'
import { conversationLists } from './conversation-lists.ts'
import { conversationMessages } from './conversation-messages.ts'
import { contactRoutes } from './contacts.ts'
import { groupParticipantRoutes } from './group-participants.ts'
import { groupRoutes } from './groups.ts'
import { eventRoutes } from './events.ts'
import { automationRoutes } from './automations.ts'
import { conversationRoutes } from './conversations.ts'
import { historyRoutes } from './history.ts'
import { hookRoutes } from './hooks.ts'
import { instanceConnectionRoutes } from './instance-connection.ts'
import { instanceRoutes } from './instances.ts'
import { mediaRoutes } from './media.ts'
import { messageRoutes } from './messages.ts'
import { sandboxPeopleRoutes } from './sandbox-people.ts'
import { sandboxRoutes } from './sandbox.ts'
import { tagRoutes } from './tags.ts'
import { statsRoutes } from './stats.ts'
import { sendContentRoutes } from './send-content.ts'
import { searchRoutes } from './search.ts'
import { tenantRoutes } from './tenants.ts'
import { tokenRoutes } from './tokens.ts'
import { userRoutes } from './users.ts'
import { webhookRoutes } from './webhooks.ts'

/** Every route of the API. */
export const createRoutes = (services: Services, instances: Instances): readonly Route[] => {
  const finders = createFinders(services.db)
  /** For what only the node with the session of an instance can do. */
  const resolveHere: ResolveInstance = async (caller, ref) => {
    const instance = await instances.ofCaller(caller, ref)
    await services.owners.mustBeHere(instance.id)
    return instance
  }
  const { sandbox } = services
  const parts = sandbox && { sandbox, resolveInstance: resolveHere }
  return [
    ...authRoutes(services),
    ...instanceRoutes(services, instances, finders),
    ...instanceConnectionRoutes(services, instances, finders),
    ...tokenRoutes(services, instances),
    ...messageRoutes(services, instances),
    ...sendContentRoutes(services, instances),
    ...conversationLists(services, instances),
    ...conversationRoutes(services, finders),
    ...conversationMessages(services, finders),
    ...automationControlRoutes(services, finders),
    ...automationBulkRoutes(services, finders),
    ...tagRoutes(services, finders),
    ...chatRoutes(services, instances, finders),
    ...historyRoutes(services, finders),
    ...automationRoutes(services, instances, finders),
    ...mediaRoutes(services, finders),
    ...contactRoutes(services, instances, finders),
    ...searchRoutes(services, instances, finders),
    ...eventRoutes(services, instances),
    ...userRoutes(services),
    ...statsRoutes(services, instances),
    ...groupRoutes(services, resolveHere),
    ...groupParticipantRoutes(services, resolveHere),
    ...webhookRoutes(services, instances),
    ...auditRoutes(services),
    ...hookRoutes(services, instances),
    ...tenantRoutes(services),
    ...(parts ? [...sandboxRoutes(parts), ...sandboxPeopleRoutes(parts)] : []),
  ]
}
