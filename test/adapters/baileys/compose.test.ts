import { Readable } from 'node:stream'
import { generateWAMessage, proto, type WAMessage } from '@whiskeysockets/baileys'
import { describe, expect, test } from 'vitest'
import { compose, type Given } from '../../../src/adapters/baileys/compose.ts'
import { translate } from '../../../src/adapters/baileys/translate.ts'
import type { Content } from '../../../src/domain/content.ts'
import type { Outgoing } from '../../../src/ports/gateway.ts'
import { alice, bob, group, me, upsert, waMessage } from './payloads.ts'

const outgoing = (content: Content, more: Partial<Outgoing> = {}): Outgoing => ({
  instanceId: '550e8400-e29b-41d4-a716-446655440000',
  whatsappId: '3EB0A1',
  chat: alice.jid,
  content,
  ...more,
})
const about = (more: Partial<NonNullable<Outgoing['about']>> = {}) => ({
  whatsappId: 'A1',
  chat: alice.jid,
  fromMe: false,
  sender: alice.jid,
  content: { kind: 'text', text: 'Hi' } as const,
  ...more,
})
const file = (mimeType: string): Given => ({
  file: { stream: Readable.from([Buffer.from('bytes')]), mimeType },
})

/** What Baileys puts on the wire. */
const made = async (message: Outgoing, given?: Given): Promise<WAMessage> => {
  const { content, options } = compose(message, given)
  const upload = () => Promise.resolve({ mediaUrl: 'https://mmg.whatsapp.net/x', directPath: '/x' })
  return generateWAMessage(message.chat, content, { ...options, userJid: me.jid, upload })
}
const wire = async (message: Outgoing, given?: Given) => {
  const { key, message: content } = await made(message, given)
  expect(key).toMatchObject({ id: message.whatsappId, remoteJid: message.chat, fromMe: true })
  return proto.Message.toObject(proto.Message.create(content ?? {}))
}

describe('what is composed means the same when it comes in', () => {
  const contents: Content[] = [
    { kind: 'text', text: 'Look at https://example.com' },
    { kind: 'text', text: 'Hi @5511888888888', mentions: [bob.jid] },
    { kind: 'location', latitude: -23.5, longitude: -46.6, name: 'Home', address: '1 Road' },
    { kind: 'location', latitude: 0, longitude: 0 },
    { kind: 'contact', contacts: [{ displayName: 'Bob', vcard: 'BEGIN:VCARD\nEND:VCARD' }] },
    {
      kind: 'contact',
      contacts: [
        { displayName: 'Bob', vcard: 'BEGIN:VCARD\nEND:VCARD' },
        { displayName: 'Al', vcard: 'BEGIN:VCARD\nEND:VCARD' },
      ],
    },
    { kind: 'poll', question: 'Which?', options: ['A', 'B'], selectable: 1 },
    { kind: 'poll', question: 'Which?', options: ['A', 'B'], selectable: 0 },
    { kind: 'text', text: 'Yes', replyTo: 'A1' },
    { kind: 'location', latitude: 1, longitude: 2, replyTo: 'A1' },
  ]
  test.each(contents.map((content) => ({ content })))('$content', async ({ content }) => {
    const { message } = await made(outgoing(content, { about: about() }))
    const told = translate(upsert([waMessage({ remoteJid: alice.jid, id: 'B1' }, message)]), {
      account: me,
      pnOf: () => undefined,
      past: false,
    })
    expect(told).toMatchObject([{ kind: 'message', incoming: { content } }])
  })
})

describe('media', () => {
  test.each([
    [
      { kind: 'image', caption: 'Look' },
      'image/png',
      { imageMessage: { mimetype: 'image/png', caption: 'Look' } },
    ],
    [
      { kind: 'video', caption: 'Look' },
      'video/mp4',
      { videoMessage: { mimetype: 'video/mp4', caption: 'Look' } },
    ],
    [
      { kind: 'document', filename: 'a.pdf', caption: 'Read' },
      'application/pdf',
      { documentMessage: { mimetype: 'application/pdf', fileName: 'a.pdf', caption: 'Read' } },
    ],
    [{ kind: 'audio' }, 'audio/mpeg', { audioMessage: { mimetype: 'audio/mpeg' } }],
    [{ kind: 'audio' }, 'audio/ogg', { audioMessage: { mimetype: 'audio/ogg; codecs=opus', ptt: true } }],
    [{ kind: 'sticker' }, 'image/webp', { stickerMessage: { mimetype: 'image/webp' } }],
  ] as const)('%o as %s says its type', async (content, mimeType, expected) =>
    expect(await wire(outgoing(content), file(mimeType))).toMatchObject(expected),
  )
  test('names those who are mentioned in the caption', async () => {
    for (const kind of ['image', 'video', 'document'] as const)
      expect(
        await wire(outgoing({ kind, caption: 'Look', mentions: [bob.jid] }), file('image/png')),
      ).toMatchObject({
        [`${kind}Message`]: { caption: 'Look @5511888888888', contextInfo: { mentionedJid: [bob.jid] } },
      })
  })
  test('is not composed without its file', () =>
    expect(() => compose(outgoing({ kind: 'image' }))).toThrow(/file/))
})

