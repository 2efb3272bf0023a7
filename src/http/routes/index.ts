import type { Instances } from '../instances.ts'
import type { Route } from '../route.ts'
import type { Services } from '../services.ts'
import { authRoutes } from './auth.ts'
import { automationRoutes } from './automations.ts'
import { conversationRoutes } from './conversations.ts'
import { historyRoutes } from './history.ts'
import { hookRoutes } from './hooks.ts'
import { instanceRoutes } from './instances.ts'
import { messageRoutes } from './messages.ts'
import { sandboxRoutes } from './sandbox.ts'
import { tenantRoutes } from './tenants.ts'
import { tokenRoutes } from './tokens.ts'
import { webhookRoutes } from './webhooks.ts'

/** Every route of the API. */
export const createRoutes = (services: Services, instances: Instances): readonly Route[] => [
  ...authRoutes(services),
  ...instanceRoutes(services, instances),
  ...tokenRoutes(services, instances),
  ...messageRoutes(services, instances),
  ...conversationRoutes(services, instances),
  ...historyRoutes(services),
  ...automationRoutes(services, instances),
  ...webhookRoutes(services, instances),
  ...hookRoutes(services, instances),
  ...tenantRoutes(services),
  ...(services.sandbox
    ? sandboxRoutes({ sandbox: services.sandbox, resolveInstance: instances.ofCaller })
    : []),
]
