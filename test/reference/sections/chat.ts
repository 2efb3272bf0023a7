import { expect } from 'vitest'
import type { Json } from '../../support/client.ts'
import type { Entry, Real } from '../entry.ts'
import type { World } from '../prepared-world.ts'

const UUID = '550e8400-e29b-41d4-a716-446655440045'
const MESSAGE = 'msg-abc-123'
const IMAGE = 'https://example.com/image.jpg'
const conversations = '/api/v1/chat/conversations'
const messages = '/api/v1/chat/messages'

/** A message as the chat shows it, of those that this API sends. */
const sent = {
  id: 456,
  unique_id: '0190d0a0-0000-7000-8000-000000000001',
  direction: 'outgoing',
  is_from_me: true,
  message_body: 'Hello from Chat API!',
  formatted_body: 'Hello from Chat API!',
  mentioned_jids: [],
  status: 'sent',
  grouped_reactions: [],
  created_at: '2025-12-16T10:00:00Z',
}
const reaction = { emoji: '👍', count: 1, has_my_reaction: true, reactors: ['5511999999999'] }
const answersMessage = 'No answer documented; expected is the message in the format of the chat.'

const fresh = async ({ converse }: World) => ({ [UUID]: (await converse()).id })
const freshMessage = async ({ send }: World) => ({ [MESSAGE]: (await send()).uuid })
const reacted = async ({ send, must }: World) => {
  const { uuid } = await send()
  await must('POST', `/chat/messages/${uuid}/reaction`, { emoji: '👍' })
  return { [MESSAGE]: uuid }
}
const readBy = async ({ must }: World, { real }: { real: Real }) => {
  const { data }: Json = await must('GET', `/conversations/${real[UUID]}`)
  expect(data.unread_count).toBe(0)
}

