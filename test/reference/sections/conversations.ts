import { expect } from 'vitest'
import type { Entry } from '../entry.ts'
import type { World } from '../prepared-world.ts'

const UUID = '550e8400-e29b-41d4-a716-446655440045'
const conversation = {
  id: UUID,
  contact_number: '5511999999999',
  contact_name: 'John Doe',
  display_name: 'John Doe',
  is_group: false,
  profile_picture_url: 'https://...',
  last_message: 'Ok, deal!',
  last_message_at: '2025-01-15T10:30:00Z',
  unread_count: 2,
  is_archived: false,
}
const noPicture = '`profile_picture_url` is null for people without a picture, as all of the sandbox are.'

/** Shown as a placeholder in the path, and as a UUID in the answer. */
const realOf = (id: string) => ({ '{uuid}': id, [UUID]: id })
const fresh = async ({ converse }: World) => realOf((await converse()).id)
const archived = async ({ converse, must }: World) => {
  const { id } = await converse()
  await must('POST', `/conversations/${id}/archive`)
  return realOf(id)
}

export const conversations: readonly Entry[] = [
  {
    call: 'GET /conversations',
    path: '/conversations?unread=true&per_page=20',
    answer: {
      success: true,
      data: [conversation],
      meta: { pagination: { total: 100, per_page: 20, current_page: 1, last_page: 5 } },
    },
    varies: ['total', 'last_page'],
    orNull: ['profile_picture_url'],
    note: noPicture,
  },
  {
    call: 'GET /conversations',
    title: 'with format=chat',
    beside: true,
    path: '/conversations?format=chat',
    assumed: {
      success: true,
      data: [{ ...conversation, tags: [], instance: { phone_number: '5511988887777', status: 'connected' } }],
    },
    orNull: ['profile_picture_url'],
    note: 'Expected are the fields that the Chat API adds.',
  },
  {
    call: 'GET /conversations/{uuid}',
    given: async ({ conversationOf, office }) => ({
      '{uuid}': await conversationOf(office, '5511999999999'),
    }),
    assumed: { success: true, data: conversation },
    orNull: ['profile_picture_url'],
    note: 'No answer documented; expected are the fields of the list.',
  },
  {
    call: 'GET /conversations/{uuid}/messages',
    given: fresh,
    assumed: {
      success: true,
      data: {
        messages: [
          {
            id: 456,
            direction: 'incoming',
            is_from_me: false,
            message_body: 'Hello!',
            sender_name: 'Maria',
            created_at: '2025-01-15T10:30:00Z',
          },
        ],
        has_more: false,
        oldest_id: 400,
        newest_id: 456,
      },
    },
    varies: ['messages.id', 'oldest_id', 'newest_id'],
    note: 'No answer documented; expected are the frame and the fields of the Chat API, without the formatted ones.',
  },
  {
    call: 'POST /conversations/{uuid}/mark-read',
    given: fresh,
    assumed: { success: true, message: 'Conversation marked as read' },
    afterwards: async ({ must }, { real }) => {
      expect((await must('GET', `/conversations/${real['{uuid}']}`)).data.unread_count).toBe(0)
    },
    note: 'No answer documented.',
  },
  {
    call: 'POST /conversations/{uuid}/archive',
    given: fresh,
    answer: {
      success: true,
      message: 'Conversation archived.',
      data: {
        archived_id: UUID,
        archived_at: '2025-12-29T12:00:00.000000Z',
      },
    },
  },
  {
    call: 'DELETE /conversations/{uuid}/archive',
    given: archived,
    answer: {
      success: true,
      message: 'Conversation restored.',
      data: { conversation_id: UUID, restored: true },
    },
  },
  {
    call: 'DELETE /conversations/{uuid}',
    given: fresh,
    assumed: { success: true, message: 'Conversation deleted' },
    afterwards: async ({ user }, { real }) => {
      expect((await user.get(`/conversations/${real['{uuid}']}`)).status).toBe(404)
    },
    note: 'No answer documented.',
  },
]
