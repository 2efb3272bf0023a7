import { expect } from 'vitest'
import type { Entry } from '../entry.ts'
import type { World } from '../prepared-world.ts'

const CONVERSATION = '550e8400-e29b-41d4-a716-446655440000'
const VIP = '550e8400-e29b-41d4-a716-446655440001'
const SUPPORT = '550e8400-e29b-41d4-a716-446655440002'

const important = {
  id: '550e8400-e29b-41d4-a716-446655440003',
  name: 'Important',
  color: '#ef4444',
  conversations_count: 0,
  created_at: '2025-01-15T12:00:00Z',
  updated_at: '2025-01-15T12:00:00Z',
}
const fresh = async ({ tag }: World) => ({ [VIP]: await tag('Important', '#ef4444') })

export const tags: readonly Entry[] = [
  {
    call: 'GET /tags',
    answer: {
      success: true,
      data: {
        tags: [
          {
            id: VIP,
            name: 'VIP',
            color: '#f59e0b',
            conversations_count: 15,
            created_at: '2025-01-15T10:30:00Z',
            updated_at: '2025-01-15T10:30:00Z',
          },
          {
            id: SUPPORT,
            name: 'Support',
            color: '#3b82f6',
            conversations_count: 42,
            created_at: '2025-01-15T10:35:00Z',
            updated_at: '2025-01-15T10:35:00Z',
          },
        ],
      },
    },
    varies: ['conversations_count'],
  },
  {
    call: 'POST /tags',
    body: { name: 'Important', color: '#ef4444' },
    given: async ({ freeTagName }) => {
      await freeTagName('Important')
      return {}
    },
    status: 201,
    answer: { success: true, message: 'Tag created successfully', data: { tag: important } },
  },
  {
    call: 'GET /tags/{uuid}',
    path: `/tags/${VIP}`,
    given: fresh,
    assumed: { success: true, data: { tag: important } },
    note: 'No answer documented; expected is that of `POST /tags`.',
  },
  {
    call: 'PATCH /tags/{uuid}',
    path: `/tags/${VIP}`,
    body: { name: 'Very Important', color: '#dc2626' },
    given: async (world) => {
      await world.freeTagName('Very Important')
      return fresh(world)
    },
    assumed: { success: true, data: { tag: { ...important, name: 'Very Important', color: '#dc2626' } } },
    note: 'No answer documented; expected is the tag as it is then.',
  },
  {
    call: 'DELETE /tags/{uuid}',
    path: `/tags/${VIP}`,
    given: fresh,
    answer: { success: true, message: 'Tag deleted successfully' },
  },
  {
    call: 'PUT /conversations/{uuid}/tags',
    path: `/conversations/${CONVERSATION}/tags`,
    body: { tag_ids: [VIP, SUPPORT] },
    given: async ({ converse, vip, support }) => ({
      [CONVERSATION]: (await converse()).id,
      [VIP]: vip,
      [SUPPORT]: support,
    }),
    answer: {
      success: true,
      message: 'Conversation tags updated',
      data: {
        tags: [
          { id: VIP, name: 'VIP', color: '#f59e0b' },
          { id: SUPPORT, name: 'Support', color: '#3b82f6' },
          { id: '550e8400-e29b-41d4-a716-446655440003', name: 'Important', color: '#ef4444' },
        ],
      },
    },
    except: ['data.tags.2'],
    afterwards: (_, { body }) => {
      expect(body.data.tags).toHaveLength(2)
    },
    note: 'The document answers a request for two tags with three; those asked for are answered.',
  },
  {
    call: 'PUT /conversations/{uuid}/tags',
    title: 'without any',
    beside: true,
    path: `/conversations/${CONVERSATION}/tags`,
    body: { tag_ids: [] },
    given: async ({ converse, vip, must }) => {
      const { id } = await converse()
      await must('PUT', `/conversations/${id}/tags`, { tag_ids: [vip] })
      return { [CONVERSATION]: id }
    },
    assumed: { success: true, message: 'Conversation tags updated', data: { tags: [] } },
  },
]