export const chat: readonly Entry[] = [
  {
    call: `GET ${conversations}`,
    path: `${conversations}?unread=true`,
    answer: {
      success: true,
      data: [
        {
          id: UUID,
          contact_number: '5521999999999',
          display_name: 'John Doe',
          is_group: false,
          profile_picture_url: 'https://...',
          last_message: 'Hello!',
          last_message_at: '2025-12-16T10:00:00Z',
          unread_count: 3,
          tags: [{ id: 'bf287f4d-037c-4280-8413-c7b7d08df5a0', name: 'VIP', color: '#f59e0b' }],
          instance: {
            uuid: '21ed5c9b-51a0-4569-85db-05433ea414b7',
            phone_number: '5511988887777',
            status: 'connected',
          },
        },
      ],
      meta: { pagination: { total: 50, per_page: 15, current_page: 1, last_page: 4 } },
    },
    varies: ['total', 'last_page'],
    orNull: ['profile_picture_url'],
    note: '`profile_picture_url` is null for people without a picture, as all of the sandbox are.',
  },
  {
    call: `GET ${conversations}/{uuid}/messages`,
    path: `${conversations}/${UUID}/messages?limit=50`,
    given: async ({ carlos, conversationOf }) => ({ [UUID]: await conversationOf(carlos, 'Friends') }),
    answer: {
      success: true,
      data: {
        messages: [
          {
            id: 456,
            unique_id: 'msg-abc-123',
            direction: 'incoming',
            is_from_me: false,
            message_body: 'Ola @5521999999999!',
            formatted_body: 'Ola <span class="mention" data-phone="5521999999999">@John Doe</span>!',
            mentioned_jids: ['5521999999999@s.whatsapp.net'],
            sender_name: 'Maria',
            status: 'read',
            grouped_reactions: [
              {
                emoji: '👍',
                count: 2,
                has_my_reaction: true,
                reactors: ['5521988887777', '5521966665555'],
                reactor_names: ['Carlos', 'Ana'],
              },
            ],
            created_at: '2025-12-16T10:00:00Z',
          },
        ],
        has_more: true,
        oldest_id: 400,
        newest_id: 456,
      },
    },
    varies: ['messages.id', 'unique_id', 'status', 'oldest_id', 'newest_id'],
    note: '`unique_id` is a UUID; the status of an incoming message is `received`.',
  },
  {
    call: 'POST /api/v1/chat/send',
    body: { instance_id: '18', recipient: '5521999999999', message: 'Hello from Chat API!' },
    given: ({ number }) => ({ '18': number }),
    assumed: { success: true, data: sent },
    varies: ['data.id'],
    note: answersMessage,
  },
  {
    call: 'POST /api/v1/chat/send-media',
    body: {
      instance_id: '18',
      recipient: '5521999999999',
      media_url: IMAGE,
      media_type: 'image',
      caption: 'Check this out!',
    },
    given: ({ number, imageUrl }) => ({ '18': number, [IMAGE]: imageUrl }),
    assumed: {
      success: true,
      data: { ...sent, message_body: 'Check this out!', formatted_body: 'Check this out!' },
    },
    varies: ['data.id'],
    note: answersMessage,
  },
  {
    call: `PATCH ${messages}/{uuid}`,
    path: `${messages}/${MESSAGE}`,
    body: { message: 'Updated message content' },
    given: freshMessage,
    assumed: {
      success: true,
      data: { ...sent, message_body: 'Updated message content', formatted_body: 'Updated message content' },
    },
    varies: ['data.id'],
    note: answersMessage,
  },
  {
    call: `DELETE ${messages}/{uuid}`,
    path: `${messages}/${MESSAGE}`,
    given: freshMessage,
    assumed: {
      success: true,
      data: { ...sent, message_body: null, formatted_body: null, deleted_at: '2025-12-16T10:00:00Z' },
    },
    varies: ['data.id'],
    note: `${answersMessage} It stays in the list, without its content.`,
  },
  {
    call: `POST ${messages}/{uuid}/reaction`,
    path: `${messages}/${MESSAGE}/reaction`,
    body: { emoji: '👍' },
    given: freshMessage,
    assumed: {
      success: true,
      data: { ...sent, message_body: 'Hello!', formatted_body: 'Hello!', grouped_reactions: [reaction] },
    },
    varies: ['data.id'],
    note: answersMessage,
  },
  {
    call: `DELETE ${messages}/{uuid}/reaction`,
    path: `${messages}/${MESSAGE}/reaction`,
    given: reacted,
    assumed: { success: true, data: { ...sent, message_body: 'Hello!', formatted_body: 'Hello!' } },
    varies: ['data.id'],
    note: answersMessage,
  },
  {
    call: `POST ${conversations}/{uuid}/mark-read`,
    path: `${conversations}/${UUID}/mark-read`,
    given: fresh,
    assumed: { success: true, message: 'Conversation marked as read' },
    afterwards: readBy,
    note: 'No answer documented.',
  },
  {
    call: `POST ${conversations}/{uuid}/archive`,
    path: `${conversations}/${UUID}/archive`,
    given: fresh,
    answer: {
      success: true,
      message: 'Conversation archived.',
      data: { archived_id: UUID, archived_at: '2025-12-29T12:00:00.000000Z' },
    },
  },
  {
    call: `DELETE ${conversations}/{uuid}/archive`,
    path: `${conversations}/${UUID}/archive`,
    given: async ({ converse, must }) => {
      const { id } = await converse()
      await must('POST', `/conversations/${id}/archive`)
      return { [UUID]: id }
    },
    answer: {
      success: true,
      message: 'Conversation restored.',
      data: { conversation_id: UUID, restored: true },
    },
  },
  {
    call: `POST ${conversations}/{uuid}/pause-automation`,
    path: `${conversations}/${UUID}/pause-automation`,
    body: { reason: 'Manual takeover' },
    given: async ({ automated }) => ({ [UUID]: (await automated()).id }),
    assumed: { success: true, message: 'Automation paused successfully' },
    note: 'The section Automations documents the answer.',
  },
  {
    call: `POST ${conversations}/{uuid}/resume-automation`,
    path: `${conversations}/${UUID}/resume-automation`,
    given: async ({ closed }) => ({ [UUID]: (await closed()).id }),
    assumed: { success: true, message: 'Automation resumed successfully' },
    note: 'The section Automations documents the answer.',
  },
]