test('a text never makes Baileys fetch the page that it names', () =>
  expect(compose(outgoing({ kind: 'text', text: 'https://example.com' })).content).toHaveProperty(
    'linkPreview',
    null,
  ))
test('who is mentioned without being named is named at the end', async () =>
  expect(await wire(outgoing({ kind: 'text', text: 'Hi', mentions: [bob.jid] }))).toMatchObject({
    extendedTextMessage: { text: 'Hi @5511888888888', contextInfo: { mentionedJid: [bob.jid] } },
  }))

describe('a reply', () => {
  const reply = { kind: 'text', text: 'Yes', replyTo: 'A1' } as const
  const quotedBy = async (message: Outgoing, given?: Given) =>
    (await wire(message, given))['extendedTextMessage'].contextInfo
  test('shows what the log has of the message', async () =>
    expect(await quotedBy(outgoing(reply, { about: about() }))).toEqual({
      stanzaId: 'A1',
      participant: alice.jid,
      quotedMessage: { conversation: 'Hi' },
    }))
  test('shows the message as it came, if that is kept', async () => {
    const raw = waMessage(
      { remoteJid: group, participant: alice.lid, id: 'A1' },
      { imageMessage: { caption: 'Look' } },
    )
    expect(
      await quotedBy(outgoing(reply, { chat: group, about: about({ chat: group }) }), { raw }),
    ).toMatchObject({
      stanzaId: 'A1',
      participant: alice.lid,
      quotedMessage: { imageMessage: { caption: 'Look' } },
    })
  })
  test('to a message of our own says so', async () =>
    expect(await quotedBy(outgoing(reply, { about: about({ fromMe: true, sender: me.jid }) }))).toMatchObject(
      {
        participant: me.jid,
      },
    ))
  test('stays in the chat, however that is addressed', async () =>
    expect(await quotedBy(outgoing(reply, { chat: alice.lid, about: about() }))).not.toHaveProperty(
      'remoteJid',
    ))
  test('to a message that nobody knows goes out as a message', async () =>
    expect(await wire(outgoing(reply))).toEqual({
      extendedTextMessage: { text: 'Yes' },
      messageContextInfo: expect.anything(),
    }))
})

describe('a signal names the message that it is about', () => {
  const inGroup = { chat: group, about: about({ chat: group }) }
  const own = { chat: group, about: about({ chat: group, fromMe: true, sender: me.jid }) }
  const reaction = { kind: 'reaction', targetWhatsappId: 'A1', emoji: '👍' } as const
  test('in a chat with one person', async () =>
    expect(await wire(outgoing(reaction, { about: about() }))).toMatchObject({
      reactionMessage: { text: '👍', key: { remoteJid: alice.jid, id: 'A1', fromMe: false } },
    }))
  test('in a group with its author', async () =>
    expect(await wire(outgoing(reaction, inGroup))).toMatchObject({
      reactionMessage: { key: { remoteJid: group, id: 'A1', fromMe: false, participant: alice.jid } },
    }))
  test('in a group with its author as WhatsApp had it', async () =>
    expect(
      await wire(outgoing(reaction, inGroup), {
        raw: waMessage({ remoteJid: group, participant: alice.lid, id: 'A1' }, {}),
      }),
    ).toMatchObject({ reactionMessage: { key: { participant: alice.lid } } }))
  test('when a reaction is taken back', async () =>
    expect(await wire(outgoing({ ...reaction, emoji: '' }, inGroup))).toMatchObject({
      reactionMessage: { text: '' },
    }))
  test('when it is edited', async () =>
    expect(await wire(outgoing({ kind: 'edit', targetWhatsappId: 'A1', text: 'Hello' }, own))).toMatchObject({
      protocolMessage: {
        type: proto.Message.ProtocolMessage.Type.MESSAGE_EDIT,
        key: { remoteJid: group, id: 'A1', fromMe: true },
        editedMessage: { extendedTextMessage: { text: 'Hello' } },
      },
    }))
  test('when it is taken back', async () =>
    expect(await wire(outgoing({ kind: 'delete', targetWhatsappId: 'A1' }, own))).toMatchObject({
      protocolMessage: {
        type: proto.Message.ProtocolMessage.Type.REVOKE,
        key: { remoteJid: group, id: 'A1', fromMe: true },
      },
    }))
  test('or is not composed, if that is not known', () =>
    expect(() => compose(outgoing(reaction))).toThrow(/not known/))
})

test('what we have no words for cannot be composed', () =>
  expect(() => compose(outgoing({ kind: 'other', description: 'eventMessage' }))).toThrow(/no words/))
