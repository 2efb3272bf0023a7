import { Type } from 'typebox'
import { Conversation, pause, resume, type AutomationState } from '../../domain/conversation.ts'
import { notFound, Refusal } from '../../domain/errors.ts'
import { contextOf } from '../context.ts'
import type { Finders } from '../finders.ts'
import { envelope, ok } from '../format.ts'
import { reply, route, type Caller, type RouteRequest } from '../route.ts'
import type { Services } from '../services.ts'
import { now } from '../times.ts'

const MAX = 100

const common = {
  method: 'POST',
  tag: 'Automation control',
  reads: ['conversations'],
  access: 'conversations:write',
  limit: 'standard',
} as const
const ids = {
  conversation_ids: Type.Array(Type.String({ minLength: 1, maxLength: 100 }), {
    minItems: 1,
    maxItems: MAX,
    description: `UUIDs or numbers, at most ${MAX}`,
  }),
}
const Counts = {
  skipped: Type.Integer(),
  errors: Type.Integer(),
  details: Type.Array(
    Type.Object({
      conversation_id: Type.String(),
      result: Type.Enum(['skipped', 'error']),
      code: Type.Optional(Type.String()),
      reason: Type.String(),
    }),
    { description: 'Those that were not changed, and why' },
  ),
}
type Unchanged = {
  conversation_id: string
  result: 'skipped' | 'error'
  code?: string
  reason: string
}

/** Pausing and resuming many conversations at once: each by itself, so that one that cannot fails no other. */
export const automationBulkRoutes = ({ transact }: Services, { conversationsOf }: Finders) => {
  /** Changes those that are in a state that allows it. */
  const changeAll = async (
    caller: Caller,
    request: RouteRequest,
    refs: readonly string[],
    from: AutomationState,
    decide: ReturnType<typeof resume>,
  ) => {
    const find = await conversationsOf(caller, refs)
    const changeOne = async (ref: string): Promise<Unchanged | undefined> => {
      try {
        const row = find(ref)
        if (!row) throw notFound('Conversation')
        const { id, automation } = row
        if (automation !== from) return { conversation_id: ref, result: 'skipped', reason: skipped[from] }
        await transact(Conversation, id, decide, contextOf(caller, request))
        return undefined
      } catch (error) {
        if (!(error instanceof Refusal)) throw error
        return { conversation_id: ref, result: 'error', code: error.code, reason: error.message }
      }
    }
    const results = await Promise.all([...new Set(refs)].map(changeOne))
    const details = results.filter((result) => result !== undefined)
    const errors = details.filter(({ result }) => result === 'error').length
    const counts = { skipped: details.length - errors, errors, details }
    return { changed: results.length - details.length, counts }
  }

  return [
    route({
      ...common,
      path: '/conversations/automation/bulk-pause',
      operationId: 'bulkPauseAutomation',
      summary: 'Take conversations over from automation',
      description: 'Skips those that are paused already, or have no automation.',
      body: Type.Object({ ...ids, reason: Type.Optional(Type.String({ maxLength: 500 })) }),
      successDescription: 'How many were paused.',
      responses: { 200: envelope(Type.Object({ paused: Type.Integer(), ...Counts })) },
      examples: {
        body: {
          conversation_ids: ['a1b2c3d4-e5f6-7890-abcd-ef1234567890', 'b2c3d4e5-f6a7-8901-bcde-f12345678901'],
          reason: 'Bulk pause for maintenance',
        },
      },
      async handle({ caller, body, request }) {
        const decide = pause(body.reason, now())
        const { changed, counts } = await changeAll(caller, request, body.conversation_ids, 'active', decide)
        return reply(200, ok({ paused: changed, ...counts }, `${changed} conversations paused`))
      },
    }),
    route({
      ...common,
      path: '/conversations/automation/bulk-resume',
      operationId: 'bulkResumeAutomation',
      summary: 'Give conversations back to automation',
      description:
        'Skips those that are not paused. Those that are not archived count as errors, and are named in `details`.',
      body: Type.Object(ids),
      successDescription: 'How many were resumed.',
      responses: { 200: envelope(Type.Object({ resumed: Type.Integer(), ...Counts })) },
      examples: {
        body: {
          conversation_ids: ['a1b2c3d4-e5f6-7890-abcd-ef1234567890', 'b2c3d4e5-f6a7-8901-bcde-f12345678901'],
        },
      },
      async handle({ caller, body, request }) {
        const { changed, counts } = await changeAll(
          caller,
          request,
          body.conversation_ids,
          'paused',
          resume(now()),
        )
        return reply(200, ok({ resumed: changed, ...counts }, `${changed} automations resumed`))
      },
    }),
  ]
}

const skipped: Readonly<Record<AutomationState, string>> = {
  active: 'is paused already, or has no automation',
  paused: 'is not paused',
  none: 'has no automation',
}
