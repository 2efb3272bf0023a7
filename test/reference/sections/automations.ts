import type { Entry } from '../entry.ts'

const UUID = 'a1b2c3d4-e5f6-7890-abcd-ef1234567890'
const conversations = '/api/v1/chat/conversations'

export const automations: readonly Entry[] = [
  {
    call: 'POST /send-message',
    title: 'while automation is active',
    beside: true,
    body: { instance_id: 'bot', recipient: '5511999999999', message: 'Hello!' },
    given: async ({ automated, bot }) => ({ bot, '5511999999999': (await automated()).from }),
    status: 403,
    answer: {
      success: false,
      error: {
        code: 'AUTOMATION_ACTIVE',
        message:
          'Cannot send messages. This conversation has active automation. Pause the automation first to send messages manually.',
        conversation_id: 123,
      },
    },
    varies: ['conversation_id'],
    note: 'The document shows no status; 403 is the one that fits.',
  },
  {
    call: `GET ${conversations}/{uuid}`,
    given: async ({ automated }) => ({ '{uuid}': (await automated()).id }),
    assumed: {
      success: true,
      data: { automation_status: 'active', can_send_manual_message: false, automation_paused_at: null },
    },
    note: 'A table of fields is documented; `inactive` beside `active` and `paused` is a conversation that automation has no part in.',
  },
  {
    call: `POST ${conversations}/{uuid}/pause-automation`,
    path: `${conversations}/${UUID}/pause-automation`,
    body: { reason: 'Manual intervention required' },
    given: async ({ automated }) => ({ [UUID]: (await automated()).id }),
    answer: {
      success: true,
      message: 'Automation paused successfully',
      data: {
        conversation_id: UUID,
        automation_paused: true,
        paused_at: '2025-01-15T10:30:00+00:00',
        paused_by: 'John Doe',
        reason: 'Manual intervention required',
      },
    },
  },
  {
    call: `POST ${conversations}/{uuid}/pause-automation`,
    title: 'without a body',
    path: `${conversations}/${UUID}/pause-automation`,
    given: async ({ automated }) => ({ [UUID]: (await automated()).id }),
    assumed: {
      success: true,
      message: 'Automation paused successfully',
      data: { conversation_id: UUID, automation_paused: true, reason: null },
    },
    note: 'The body is documented as optional; without it `reason` is null.',
  },
  {
    call: `POST ${conversations}/{uuid}/resume-automation`,
    path: `${conversations}/${UUID}/resume-automation`,
    given: async ({ closed }) => ({ [UUID]: (await closed()).id }),
    answer: {
      success: true,
      message: 'Automation resumed successfully',
      data: { conversation_id: UUID, automation_paused: false, resumed_at: '2025-01-15T11:00:00+00:00' },
    },
    note: 'The conversation has been archived, as the section Automation Control demands.',
  },
]
