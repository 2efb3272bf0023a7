import { expect } from 'vitest'
import { jpeg } from '../../support/files.ts'
import type { Entry } from '../entry.ts'
import type { World } from '../prepared-world.ts'

const INSTANCE = '550e8400-e29b-41d4-a716-446655440000'
const file = {
  id: 'media_abc123xyz',
  url: 'https://storage.zapini.app/media/abc123xyz.jpg',
  type: 'image',
  mime_type: 'image/jpeg',
  size: 102400,
  filename: 'image.jpg',
  created_at: '2025-01-15T10:30:00Z',
  expires_at: '2025-01-22T10:30:00Z',
}
const { created_at: _, ...uploaded } = file
const sent = {
  success: true,
  message: 'Media sent successfully',
  message_id: '3EB0B430A8B7F23C1D13',
  timestamp: '2025-12-30T17:30:00.000Z',
}
const likeSendMedia = 'No answer documented; expected is that of `POST /send-media`.'
const recipient = '+5511999999999'

const files = ({ first, imageUrl, reportUrl }: World) => ({
  [INSTANCE]: first,
  'https://example.com/image.jpg': imageUrl,
  'https://example.com/report.pdf': reportUrl,
})

export const media: readonly Entry[] = [
  {
    call: 'POST /media/upload',
    form: { file: 'image.jpg', type: 'image' },
    status: 201,
    answer: { success: true, data: uploaded },
    varies: ['size'],
  },
  {
    call: 'GET /media/{id}',
    given: async ({ upload }) => ({ '{id}': (await upload()).id }),
    answer: { success: true, data: file },
    varies: ['size'],
  },
  {
    call: 'DELETE /media/{id}',
    path: '/media/media_abc123xyz',
    given: async ({ upload }) => ({ media_abc123xyz: (await upload()).id }),
    assumed: { success: true, message: 'Media deleted successfully' },
    afterwards: async ({ user }, { real }) => {
      expect((await user.get(`/media/${real['media_abc123xyz']}`)).status).toBe(404)
    },
    note: 'No answer documented.',
  },
  {
    call: 'POST /messages/send-media',
    title: 'an image',
    body: {
      instance_id: INSTANCE,
      recipient,
      media_url: 'https://example.com/image.jpg',
      media_type: 'image',
      caption: 'Check this image!',
    },
    given: files,
    assumed: sent,
    note: likeSendMedia,
  },
  {
    call: 'POST /messages/send-media',
    title: 'a document',
    body: {
      instance_id: INSTANCE,
      recipient,
      media_url: 'https://example.com/report.pdf',
      media_type: 'document',
      filename: 'Monthly_Report.pdf',
      caption: 'Here is the monthly report',
    },
    given: files,
    assumed: sent,
    note: likeSendMedia,
  },
  {
    call: 'POST /messages/send-media',
    title: 'a file uploaded before',
    beside: true,
    body: { instance_id: INSTANCE, recipient, media_id: 'media_abc123xyz', media_type: 'image' },
    given: async ({ first, upload }) => ({ [INSTANCE]: first, media_abc123xyz: (await upload()).id }),
    assumed: sent,
    note: likeSendMedia,
  },
  {
    call: 'GET /messages/{uuid}/media',
    path: '/messages/660e8400-e29b-41d4-a716-446655440001/media',
    given: async ({ connected, phone, imageUrl, conversationOf, messageIn }) => {
      const instance = await connected()
      const message = { from: '5511999999999', media_type: 'image', media_url: imageUrl }
      const { data } = await phone(instance, 'incoming', message)
      const conversation = await conversationOf(instance, '5511999999999')
      const { unique_id } = await messageIn(conversation, data.message_id)
      return { '660e8400-e29b-41d4-a716-446655440001': unique_id }
    },
    contentType: 'image/jpeg',
    afterwards: (_world, { bytes }) => {
      expect(bytes.equals(jpeg)).toBe(true)
    },
    note: 'The file, byte for byte.',
  },
]
