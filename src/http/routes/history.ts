import { Type } from 'typebox'
import { AutomationRun, type AutomationRunEvent } from '../../domain/automation-run.ts'
import { upcast } from '../../domain/catalogue.ts'
import { Conversation, type ConversationEvent } from '../../domain/conversation.ts'
import { streamOf } from '../../domain/decider.ts'
import { Uuid } from '../../domain/values.ts'
import type { Recorded } from '../../ports/event-store.ts'
import { automationNames } from '../../projections/automations.ts'
import { tagsAmong } from '../../projections/tags.ts'
import { GivenConversation } from '../fields.ts'
import type { Finders } from '../finders.ts'
import { envelope, isoSeconds, Nullable, ok } from '../format.ts'
import { idsIn, lineOf } from '../history.ts'
import { reply, route } from '../route.ts'
import type { Services } from '../services.ts'

const LINES_DEFAULT = 100
const LINES_MAX = 500

const Line = Type.Object({
  at: Type.String(),
  type: Type.String({ description: 'Such as conversation.tagged, automation.paused, run.ended' }),
  actor: Type.Object({
    kind: Type.String(),
    id: Type.Union([Uuid, Type.Null()]),
    name: Nullable,
  }),
  data: Type.Object({}, { description: 'What there is to say about it' }),
})

type Told = Recorded<ConversationEvent | AutomationRunEvent>

/** What happened to a conversation, from the log itself. */
export const historyRoutes = ({ db, load, readStream }: Services, { conversationOf }: Finders) => {
  /** The newest events of a stream; its category says which events are on it. */
  const newestOf = async (stream: string, revision: number, count: number) => {
    const events = await readStream(stream, Math.max(0, revision - count + 1))
    return events.map((event) => upcast(event)) as unknown as Told[]
  }

  const namesIn = async (tenantId: string, events: readonly Told[]) => {
    const actorIds = (kind: 'user' | 'token' | 'automation') =>
      events.flatMap(({ meta: { actor } }) => (actor.kind === kind ? [actor.id] : []))
    const spokenOf = events.map(idsIn)
    const [users, tokens, ...others] = await Promise.all([
      namesOf('account', tenantId, actorIds('user')),
      namesOf('token', tenantId, actorIds('token')),
      automationNames(db, tenantId, [
        ...actorIds('automation'),
        ...spokenOf.flatMap(({ automations }) => automations),
      ]),
      tagsAmong(
        db,
        tenantId,
        spokenOf.flatMap(({ tags }) => tags),
      ),
    ])
    const names = new Map([users, tokens, ...others].flat().map(({ id, name }) => [id, name]))
    return (id: string) => names.get(id) ?? null
  }

  const namesOf = (table: 'account' | 'token', tenantId: string, ids: readonly string[]) =>
    ids.length === 0
      ? Promise.resolve([])
      : db
          .selectFrom(table)
          .select(['id', 'name'])
          .where('tenant_id', '=', tenantId)
          .where('id', 'in', [...new Set(ids)])
          .execute()

  return [
    route({
      method: 'GET',
      path: '/conversations/:id/history',
      operationId: 'getConversationHistory',
      tag: 'Conversations',
      reads: ['conversations'],
      summary: 'What happened to a conversation, and who did it',
      description:
        'From the log itself: tags, archive, automation and its runs; the newest line last. Messages are not among it, and nothing from before it was last deleted.',
      access: 'conversations:read',
      limit: 'standard',
      params: Type.Object({ id: GivenConversation }),
      query: Type.Object({
        limit: Type.Optional(
          Type.Integer({
            minimum: 1,
            maximum: LINES_MAX,
            default: LINES_DEFAULT,
            description: 'The newest so many lines.',
          }),
        ),
      }),
      successDescription: 'The newest lines.',
      responses: { 200: envelope(Type.Object({ history: Type.Array(Line) })) },
      async handle({ caller, params, query }) {
        const { id } = await conversationOf(caller, params.id)
        const limit = query.limit ?? LINES_DEFAULT
        const [conversation, run] = await Promise.all([load(Conversation, id), load(AutomationRun, id)])
        const streams = await Promise.all([
          newestOf(streamOf(Conversation, id), conversation.revision, limit),
          newestOf(streamOf(AutomationRun, id), run.revision, limit),
        ])
        const events = sinceDeletion(
          streams.flat().toSorted((one, other) => (one.position < other.position ? -1 : 1)),
        ).slice(-limit)
        const nameOf = await namesIn(caller.tenantId, events)
        const history = events.map((event) => {
          const { actor, at } = event.meta
          const actorId = 'id' in actor ? actor.id : null
          const by = { kind: actor.kind, id: actorId, name: actorId === null ? null : nameOf(actorId) }
          return { at: isoSeconds(at), actor: by, ...lineOf(event, nameOf) }
        })
        return reply(200, ok({ history }))
      },
    }),
  ]
}

/** What came before a conversation was deleted went with it; that it was deleted, and by whom, is still told. */
const sinceDeletion = (events: readonly Told[]) =>
  events.slice(
    Math.max(
      0,
      events.findLastIndex(({ type }) => type === 'ConversationDeleted'),
    ),
  )
