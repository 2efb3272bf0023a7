import { Type } from 'typebox'
import { Conversation, pause, resume } from '../../domain/conversation.ts'
import { literals, offsetTime, Uuid } from '../../domain/values.ts'
import { contextOf } from '../context.ts'
import { Automation, automationStatuses, createConversationViews } from '../conversation-view.ts'
import { GivenConversation } from '../fields.ts'
import type { Finders } from '../finders.ts'
import { envelope, Nullable, ok } from '../format.ts'
import { reply, route, type Caller, type RouteRequest } from '../route.ts'
import type { Services } from '../services.ts'
import { now } from '../times.ts'

const common = {
  tag: 'Automation control',
  reads: ['conversations'],
  limit: 'standard',
  params: Type.Object({ id: GivenConversation }),
} as const
const changing = { ...common, method: 'POST', access: 'conversations:write' } as const
const Status = literals(automationStatuses)
const body = Type.Object({
  reason: Type.Optional(Type.String({ maxLength: 500, description: 'Why, for those who look at it later' })),
})
const resumeNote =
  'The conversation must be archived first, which closes the manual service; resuming takes it out of the archive.'

/** Taking a conversation over from automation, and giving it back. */
export const automationControlRoutes = (services: Services, { conversationOf }: Finders) => {
  const { transact, freshen } = services
  const views = createConversationViews(services)

  /** Pauses or resumes, and answers the conversation as it is then. */
  const control = async (
    caller: Caller,
    request: RouteRequest,
    ref: string,
    decide: ReturnType<typeof resume>,
  ) => {
    const { id } = await conversationOf(caller, ref)
    await transact(Conversation, id, decide, contextOf(caller, request))
    await freshen('conversations')
    return conversationOf(caller, id)
  }

  return [
    route({
      ...common,
      method: 'GET',
      path: '/conversations/:id/automation',
      operationId: 'getAutomationStatus',
      summary: 'Whether automation answers in a conversation',
      access: 'conversations:read',
      successDescription: 'The status.',
      responses: { 200: envelope(Type.Object({ conversation_id: Uuid, ...Automation.properties })) },
      async handle({ caller, params }) {
        const row = await conversationOf(caller, params.id)
        return reply(200, ok({ conversation_id: row.id, ...(await views.automation(row)) }))
      },
    }),
    route({
      ...changing,
      path: '/conversations/:id/automation/pause',
      operationId: 'pauseAutomation',
      summary: 'Take a conversation over from automation',
      body,
      successDescription: 'Messages can be sent by hand.',
      responses: {
        200: envelope(Type.Object({ automation_status: Status, paused_at: Nullable, paused_by: Nullable })),
      },
      examples: { body: { reason: 'Manual takeover for VIP client' } },
      async handle({ caller, params, body, request }) {
        const row = await control(caller, request, params.id, pause(body.reason, now()))
        const { automation_status, paused_at, paused_by } = await views.automation(row)
        return reply(
          200,
          ok(
            { automation_status, paused_at, paused_by },
            'Automation paused. You can now send messages manually.',
          ),
        )
      },
    }),
    route({
      ...changing,
      path: '/conversations/:id/automation/resume',
      operationId: 'resumeAutomation',
      summary: 'Give a conversation back to automation',
      description: resumeNote,
      successDescription: 'Automation answers again, as soon as the instance has one that is enabled.',
      responses: { 200: envelope(Type.Object({ automation_status: Type.Literal('active') })) },
      refusals: ['CONVERSATION_NOT_ARCHIVED'],
      async handle({ caller, params, request }) {
        await control(caller, request, params.id, resume(now()))
        const message = 'Automation resumed. AI will handle this conversation.'
        return reply(200, ok({ automation_status: 'active' }, message))
      },
    }),
    route({
      ...changing,
      tag: 'Chat',
      path: '/chat/conversations/:id/pause-automation',
      operationId: 'pauseChatAutomation',
      summary: 'Take a conversation over from automation',
      body,
      successDescription: 'Messages can be sent by hand.',
      responses: {
        200: envelope(
          Type.Object({
            conversation_id: Uuid,
            automation_paused: Type.Literal(true),
            paused_at: Type.String(),
            paused_by: Nullable,
            reason: Nullable,
          }),
        ),
      },
      examples: { body: { reason: 'Manual intervention required' } },
      async handle({ caller, params, body, request }) {
        const row = await control(caller, request, params.id, pause(body.reason, now()))
        const { paused_by, pause_reason } = await views.automation(row)
        const data = {
          conversation_id: row.id,
          automation_paused: true,
          paused_at: offsetTime(row.paused_at ?? now()),
          paused_by,
          reason: pause_reason,
        } as const
        return reply(200, ok(data, 'Automation paused successfully'))
      },
    }),
    route({
      ...changing,
      tag: 'Chat',
      path: '/chat/conversations/:id/resume-automation',
      operationId: 'resumeChatAutomation',
      summary: 'Give a conversation back to automation',
      description: resumeNote,
      successDescription: 'Automation answers again, as soon as the instance has one that is enabled.',
      responses: {
        200: envelope(
          Type.Object({
            conversation_id: Uuid,
            automation_paused: Type.Literal(false),
            resumed_at: Type.String(),
          }),
        ),
      },
      refusals: ['CONVERSATION_NOT_ARCHIVED'],
      async handle({ caller, params, request }) {
        const at = now()
        const { id } = await control(caller, request, params.id, resume(at))
        const data = { conversation_id: id, automation_paused: false, resumed_at: offsetTime(at) } as const
        return reply(200, ok(data, 'Automation resumed successfully'))
      },
    }),
  ]
}
