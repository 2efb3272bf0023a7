import { expect } from 'vitest'
import type { Entry } from '../entry.ts'
import type { World } from '../prepared-world.ts'
import { eventually } from '../../support/eventually.ts'

const UUID = '550e8400-e29b-41d4-a716-446655440000'
const instance = {
  uuid: UUID,
  phone_number: '5511999999999',
  status: 'connected',
  connected: true,
  messages_sent_today: 50,
  remaining_quota: 450,
  can_send_messages: true,
  last_activity_at: '2025-01-15T10:30:00Z',
}
const counted = ['messages_sent_today', 'remaining_quota']
const first = ({ first }: World) => ({ [UUID]: first })
const becomes = (world: World, id: string | undefined, status: string) =>
  eventually(async () => {
    expect((await world.must('GET', `/instances/${id}`)).data.status).toBe(status)
  })

export const instances: readonly Entry[] = [
  {
    call: 'GET /instances',
    path: '/instances?status=connected',
    // Something was sent, so that there is a last activity.
    given: async ({ send }) => {
      await send()
      return {}
    },
    answer: { success: true, data: { instances: [instance] } },
    varies: counted,
    note: '`remaining_quota` is null for an instance without a daily limit, `last_activity_at` for one that did nothing yet.',
  },
  {
    call: 'GET /instances/{uuid}',
    path: `/instances/${UUID}`,
    given: first,
    assumed: { success: true, data: instance },
    varies: counted,
    note: 'No answer documented; expected are the fields of the list.',
  },
  {
    call: 'GET /instances/{uuid}',
    title: 'that does not exist',
    beside: true,
    path: `/instances/${UUID}`,
    status: 404,
    answer: {
      success: false,
      error: { code: 'ERROR_CODE', message: 'Error description', details: {} },
    },
    varies: ['error.code', 'error.message'],
    note: 'The frame of all errors.',
  },
  {
    call: 'GET /instances/{uuid}',
    title: 'without a token',
    beside: true,
    path: `/instances/${UUID}`,
    by: 'nobody',
    given: first,
    status: 401,
    answer: {
      success: false,
      error: { code: 'ERROR_CODE', message: 'Error description', details: {} },
    },
    varies: ['error.code', 'error.message'],
  },
  {
    call: 'GET /instances/{uuid}/qr',
    path: `/instances/${UUID}/qr`,
    given: ({ waiting }) => ({ [UUID]: waiting }),
    answer: {
      success: true,
      data: {
        status: 'qr_ready',
        qr_code: 'data:image/png;base64,...',
        qr_code_text: '2@...',
        qr_generated_at: '2025-01-15T10:30:00Z',
        qr_expired: false,
        message: 'QR code ready to scan',
      },
    },
  },
  {
    call: 'GET /instances/{uuid}/status',
    path: `/instances/${UUID}/status?realtime=true`,
    given: first,
    assumed: { success: true, data: { status: 'connected', connected: true, phone_number: '5511999999999' } },
    note: 'No answer documented.',
  },
  {
    call: 'GET /instances/{uuid}/stats',
    given: ({ first }) => ({ '{uuid}': first }),
    answer: {
      success: true,
      data: {
        messages_sent_today: 50,
        remaining_quota: 450,
        daily_limit: 500,
        messages_this_week: 200,
        messages_this_month: 800,
        messages_received_today: 30,
        conversations_count: 150,
        contacts_count: 500,
      },
    },
    varies: [
      ...counted,
      'messages_this_week',
      'messages_this_month',
      'messages_received_today',
      'conversations_count',
      'contacts_count',
    ],
    note: 'The instance of the example has a daily limit of 500; without one, `daily_limit` and `remaining_quota` are null.',
  },
  {
    call: 'POST /instances/{uuid}/disconnect',
    path: `/instances/${UUID}/disconnect`,
    given: async ({ connected }) => ({ [UUID]: await connected() }),
    assumed: { success: true, message: 'Instance disconnected' },
    afterwards: (world, { real }) => becomes(world, real[UUID], 'disconnected'),
    note: 'No answer documented.',
  },
  {
    call: 'POST /instances/{uuid}/reconnect',
    path: `/instances/${UUID}/reconnect`,
    given: async ({ connected, must }) => {
      const id = await connected()
      await must('POST', `/instances/${id}/disconnect`)
      return { [UUID]: id }
    },
    assumed: { success: true, message: 'Reconnection started' },
    afterwards: (world, { real }) => becomes(world, real[UUID], 'connected'),
    note: 'No answer documented.',
  },
]
