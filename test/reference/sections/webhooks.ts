import { expect } from 'vitest'
import type { Entry } from '../entry.ts'
import type { World } from '../prepared-world.ts'

const UUID = '550e8400-e29b-41d4-a716-446655440000'
const SENT = '3EB0ABC123456789'
const CHAT = '5511999999999@s.whatsapp.net'

const waitsForPhone = async ({ pairing }: World) => ({ '{uuid}': await pairing('Hooked') })
const given = async ({ connected }: World) => ({ '{uuid}': await connected() })
/** An instance with a message that the hook names. */
const withMessage =
  (id: string, fromMe: boolean) =>
  async ({ connected, must }: World) => {
    const instance = await connected()
    await must('POST', `/webhooks/instance/${instance}/incoming`, {
      message: { conversation: 'Hello!' },
      key: { remoteJid: CHAT, fromMe, id },
    })
    return { '{uuid}': instance }
  }
const theMessage = async (
  { conversationOf, messageIn }: World,
  instance: string | undefined,
  id: string,
  number = '5511999999999',
) => messageIn(await conversationOf(instance ?? '', number), id)

const signed =
  'No answer documented. Needs a bearer token, or a signature with the secret of the instance; the document shows neither.'

export const webhooks: readonly Entry[] = [
  {
    call: 'POST /webhooks/instance/{uuid}/incoming',
    body: {
      remoteJid: CHAT,
      message: {
        conversation: 'Hello, how are you?',
        extendedTextMessage: null,
        imageMessage: null,
        videoMessage: null,
        audioMessage: null,
        documentMessage: null,
      },
      messageTimestamp: 1705312200,
      pushName: 'John Doe',
      key: { remoteJid: CHAT, fromMe: false, id: SENT },
      participant: null,
      isGroup: false,
    },
    given,
    assumed: { success: true },
    afterwards: async (world, { real }) => {
      expect(await theMessage(world, real['{uuid}'], SENT)).toMatchObject({
        message_body: 'Hello, how are you?',
        sender_name: 'John Doe',
        created_at: '2024-01-15T09:50:00Z',
      })
    },
    note: signed,
  },
  {
    call: 'POST /webhooks/instance/{uuid}/incoming',
    title: 'a text message',
    body: {
      remoteJid: CHAT,
      message: { conversation: 'Hello!' },
      messageTimestamp: 1705312200,
      pushName: 'Customer Name',
      key: { remoteJid: CHAT, fromMe: false, id: 'ABC123' },
    },
    given,
    assumed: { success: true },
    afterwards: async (world, { real }) => {
      expect(await theMessage(world, real['{uuid}'], 'ABC123')).toMatchObject({
        message_body: 'Hello!',
        sender_name: 'Customer Name',
      })
    },
    note: signed,
  },
  {
    call: 'POST /webhooks/instance/{uuid}/status',
    body: { key: { remoteJid: CHAT, id: SENT, fromMe: true }, status: 3, messageTimestamp: 1705312200 },
    given: withMessage(SENT, true),
    assumed: { success: true },
    afterwards: async (world, { real }) => {
      expect(await theMessage(world, real['{uuid}'], SENT)).toMatchObject({ status: 'delivered' })
    },
    note: signed,
  },
  {
    call: 'POST /webhooks/instance/{uuid}/qr',
    body: { qr: '2@ABC123...', qr_image: '...', generated_at: '2025-01-15T10:30:00Z' },
    given: waitsForPhone,
    assumed: { success: true },
    afterwards: async ({ must }, { real }) => {
      expect((await must('GET', `/instances/${real['{uuid}']}/qr`)).data).toMatchObject({
        status: 'qr_ready',
        qr_code_text: '2@ABC123...',
      })
    },
    note: signed,
  },
  {
    call: 'POST /webhooks/instance/{uuid}/connection',
    body: { status: 'connected', phone_number: '5511999999999', timestamp: '2025-01-15T10:30:00Z' },
    given: waitsForPhone,
    assumed: { success: true },
    afterwards: async ({ must }, { real }) => {
      expect((await must('GET', `/instances/${real['{uuid}']}`)).data).toMatchObject({
        status: 'connected',
        phone_number: '5511999999999',
      })
    },
    note: signed,
  },
  {
    call: 'POST /webhooks/instance/{uuid}/reaction',
    body: {
      key: { remoteJid: CHAT, id: SENT, fromMe: false },
      reaction: { text: '👍', key: { id: '3EB0DEF987654321' } },
      senderJid: '5511888888888@s.whatsapp.net',
    },
    given: withMessage('3EB0DEF987654321', false),
    assumed: { success: true },
    afterwards: async (world, { real }) => {
      expect(await theMessage(world, real['{uuid}'], '3EB0DEF987654321')).toMatchObject({
        grouped_reactions: [{ emoji: '👍', count: 1, reactors: ['5511888888888'] }],
      })
    },
    note: signed,
  },
  {
    call: 'PUT /instances/{uuid}/webhook',
    path: `/instances/${UUID}/webhook`,
    body: {
      webhook_url: 'https://your-server.com/webhook',
      webhook_secret: 'your_secret_key_here',
      events: ['message.incoming', 'message.status'],
      is_active: true,
    },
    given: async ({ pairing, receiver }) => ({
      [UUID]: await pairing('Hooked'),
      'https://your-server.com/webhook': receiver.url,
    }),
    assumed: {
      success: true,
      data: {
        webhook_url: 'https://your-server.com/webhook',
        events: ['message.incoming', 'message.status'],
        is_active: true,
      },
    },
    note: 'No answer documented; expected is what was set, without the secret.',
  },
]
