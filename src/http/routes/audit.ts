import { Type } from 'typebox'
import { createCauses } from '../../audit/causes.ts'
import { createAuditLines } from '../../audit/lines.ts'
import { idsOf, type Thing } from '../../audit/refs.ts'
import { eventTypes } from '../../domain/catalogue.ts'
import { notFound } from '../../domain/errors.ts'
import { actorKinds } from '../../domain/metadata.ts'
import { literals } from '../../domain/values.ts'
import { auditPage } from '../../projections/audit.ts'
import { ShownLine, ShownStep } from '../audit-views.ts'
import { Cursor, cursorOf, NextCursor, positionOf } from '../cursor.ts'
import { envelope, ok } from '../format.ts'
import { reply, route } from '../route.ts'
import type { Services } from '../services.ts'
import { timeOf } from '../times.ts'

const LIMIT_DEFAULT = 50
const LIMIT_MAX = 200
const ID_MAX = 200

const common = {
  tag: 'Audit',
  access: 'audit:read',
  scope: 'account',
  limit: 'standard',
  reads: ['auditEvents', 'accounts', 'tokens', 'automations', 'tags'],
} as const

const ref = (what: string) =>
  Type.Optional(
    Type.String({
      maxLength: ID_MAX,
      description: `UUID of ${what}, or its number while it is there`,
    }),
  )
const id = (description: string) => Type.Optional(Type.String({ maxLength: ID_MAX, description }))
const time = (description: string) => Type.Optional(Type.String({ format: 'date-time', description }))

/** Who did what and when, from the log itself. For administrators. */
export const auditRoutes = ({ db, readStream, deliveries }: Services) => {
  const lines = createAuditLines({ db, readStream })
  const follow = createCauses({ db, readStream, deliveries })

  /** For each thing that is asked about, the ids that it has had. */
  const aboutOf = (tenantId: string, given: Partial<Record<Thing, string | undefined>>) =>
    Promise.all(
      (Object.entries(given) as [Thing, string | undefined][]).flatMap(([thing, ref]) =>
        ref === undefined ? [] : [idsOf(db, tenantId, thing, ref)],
      ),
    )

  return [
    route({
      ...common,
      method: 'GET',
      path: '/audit/events',
      operationId: 'listAuditEvents',
      summary: 'Who did what, and when',
      description:
        'Every event of the account, from the log itself; all filters that are given have to fit. Nothing is missed and nothing comes twice while events are added.',
      query: Type.Object({
        conversation_id: ref('a conversation: also what became part of it'),
        message_id: ref('a message'),
        contact_id: ref('a contact: also what became part of it'),
        instance_id: ref('an instance'),
        user_id: ref('a user: what was done by it or to it'),
        token_id: ref('a token: what was done with it or to it'),
        correlation_id: id('All that one request (its X-Request-Id) or one WhatsApp message set off'),
        causation_id: id('All that one event led to directly'),
        type: Type.Optional(
          Type.Array(literals(eventTypes), {
            maxItems: eventTypes.length,
            description: 'Types of stored events, such as MessageReceived',
          }),
        ),
        actor: Type.Optional(literals(actorKinds, { description: 'What kind of actor did it' })),
        from: time('Recorded then or later'),
        to: time('Recorded then or before'),
        order: Type.Optional(
          literals(['asc', 'desc'], { description: '`desc`: the newest first', default: 'desc' }),
        ),
        cursor: Type.Optional(Cursor),
        limit: Type.Optional(Type.Integer({ minimum: 1, maximum: LIMIT_MAX, default: LIMIT_DEFAULT })),
      }),
      successDescription: 'One page of them.',
      responses: {
        200: envelope(
          Type.Object({
            events: Type.Array(ShownLine),
            has_more: Type.Boolean(),
            next_cursor: NextCursor,
          }),
        ),
      },
      refusals: ['NOT_FOUND'],
      async handle({ caller: { tenantId }, query }) {
        const limit = query.limit ?? LIMIT_DEFAULT
        const about = await aboutOf(tenantId, {
          conversation: query.conversation_id,
          message: query.message_id,
          contact: query.contact_id,
          instance: query.instance_id,
          user: query.user_id,
          token: query.token_id,
        })
        const filter = {
          tenantId,
          about,
          types: query.type,
          actorKind: query.actor,
          correlation: query.correlation_id,
          causation: query.causation_id,
          from: query.from === undefined ? undefined : timeOf(query.from, 'from'),
          to: query.to === undefined ? undefined : timeOf(query.to, 'to'),
        }
        const page = { order: query.order ?? 'desc', after: positionOf(query.cursor), limit: limit + 1 }
        const found = await auditPage(db, filter, page)
        const rows = found.slice(0, limit)
        return reply(
          200,
          ok({
            events: await lines.linesOf(tenantId, await lines.eventsOf(rows)),
            has_more: found.length > limit,
            next_cursor: cursorOf(rows.at(-1), query.cursor),
          }),
        )
      },
    }),
    route({
      ...common,
      method: 'GET',
      path: '/audit/causes/:id',
      operationId: 'followCauses',
      summary: 'What led to it, back to the request or the WhatsApp message',
      description:
        'From a delivery with its attempts to the event that it told of, from there to the event that led to that one, and so on. The first cause comes last: a request (its X-Request-Id is the correlation_id), a WhatsApp message, or the program itself.',
      params: Type.Object({
        id: Type.String({
          description: 'UUID of a stored event or of an event that a webhook told, or number of a delivery',
        }),
      }),
      successDescription: 'The chain, the first cause last.',
      responses: { 200: envelope(Type.Object({ chain: Type.Array(ShownStep) })) },
      async handle({ caller, params }) {
        const chain = await follow(caller.tenantId, params.id.toLowerCase())
        if (!chain) throw notFound('Event or delivery')
        return reply(200, ok({ chain }))
      },
    }),
  ]
}
