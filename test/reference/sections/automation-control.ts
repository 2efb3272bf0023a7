import type { Entry } from '../entry.ts'

const UUID = '550e8400-e29b-41d4-a716-446655440045'
const [ONE, TWO, THREE] = [
  '550e8400-e29b-41d4-a716-446655440001',
  '550e8400-e29b-41d4-a716-446655440002',
  '550e8400-e29b-41d4-a716-446655440003',
]
const bothOf = (id: string) => ({ '{uuid}': id, [UUID]: id })
const twoMessages =
  'The document gives this call two messages; the one of its section Bulk Operations is answered, with the counts.'

export const automationControl: readonly Entry[] = [
  {
    call: 'GET /conversations/{uuid}/automation',
    given: async ({ automated }) => bothOf((await automated()).id),
    answer: {
      success: true,
      data: {
        conversation_id: UUID,
        automation_status: 'active',
        is_automation_active: true,
        can_send_manual_message: false,
        paused_at: null,
        paused_by: null,
        pause_reason: null,
      },
    },
  },
  {
    call: 'POST /conversations/{uuid}/automation/pause',
    path: `/conversations/${UUID}/automation/pause`,
    body: { reason: 'Manual takeover for VIP client' },
    given: async ({ automated }) => ({ [UUID]: (await automated()).id }),
    answer: {
      success: true,
      message: 'Automation paused. You can now send messages manually.',
      data: { automation_status: 'paused', paused_at: '2025-12-20T14:30:00Z', paused_by: 'John Doe' },
    },
  },
  {
    call: 'POST /conversations/{uuid}/automation/resume',
    given: async ({ closed }) => ({ '{uuid}': (await closed()).id }),
    answer: {
      success: true,
      message: 'Automation resumed. AI will handle this conversation.',
      data: { automation_status: 'active' },
    },
    note: 'The conversation has been archived, as the document demands.',
  },
  {
    call: 'POST /conversations/automation/bulk-pause',
    body: { conversation_ids: [ONE, TWO, THREE] },
    given: async ({ automated }) => ({
      [ONE]: (await automated()).id,
      [TWO]: (await automated()).id,
      [THREE]: (await automated()).id,
    }),
    answer: { success: true, message: '3 conversations paused successfully.' },
    varies: ['message'],
    note: twoMessages,
  },
  {
    call: 'POST /conversations/automation/bulk-resume',
    body: { conversation_ids: [ONE, TWO, THREE] },
    given: async ({ closed }) => ({
      [ONE]: (await closed()).id,
      [TWO]: (await closed()).id,
      [THREE]: (await closed()).id,
    }),
    answer: { success: true, message: '3 conversations resumed successfully.' },
    varies: ['message'],
    note: twoMessages,
  },
]
