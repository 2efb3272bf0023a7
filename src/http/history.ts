import type { AutomationRunEvent } from '../domain/automation-run.ts'
import type { ConversationEvent } from '../domain/conversation.ts'

/** Names of what a line speaks of, by id; null for what is gone. */
export type Names = (id: string) => string | null

type Line = { readonly type: string; readonly data: Record<string, unknown> }

const named = (ids: readonly string[], nameOf: Names) => ids.map((id) => ({ id, name: nameOf(id) }))

/** What happened, in the words of the API. */
export const lineOf = ({ type, data }: ConversationEvent | AutomationRunEvent, nameOf: Names): Line => {
  switch (type) {
    case 'ConversationStarted':
      return { type: 'conversation.started', data: { automated: data.automated ?? false } }
    case 'ConversationRead':
      return { type: 'conversation.read', data: { up_to_id: data.upTo } }
    case 'ConversationPictured':
      return { type: 'conversation.pictured', data: {} }
    case 'ConversationArchived':
      return { type: 'conversation.archived', data: {} }
    case 'ConversationRestored':
      return { type: 'conversation.restored', data: {} }
    case 'ConversationDeleted':
      return { type: 'conversation.deleted', data: {} }
    case 'ConversationTagged': {
      const [added, removed] = [named(data.added, nameOf), named(data.removed, nameOf)]
      return { type: 'conversation.tagged', data: { added, removed } }
    }
    case 'AutomationPaused':
      return { type: 'automation.paused', data: { reason: data.reason ?? null } }
    case 'AutomationResumed':
      return { type: 'automation.resumed', data: {} }
    case 'ConversationMerged':
      return { type: 'conversation.merged', data: { into: data.into } }
    case 'ConversationUnited':
      return { type: 'conversation.united', data: { with: data.with, added: named(data.tags, nameOf) } }
    case 'AutomationRunStarted':
      return { type: 'run.started', data: aboutRun(data, nameOf) }
    case 'AutomationRunAdvanced': {
      const variables = Object.fromEntries(data.variables.map(({ name, value }) => [name, value]))
      return { type: 'run.waiting', data: { ...aboutRun(data, nameOf), variables } }
    }
    case 'AutomationRunEnded': {
      const { outcome, reason = null } = data
      return { type: 'run.ended', data: { ...aboutRun(data, nameOf), outcome, reason } }
    }
  }
}

const aboutRun = (
  data: { readonly runId: string; readonly automationId: string; readonly messageId?: string },
  nameOf: Names,
) => ({
  run_id: data.runId,
  automation: { id: data.automationId, name: nameOf(data.automationId) },
  message_id: data.messageId ?? null,
})

/** Ids of the tags and automations that an event speaks of. */
export const idsIn = ({ type, data }: ConversationEvent | AutomationRunEvent) => ({
  tags:
    type === 'ConversationTagged'
      ? [...data.added, ...data.removed]
      : type === 'ConversationUnited'
        ? data.tags
        : [],
  automations: 'automationId' in data ? [data.automationId] : [],
})
