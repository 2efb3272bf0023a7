import { Type } from 'typebox'
import { actorOf, createAuditLines } from '../../audit/lines.ts'
import { idOfStream } from '../../domain/decider.ts'
import { groupId } from '../../domain/ids.ts'
import { isUuid, Uuid } from '../../domain/values.ts'
import type { Recorded } from '../../ports/event-store.ts'
import { auditPage, endsOf } from '../../projections/audit.ts'
import type { ConversationRow } from '../../projections/conversations.ts'
import { takenBack } from '../../projections/message-lists.ts'
import { ShownActor, ShownCause } from '../audit-views.ts'
import { Cursor, cursorOf, NextCursor, positionOf } from '../cursor.ts'
import { GivenConversation } from '../fields.ts'
import type { Finders } from '../finders.ts'
import { envelope, isoSeconds, ok } from '../format.ts'
import { lineOf, timelineTypes } from '../history.ts'
import { reply, route } from '../route.ts'
import type { Services } from '../services.ts'

const LINES_DEFAULT = 100
const LINES_MAX = 500

const Line = Type.Object({
  id: Type.String({ ...Uuid, description: 'Of the event' }),
  at: Type.String(),
  type: Type.String({ description: 'Such as message.received, conversation.tagged, run.ended' }),
  actor: ShownActor,
  cause: ShownCause,
  data: Type.Object({}, { description: 'What there is to say about it' }),
  erased: Type.Optional(Type.Literal(true, { description: 'What it said of people is gone' })),
})

/** A conversation, and what became part of it. */
const idsOf = ({ id, aliases }: ConversationRow) => [id, ...(aliases ?? []).filter(isUuid)]
/** What is done to a group stands under an id of its own. */
const groupsOf = ({ is_group: isGroup, instance_id: instanceId, chat }: ConversationRow) =>
  isGroup ? [groupId(instanceId, chat)] : []

/** What happened to a conversation, from the log itself. */
export const historyRoutes = ({ db, readStream }: Services, { conversationOf }: Finders) => {
  const lines = createAuditLines({ db, readStream })

  const shown = async (tenantId: string, events: readonly Recorded[]) => {
    const [{ nameOf, causeOf }, isTakenBack] = await Promise.all([
      lines.describe(tenantId, events),
      takenBack(
        db,
        events.map(({ stream }) => idOfStream(stream)),
      ),
    ])
    return events.map((event) => ({
      id: event.id,
      at: isoSeconds(event.meta.at),
      actor: actorOf(event, nameOf),
      cause: causeOf(event),
      ...lineOf(event, { nameOf, isTakenBack }),
      ...(event.erased && { erased: true as const }),
    }))
  }

  /** Up to where each of them was deleted; what was done to a group goes with its conversation. */
  const endsOfAll = async (tenantId: string, conversation: ConversationRow) => {
    const ends = await endsOf(db, tenantId, idsOf(conversation))
    const own = ends.filter(({ id }) => id === conversation.id)
    const ofGroups = groupsOf(conversation).flatMap((id) => own.map(({ position }) => ({ id, position })))
    return [...ends, ...ofGroups]
  }

  return [
    route({
      method: 'GET',
      path: '/conversations/:id/history',
      operationId: 'getConversationHistory',
      tag: 'Conversations',
      reads: ['conversations', 'auditEvents', 'messages', 'accounts', 'tokens', 'automations', 'tags'],
      summary: 'Everything that happened in a conversation, who did it and why',
      description:
        'From the log itself: messages and what became of them, files, tags, archive, automation and its runs, what was done to the group, and all of what became part of it; the newest line last. Nothing is among it from before it was last deleted.',
      access: 'conversations:read',
      limit: 'standard',
      params: Type.Object({ id: GivenConversation }),
      query: Type.Object({
        cursor: Type.Optional(Cursor),
        limit: Type.Optional(
          Type.Integer({
            minimum: 1,
            maximum: LINES_MAX,
            default: LINES_DEFAULT,
            description: 'The newest so many lines; with a cursor, those before that page.',
          }),
        ),
      }),
      successDescription: 'The newest lines; `next_cursor` leads to older ones.',
      responses: {
        200: envelope(
          Type.Object({ history: Type.Array(Line), has_more: Type.Boolean(), next_cursor: NextCursor }),
        ),
      },
      async handle({ caller: { tenantId, ...caller }, params, query }) {
        const conversation = await conversationOf({ tenantId, ...caller }, params.id)
        const limit = query.limit ?? LINES_DEFAULT
        const about = [...idsOf(conversation), ...groupsOf(conversation)]
        const filter = { tenantId, about: [about], types: timelineTypes }
        const page = { order: 'desc', after: positionOf(query.cursor), limit: limit + 1 } as const
        const found = await auditPage(db, filter, { ...page, since: await endsOfAll(tenantId, conversation) })
        const rows = found.slice(0, limit)
        const events = await lines.eventsOf(rows.toReversed())
        return reply(
          200,
          ok({
            history: await shown(tenantId, events),
            has_more: found.length > limit,
            next_cursor: cursorOf(rows.at(-1), query.cursor),
          }),
        )
      },
    }),
  ]
}
