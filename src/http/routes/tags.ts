import { Type, type Static } from 'typebox'
import { Conversation, tag as setTags } from '../../domain/conversation.ts'
import { invalid, notFound } from '../../domain/errors.ts'
import { newId } from '../../domain/ids.ts'
import { remove, Tag } from '../../domain/tag.ts'
import { isUuid, Uuid } from '../../domain/values.ts'
import { tagsOf } from '../../projections/conversation-tags.ts'
import { listTags, tagsAmong, type ListedTag } from '../../projections/tags.ts'
import { contextOf } from '../context.ts'
import { ShownTag } from '../conversation-view.ts'
import { GivenConversation } from '../fields.ts'
import type { Finders } from '../finders.ts'
import { Done, done, envelope, isoSeconds, ok } from '../format.ts'
import { reply, route, type Caller } from '../route.ts'
import type { Services } from '../services.ts'
import { now } from '../times.ts'

const NAME_MAX = 50
const TAGS_MAX = 100

const common = { tag: 'Tags', limit: 'standard' } as const
const ofAccount = { ...common, scope: 'account', reads: ['tags', 'conversationTags'] } as const
const reading = { ...ofAccount, access: 'tags:read' } as const
const changing = { ...ofAccount, access: 'tags:write' } as const
const params = Type.Object({ id: Type.String({ description: 'UUID of the tag' }) })

const Name = Type.String({
  minLength: 1,
  maxLength: NAME_MAX,
  pattern: '\\S',
  description: 'Unique in the account, whatever its letter case and accents',
})
const Color = Type.String({ pattern: '^#[0-9a-fA-F]{6}$', description: '#RRGGBB' })
const TagView = Type.Object({
  ...ShownTag.properties,
  conversations_count: Type.Integer(),
  created_at: Type.String(),
  updated_at: Type.String(),
})
const tagView = (row: ListedTag): Static<typeof TagView> => ({
  id: row.id,
  name: row.name,
  color: row.color,
  conversations_count: row.conversations_count,
  created_at: isoSeconds(row.created_at),
  updated_at: isoSeconds(row.updated_at),
})

/** Tags of an account, and which conversation carries which. */
export const tagRoutes = ({ db, transact, tags, freshen }: Services, { conversationOf }: Finders) => {
  const rowOf = async (caller: Caller, id: string) => {
    const row = isUuid(id) ? (await listTags(db, caller.tenantId, id))[0] : undefined
    if (!row) throw notFound('Tag')
    return row
  }

  const shown = async (caller: Caller, id: string) => {
    await freshen('tags')
    return tagView(await rowOf(caller, id))
  }

  return [
    route({
      ...reading,
      method: 'GET',
      path: '/tags',
      operationId: 'listTags',
      asOf: () => ({ kind: 'account' }),
      summary: 'Tags of the account',
      description: 'By name.',
      successDescription: 'All of them.',
      responses: { 200: envelope(Type.Object({ tags: Type.Array(TagView) })) },
      handle: async ({ caller }) =>
        reply(200, ok({ tags: (await listTags(db, caller.tenantId)).map(tagView) })),
    }),
    route({
      ...changing,
      method: 'POST',
      path: '/tags',
      operationId: 'createTag',
      summary: 'Create a tag',
      body: Type.Object({ name: Name, color: Color }),
      successDescription: 'The tag.',
      responses: { 201: envelope(Type.Object({ tag: TagView })) },
      examples: { body: { name: 'Important', color: '#ef4444' } },
      async handle({ caller, body, request }) {
        const id = newId()
        const looks = { name: body.name.trim(), color: body.color.toLowerCase() }
        await tags.create(id, looks, contextOf(caller, request))
        return reply(201, ok({ tag: await shown(caller, id) }, 'Tag created successfully'))
      },
    }),
    route({
      ...reading,
      method: 'GET',
      path: '/tags/:id',
      operationId: 'getTag',
      asOf: () => ({ kind: 'account' }),
      summary: 'One tag',
      params,
      successDescription: 'The tag.',
      responses: { 200: envelope(Type.Object({ tag: TagView })) },
      handle: async ({ caller, params }) => reply(200, ok({ tag: tagView(await rowOf(caller, params.id)) })),
    }),
    route({
      ...changing,
      method: 'PATCH',
      path: '/tags/:id',
      operationId: 'changeTag',
      summary: 'Change a tag',
      params,
      body: Type.Object({ name: Type.Optional(Name), color: Type.Optional(Color) }),
      successDescription: 'The tag as it is now.',
      responses: { 200: envelope(Type.Object({ tag: TagView })) },
      examples: { body: { name: 'Very Important', color: '#dc2626' } },
      async handle({ caller, params, body, request }) {
        const { id } = await rowOf(caller, params.id)
        const looks = {
          ...(body.name !== undefined && { name: body.name.trim() }),
          ...(body.color !== undefined && { color: body.color.toLowerCase() }),
        }
        await tags.change(id, looks, contextOf(caller, request))
        return reply(200, ok({ tag: await shown(caller, id) }, 'Tag updated successfully'))
      },
    }),
    route({
      ...changing,
      method: 'DELETE',
      path: '/tags/:id',
      operationId: 'deleteTag',
      summary: 'Delete a tag',
      description: 'It is taken from every conversation.',
      params,
      successDescription: 'Deleted.',
      responses: { 200: Done },
      async handle({ caller, params, request }) {
        const { id } = await rowOf(caller, params.id)
        await transact(Tag, id, remove(now()), contextOf(caller, request))
        return reply(200, done('Tag deleted successfully'))
      },
    }),
    route({
      ...common,
      reads: ['conversations', 'tags'],
      method: 'PUT',
      path: '/conversations/:id/tags',
      operationId: 'setConversationTags',
      summary: 'Set the tags of a conversation',
      description: 'Replaces those that it has; an empty list takes them all away.',
      access: 'conversations:write',
      params: Type.Object({ id: GivenConversation }),
      body: Type.Object({ tag_ids: Type.Array(Uuid, { maxItems: TAGS_MAX }) }),
      successDescription: 'The tags that it carries now.',
      responses: { 200: envelope(Type.Object({ tags: Type.Array(ShownTag) })) },
      examples: {
        body: {
          tag_ids: ['550e8400-e29b-41d4-a716-446655440001', '550e8400-e29b-41d4-a716-446655440002'],
        },
      },
      async handle({ caller, params, body, request }) {
        const conversation = await conversationOf(caller, params.id)
        const wanted = body.tag_ids.map((id) => id.toLowerCase())
        const known = new Set((await tagsAmong(db, caller.tenantId, wanted)).map(({ id }) => id))
        const unknown = wanted.findIndex((id) => !known.has(id))
        if (unknown >= 0) throw invalid(`tag_ids.${unknown}`, 'is not a tag of this account')
        await transact(Conversation, conversation.id, setTags(wanted, now()), contextOf(caller, request))
        await freshen('conversationTags')
        const tags = (await tagsOf(db, [conversation.id]))(conversation.id)
        return reply(200, ok({ tags: [...tags] }, 'Conversation tags updated'))
      },
    }),
  ]
}
