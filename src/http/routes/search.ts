import { Type } from 'typebox'
import { searchTerms } from '../../domain/words.ts'
import { Uuid } from '../../domain/values.ts'
import { RANKED_MAX, searchMessages } from '../../projections/message-search.ts'
import { createFinders } from '../finders.ts'
import { ok, pagedEnvelope, pageMeta, pageOf, pageQuery } from '../format.ts'
import type { Instances } from '../instances.ts'
import { reply, route } from '../route.ts'
import type { Services } from '../services.ts'
import { snippet } from '../snippet.ts'
import { timeOf } from '../times.ts'
import { MessageView, messageView } from '../message-view.ts'

const QUERY_MAX = 200

const FoundMessage = Type.Object({
  ...MessageView.properties,
  instance_id: Uuid,
  conversation_id: Uuid,
  conversation_number: Type.Integer(),
  snippet: Type.String({ description: 'HTML: the text around what was found, which is in `<mark>`' }),
})

/** Messages by what they say. */
export const searchRoutes = ({ db }: Services, instances: Instances) => {
  const { conversationOf } = createFinders(db)
  return [
    route({
      method: 'GET',
      path: '/messages/search',
      operationId: 'searchMessages',
      tag: 'Messages',
      reads: ['conversations', 'messageSearch', 'messages'],
      summary: 'Messages by what they say',
      description: `Texts and captions that have all the words, whatever their accents and letter case. \`"words in quotes"\` follow each
other, \`-word\` must not be there, and the last word may be unfinished. The best come first, of equals the newest. Of more than
${RANKED_MAX} matches the newest ${RANKED_MAX} are found.`,
      access: 'messages:read',
      limit: 'standard',
      query: Type.Object({
        q: Type.String({ minLength: 1, maxLength: QUERY_MAX, description: 'What to look for' }),
        ...pageQuery,
        instance_id: Type.Optional(Type.String({ description: 'UUID or number of the instance' })),
        conversation_id: Type.Optional(Type.String({ description: 'UUID or number of the conversation' })),
        from: Type.Optional(Type.String({ format: 'date-time' })),
        to: Type.Optional(Type.String({ format: 'date-time' })),
      }),
      successDescription: 'One page of messages.',
      responses: { 200: pagedEnvelope(FoundMessage) },
      refusals: ['NOT_FOUND'],
      async handle({ caller, query }) {
        const { page, perPage, offset } = pageOf(query)
        const terms = searchTerms(query.q)
        const instanceId = await instances.only(caller, query.instance_id)
        const conversationId =
          query.conversation_id === undefined
            ? undefined
            : (await conversationOf(caller, query.conversation_id)).id
        const search = {
          tenantId: caller.tenantId,
          terms,
          instanceId,
          conversationId,
          from: query.from === undefined ? undefined : timeOf(query.from, 'from'),
          to: query.to === undefined ? undefined : timeOf(query.to, 'to'),
        }
        const { rows, total } = await searchMessages(db, search, { offset, perPage })
        const data = rows.map((row) => ({
          ...messageView(row),
          instance_id: row.instance_id,
          conversation_id: row.conversation_id,
          conversation_number: row.conversation_number,
          snippet: snippet(row.body ?? '', terms),
        }))
        return reply(200, { ...ok(data), meta: pageMeta(total, perPage, page) })
      },
    }),
  ]
}
