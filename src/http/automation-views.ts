import { Type, type Static } from 'typebox'
import { automationKinds, isFlow, type Definition } from '../domain/automation.ts'
import { runOutcomes, type Action, type Turn } from '../domain/flow.ts'
import { Flow } from '../domain/flow-definition.ts'
import { Integration } from '../domain/integration.ts'
import { literals, offsetTime, Uuid } from '../domain/values.ts'
import type { AutomationRow } from '../projections/automations.ts'
import { isoSeconds } from './format.ts'

export const AutomationView = Type.Object({
  id: Type.Integer(),
  uuid: Uuid,
  instance_id: Uuid,
  name: Type.String(),
  kind: literals(automationKinds),
  enabled: Type.Boolean(),
  definition: Type.Union([Flow, Type.Omit(Integration, ['secret'])]),
  created_at: Type.String(),
  updated_at: Type.String(),
})

/** Without the secret. */
const shown = (definition: Definition) => {
  if (isFlow(definition)) return definition
  const { url, timeout_seconds } = definition
  return { url, timeout_seconds }
}
export const automationView = (row: AutomationRow): Static<typeof AutomationView> => ({
  id: row.number,
  uuid: row.id,
  instance_id: row.instance_id,
  name: row.name,
  kind: row.kind,
  enabled: row.enabled,
  definition: shown(row.definition),
  created_at: isoSeconds(row.created_at),
  updated_at: isoSeconds(row.updated_at),
})

const Nullable = Type.Union([Type.String(), Type.Null()])
/** Where a run waits, as a trial answers and takes it. */
export const RunState = Type.Object({
  waiting_at: Type.Array(Type.Integer({ minimum: 0 }), { maxItems: 20 }),
  variables: Type.Record(Type.String(), Type.String({ maxLength: 1000 }), { maxProperties: 100 }),
})
/** What an automation would do. */
export const Tried = Type.Object({
  triggered: Type.Boolean({ description: 'Whether the message sets off the automation' }),
  actions: Type.Array(
    Type.Object({
      type: literals(['reply', 'media', 'tag']),
      text: Type.Optional(Type.String()),
      media_type: Type.Optional(Type.String()),
      media_url: Type.Optional(Type.String()),
      caption: Type.Optional(Type.String()),
      add: Type.Optional(Type.Array(Uuid)),
      remove: Type.Optional(Type.Array(Uuid)),
    }),
  ),
  outcome: Type.Union([literals(['waiting', ...runOutcomes]), Type.Null()]),
  reason: Nullable,
  state: Type.Union([RunState, Type.Null()], {
    description: 'Where it waits; to be given with the next message',
  }),
})

const actionView = (action: Action) => {
  if (action.type === 'tag') return { type: 'tag' as const, add: [...action.add], remove: [...action.remove] }
  const { content } = action
  if (content.kind === 'text') return { type: 'reply' as const, text: content.text }
  const { url, caption } = 'url' in content ? content : {}
  return {
    type: 'media' as const,
    media_type: content.kind,
    ...(url !== undefined && { media_url: url }),
    ...('caption' in content && caption !== undefined && { caption }),
  }
}
export const triedView = (turn: Turn | undefined): Static<typeof Tried> => {
  if (!turn) return { triggered: false, actions: [], outcome: null, reason: null, state: null }
  const { actions, next } = turn
  const waiting = next.outcome === 'waiting' ? next.waiting : undefined
  return {
    triggered: true,
    actions: actions.map(actionView),
    outcome: next.outcome,
    reason: ('reason' in next && next.reason) || null,
    state: waiting ? { waiting_at: [...waiting.at], variables: { ...waiting.variables } } : null,
  }
}

/** What an integration is told of a message that is none. */
export const triedMessage = (row: AutomationRow, runId: string, text: string, name: string | undefined) => ({
  try: true,
  automation_id: row.id,
  run_id: runId,
  instance_uuid: row.instance_id,
  conversation_id: null,
  conversation_uuid: null,
  message: {
    message_id: runId,
    whatsapp_message_id: null,
    content: text,
    media_type: null,
    media_url: null,
    timestamp: offsetTime(new Date().toISOString()),
    conversation_id: null,
    chat_id: null,
    is_group: false,
    reply_to: null,
    sender_number: null,
    sender_name: name ?? null,
  },
})
