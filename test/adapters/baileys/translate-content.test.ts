import { proto, type WAMessageContent } from '@whiskeysockets/baileys'
import { describe, expect, test } from 'vitest'
import { translate } from '../../../src/adapters/baileys/translate.ts'
import { alice, bob, byNumber, me, upsert, waMessage } from './payloads.ts'

const pnOf = (lid: string) => (lid === alice.lid ? alice.jid : undefined)
const said = (text: string) => ({ kind: 'text', text })
const text = said('Hi')

describe('the content of a message', () => {
  const contentOf = (content: WAMessageContent) =>
    translate(upsert([waMessage(byNumber.dm('A1'), content)]), { account: me, pnOf, past: false }).flatMap(
      (told) => (told.kind === 'message' ? [told.incoming.content] : []),
    )
  const image = {
    imageMessage: { mimetype: 'image/png', caption: 'Look', url: 'https://mmg.whatsapp.net/x.enc' },
  }
  const looked = { kind: 'image', mimeType: 'image/png', caption: 'Look' }
  test.each<[string, WAMessageContent, object]>([
    ['text', { extendedTextMessage: { text: 'Hi' } }, text],
    ['image', image, looked],
    ['disappearing', { ephemeralMessage: { message: image } }, looked],
    ['to be seen once', { viewOnceMessage: { message: image } }, looked],
    ['to be seen once, newer', { viewOnceMessageV2: { message: image } }, looked],
    [
      'to be heard once',
      { viewOnceMessageV2Extension: { message: { audioMessage: {} } } },
      { kind: 'audio' },
    ],
    ['wrapped twice', { ephemeralMessage: { message: { viewOnceMessage: { message: image } } } }, looked],
    ['sent by a device of ours', { deviceSentMessage: { message: image } }, looked],
    ['in an album', { associatedChildMessage: { message: image } }, looked],
    [
      'document with a caption',
      {
        documentWithCaptionMessage: {
          message: {
            documentMessage: {
              mimetype: 'application/pdf',
              fileName: 'a.pdf',
              caption: 'Read',
              fileLength: 12,
            },
          },
        },
      },
      { kind: 'document', mimeType: 'application/pdf', filename: 'a.pdf', caption: 'Read', size: 12 },
    ],
    ['video', { videoMessage: { mimetype: 'video/mp4' } }, { kind: 'video', mimeType: 'video/mp4' }],
    ['video note', { ptvMessage: { mimetype: 'video/mp4' } }, { kind: 'video', mimeType: 'video/mp4' }],
    [
      'voice message',
      { audioMessage: { ptt: true, mimetype: 'audio/ogg; codecs=opus' } },
      { kind: 'audio', mimeType: 'audio/ogg; codecs=opus' },
    ],
    ['sticker', { stickerMessage: { mimetype: 'image/webp' } }, { kind: 'sticker', mimeType: 'image/webp' }],
    [
      'place',
      {
        locationMessage: { degreesLatitude: -23.5, degreesLongitude: -46.6, name: 'Home', address: '1 Road' },
      },
      { kind: 'location', latitude: -23.5, longitude: -46.6, name: 'Home', address: '1 Road' },
    ],
    [
      'place as long as it lasts',
      { liveLocationMessage: { degreesLatitude: 1, degreesLongitude: 2, caption: 'On my way' } },
      { kind: 'location', latitude: 1, longitude: 2, name: 'On my way' },
    ],
    [
      'place nowhere',
      { locationMessage: { degreesLatitude: 91, degreesLongitude: 0 } },
      { kind: 'other', description: 'locationMessage' },
    ],
    [
      'contact',
      { contactMessage: { displayName: 'Bob', vcard: 'BEGIN:VCARD' } },
      { kind: 'contact', contacts: [{ displayName: 'Bob', vcard: 'BEGIN:VCARD' }] },
    ],
    [
      'contacts',
      { contactsArrayMessage: { contacts: [{ displayName: 'Bob' }, { vcard: 'BEGIN:VCARD' }] } },
      {
        kind: 'contact',
        contacts: [
          { displayName: 'Bob', vcard: '' },
          { displayName: '', vcard: 'BEGIN:VCARD' },
        ],
      },
    ],
    ...(
      [
        'pollCreationMessage',
        'pollCreationMessageV2',
        'pollCreationMessageV3',
        'pollCreationMessageV5',
      ] as const
    ).map((field): [string, WAMessageContent, object] => [
      field,
      {
        messageContextInfo: { messageSecret: new Uint8Array(32) },
        [field]: {
          name: 'Which?',
          options: [{ optionName: 'A' }, { optionName: 'B' }],
          selectableOptionsCount: 1,
        },
      },
      { kind: 'poll', question: 'Which?', options: ['A', 'B'], selectable: 1 },
    ]),
    ['vote', { pollUpdateMessage: { metadata: {} } }, { kind: 'other', description: 'pollUpdateMessage' }],
    [
      'something new',
      { stickerPackMessage: { name: 'Cats' } },
      { kind: 'other', description: 'stickerPackMessage' },
    ],
    [
      'button that was chosen',
      {
        buttonsResponseMessage: {
          selectedButtonId: 'yes',
          selectedDisplayText: 'Yes, please',
          contextInfo: { stanzaId: 'Q1' },
        },
      },
      { kind: 'text', text: 'Yes, please', replyTo: 'Q1' },
    ],
    ['button without a name', { buttonsResponseMessage: { selectedButtonId: 'yes' } }, said('yes')],
    [
      'button of a template that was chosen',
      { templateButtonReplyMessage: { selectedId: '1', selectedDisplayText: 'Book' } },
      said('Book'),
    ],
    [
      'line of a list that was chosen',
      { listResponseMessage: { title: 'Monday', singleSelectReply: { selectedRowId: 'mo' } } },
      said('Monday'),
    ],
    [
      'answer to a form',
      {
        interactiveResponseMessage: {
          body: { text: 'Sent' },
          nativeFlowResponseMessage: { name: 'flow', paramsJson: '{}' },
        },
      },
      said('Sent'),
    ],
    [
      'choice without a name',
      { interactiveResponseMessage: { nativeFlowResponseMessage: { paramsJson: '{"id":"a"}' } } },
      said('{"id":"a"}'),
    ],
    [
      'buttons to choose from',
      { buttonsMessage: { contentText: 'Shall we?', footerText: 'The shop' } },
      said('Shall we?\nThe shop'),
    ],
    ['list to choose from', { listMessage: { title: 'Days', description: 'Which?' } }, said('Days\nWhich?')],
    [
      'template',
      { templateMessage: { hydratedTemplate: { hydratedContentText: 'Your order is here' } } },
      said('Your order is here'),
    ],
    [
      'offer, to be seen once',
      {
        viewOnceMessage: {
          message: { interactiveMessage: { header: { title: 'Sale' }, body: { text: 'All of it' } } },
        },
      },
      said('Sale\nAll of it'),
    ],
    [
      'invitation to a group',
      { groupInviteMessage: { groupJid: '1@g.us', inviteCode: 'x', groupName: 'Team', caption: 'Join us' } },
      said('Team\nJoin us'),
    ],
    [
      'event',
      { eventMessage: { name: 'Party', description: 'Bring cake', location: { name: 'Home' } } },
      said('Party\nBring cake\nHome'),
    ],
    ['product', { productMessage: { product: { title: 'Cup' }, body: 'Blue' } }, said('Cup\nBlue')],
    ['order', { orderMessage: { orderTitle: 'Shop', message: 'One cup' } }, said('Shop\nOne cup')],
    ['buttons without a word', { buttonsMessage: {} }, { kind: 'other', description: 'buttonsMessage' }],
  ])('%s', (_name, content, expected) => {
    expect(contentOf(content)).toEqual([expected])
    // As it comes off the wire.
    expect(contentOf(proto.Message.decode(proto.Message.encode(content).finish()))).toEqual([expected])
  })

  test('says which message it answers, and whom it names by number', () =>
    expect(
      contentOf({
        extendedTextMessage: {
          text: '@111111111111111 and @5511888888888, not @333333333333333',
          contextInfo: { stanzaId: 'Q1', mentionedJid: [alice.lid, bob.jid, 'nobody'] },
        },
      }),
    ).toEqual([
      {
        kind: 'text',
        text: '@5511999999999 and @5511888888888, not @333333333333333',
        replyTo: 'Q1',
        mentions: [alice.jid, bob.jid],
      },
    ]))
  test('is text that can be stored', () =>
    expect(contentOf({ conversation: 'a\0b\ud800' })).toEqual([{ kind: 'text', text: 'ab\ufffd' }]))
})
