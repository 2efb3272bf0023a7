import { expect } from 'vitest'
import type { Json } from '../../support/client.ts'
import type { Entry } from '../entry.ts'
import type { World } from '../prepared-world.ts'

const sentText = {
  success: true,
  message: 'Message sent successfully',
  message_id: '3EB0B430A8B7F23C1D12',
  timestamp: '2025-12-30T17:30:00.000Z',
}
const sentMedia = {
  success: true,
  message: 'Media sent successfully',
  message_id: '3EB0B430A8B7F23C1D13',
  timestamp: '2025-12-30T17:30:00.000Z',
}
const QUOTED = '3EB0ABC123456789'
const IMAGE = 'https://example.com/image.jpg'
const image = ({ imageUrl }: World) => ({ [IMAGE]: imageUrl })

/** WhatsApp got the message that the answer names. */
const arrived =
  (fields: object) =>
  async ({ first, outbox }: World, { body }: { body: Json }) => {
    const messages = await outbox(first)
    expect(messages.find(({ message_id }) => message_id === body.message_id)).toMatchObject(fields)
  }

/** The Instance API. */
export const messages: readonly Entry[] = [
  {
    call: 'POST /send-message',
    body: { recipient: '5511999999999', message: 'Olá! Esta é uma mensagem de teste.' },
    by: 'first instance',
    answer: sentText,
    afterwards: arrived({ to: '5511999999999', kind: 'text', text: 'Olá! Esta é uma mensagem de teste.' }),
  },
  {
    call: 'POST /send-message',
    title: 'with number and reply_to',
    beside: true,
    body: { number: '5511999999999', message: 'Olá!', reply_to: QUOTED },
    by: 'first instance',
    given: async ({ send }) => ({ [QUOTED]: (await send()).whatsappId }),
    answer: sentText,
    afterwards: arrived({ to: '5511999999999', text: 'Olá!', reply_to: expect.stringMatching(/^3EB0/) }),
  },
  {
    call: 'POST /send-message',
    title: 'with to and quoted_message_id',
    beside: true,
    body: { to: '5511999999999', message: 'Olá!', quoted_message_id: QUOTED },
    by: 'first instance',
    given: async ({ send }) => ({ [QUOTED]: (await send()).whatsappId }),
    answer: sentText,
    afterwards: arrived({ to: '5511999999999', text: 'Olá!', reply_to: expect.stringMatching(/^3EB0/) }),
  },
  {
    call: 'POST /send-media',
    body: {
      recipient: '5511999999999',
      media_url: IMAGE,
      media_type: 'image',
      caption: 'Confira esta imagem!',
    },
    by: 'first instance',
    given: image,
    answer: sentMedia,
    afterwards: arrived({ to: '5511999999999', kind: 'image', caption: 'Confira esta imagem!' }),
  },
  {
    call: 'POST /send-media',
    title: 'with number, url and type',
    beside: true,
    body: { number: '5511999999999', url: IMAGE, type: 'image' },
    by: 'first instance',
    given: image,
    answer: sentMedia,
    afterwards: arrived({ to: '5511999999999', kind: 'image' }),
  },
  {
    call: 'POST /send-reaction',
    body: { to: '5511999999999@s.whatsapp.net', messageId: '3EB0B430A8B7F23C1D12', emoji: '👍' },
    by: 'first instance',
    given: async ({ send }) => ({ '3EB0B430A8B7F23C1D12': (await send()).whatsappId }),
    assumed: { ...sentMedia, message: 'Reaction sent successfully' },
    afterwards: arrived({ to: '5511999999999', kind: 'reaction', text: '👍' }),
    note: 'No answer documented; expected are the fields of the other sends.',
  },
  {
    call: 'GET /status',
    by: 'first instance',
    answer: {
      success: true,
      status: 'connected',
      phone: '5511999999999',
      name: 'Meu WhatsApp',
      platform: 'android',
    },
    varies: ['platform'],
    note: '`platform` is the kind of the phone; that of a simulated one is `sandbox`.',
  },
  {
    call: 'GET /qr',
    by: 'waiting instance',
    answer: { success: true, qr: '...', status: 'qr_ready' },
    varies: ['qr'],
  },
  {
    call: 'GET /health',
    by: 'nobody',
    answer: { status: 'ok', uptime: 123456, timestamp: '2025-12-15T14:30:00.000Z' },
    varies: ['uptime'],
    note: 'The document gives no unit for `uptime`: it is in seconds.',
  },
]
