import type { Entry } from '../entry.ts'

const [ONE, TWO] = ['a1b2c3d4-e5f6-7890-abcd-ef1234567890', 'b2c3d4e5-f6a7-8901-bcde-f12345678901']

export const bulk: readonly Entry[] = [
  {
    call: 'POST /api/v1/conversations/automation/bulk-pause',
    body: { conversation_ids: [ONE, TWO], reason: 'Bulk pause for maintenance' },
    given: async ({ automated }) => ({ [ONE]: (await automated()).id, [TWO]: (await automated()).id }),
    answer: {
      success: true,
      message: '2 conversations paused',
      data: { paused: 2, skipped: 0, errors: 0 },
    },
  },
  {
    call: 'POST /api/v1/conversations/automation/bulk-resume',
    body: { conversation_ids: [ONE, TWO] },
    given: async ({ closed }) => ({ [ONE]: (await closed()).id, [TWO]: (await closed()).id }),
    answer: {
      success: true,
      message: '2 automations resumed',
      data: { resumed: 2, skipped: 0, errors: 0 },
    },
    note: 'The conversations have been archived, as the section Automation Control demands.',
  },
]
