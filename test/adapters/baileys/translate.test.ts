import { proto, type WAMessage } from '@whiskeysockets/baileys'
import { describe, expect, test } from 'vitest'
import { journalledIn } from '../../../src/adapters/baileys/hearing.ts'
import { lidsIn, translate, type Known } from '../../../src/adapters/baileys/translate.ts'
import type { Told } from '../../../src/adapters/baileys/told.ts'
import type { Content } from '../../../src/domain/content.ts'
import {
  alice,
  AT,
  bob,
  byHiddenId,
  byNumber,
  folded,
  group,
  me,
  SECONDS,
  upsert,
  waMessage,
  type Addressing,
} from './payloads.ts'

const { Status, StubType } = proto.WebMessageInfo
const { Type } = proto.Message.ProtocolMessage

const numbers = new Map([
  // As the store of Baileys has them: with a device.
  [alice.lid, alice.jid.replace('@', ':0@')],
  [bob.lid, bob.jid.replace('@', ':0@')],
])
const known: Known = {
  account: me,
  pnOf: (lid) => numbers.get(lid),
  past: false,
  now: new Date('2026-02-01'),
}

const toldOf = (batch: Parameters<typeof translate>[0], more: Partial<Known> = {}) =>
  translate(batch, { ...known, ...more })
/** Without the addresses that were learnt, and the messages as they came. */
const factsOf = (batch: Parameters<typeof translate>[0], more: Partial<Known> = {}) =>
  toldOf(batch, more).flatMap((told: Told): unknown[] => {
    if (told.kind === 'addressLink') return []
    if (told.kind !== 'message') return [told]
    const { raw: _raw, ...fact } = told
    return [fact]
  })
const linksOf = (batch: Parameters<typeof translate>[0], more: Partial<Known> = {}) =>
  toldOf(batch, more).flatMap((told) => (told.kind === 'addressLink' ? [told.link] : []))

const fromAlice = { chat: alice.jid, sender: alice.jid, fromMe: false }
const message = (content: Content, more: object = {}) => ({
  kind: 'message',
  incoming: { whatsappId: 'A1', ...fromAlice, senderName: 'Alice', content, at: AT, ...more },
})
const hi = { conversation: 'Hi' }
const text = { kind: 'text', text: 'Hi' } as const

describe.each([byNumber, byHiddenId])('what is $name', ({ dm, inGroup }: Addressing) => {
  test('is told, though nothing of it can be seen, if it is for the phone alone', () =>
    expect(factsOf(upsert([waMessage({ ...dm('A1'), isViewOnce: true }, undefined)]))).toEqual([
      message({ kind: 'other', description: 'viewOnceMessage' }),
    ]))
  test.each(['notify', 'append'] as const)('is told by the number of the person (%s)', (type) =>
    expect(factsOf(upsert([waMessage(dm('A1'), hi)], type))).toEqual([message(text)]),
  )
  test('is told in a group with its author and the name of the group', () =>
    expect(
      factsOf(upsert([waMessage(inGroup('A1'), hi)]), {
        subjectOf: (jid) => (jid === group ? 'Friends' : ''),
      }),
    ).toEqual([message(text, { chat: group, chatName: 'Friends' })]))
  test('is told as typed on the phone, in the chat of the other side', () =>
    expect(factsOf(upsert([waMessage(dm('A1', true), hi)]))).toEqual([
      {
        kind: 'message',
        incoming: { whatsappId: 'A1', chat: alice.jid, sender: me.jid, fromMe: true, content: text, at: AT },
      },
    ]))
  test('is told as typed on the phone in a group', () =>
    expect(factsOf(upsert([waMessage(inGroup('A1', true), hi)]))).toMatchObject([
      { incoming: { chat: group, sender: me.jid, fromMe: true } },
    ]))

  test('is a reaction, told once by message and event', () => {
    const key = dm('R1')
    const content = { reactionMessage: { key: dm('A1', true), text: '👍' } }
    const reaction = { ...content.reactionMessage, key, senderTimestampMs: SECONDS * 1000 }
    const told = {
      kind: 'reaction',
      reaction: { targetWhatsappId: 'A1', ...fromAlice, senderName: 'Alice', emoji: '👍', at: AT },
    }
    expect(factsOf(upsert([waMessage(key, content)]))).toEqual([told])
    expect(factsOf({ 'messages.reaction': [{ key: dm('A1', true), reaction }] })).toMatchObject([
      { kind: 'reaction', reaction: { targetWhatsappId: 'A1', ...fromAlice, emoji: '👍', at: AT } },
    ])
    expect(
      factsOf({
        ...upsert([waMessage(key, content)]),
        'messages.reaction': [{ key: dm('A1', true), reaction }],
      }),
    ).toEqual([told])
  })
  test('is a reaction taken back', () =>
    expect(
      factsOf(upsert([waMessage(inGroup('R1'), { reactionMessage: { key: inGroup('A1'), text: '' } })])),
    ).toMatchObject([{ reaction: { targetWhatsappId: 'A1', chat: group, sender: alice.jid, emoji: '' } }]))

  const edit = {
    protocolMessage: {
      type: Type.MESSAGE_EDIT,
      key: { id: 'A1' },
      editedMessage: { extendedTextMessage: { text: 'Hello' } },
    },
  }
  test.each([
    ['plain', edit],
    ['wrapped', { editedMessage: { message: edit } }],
  ])('is an edit, %s, with who did it', (_name, content) =>
    expect(factsOf(upsert([waMessage(dm('E1'), content)]))).toEqual([
      {
        kind: 'change',
        change: {
          targetWhatsappId: 'A1',
          fromMe: false,
          chat: alice.jid,
          by: alice.jid,
          text: 'Hello',
          at: AT,
        },
      },
    ]),
  )
  test('is an edit, as Baileys tells of it', () =>
    expect(
      factsOf({
        'messages.update': [
          {
            key: inGroup('A1'),
            update: {
              message: { editedMessage: { message: { conversation: 'Hello' } } },
              messageTimestamp: SECONDS,
            },
          },
        ],
      }),
    ).toEqual([
      {
        kind: 'change',
        change: {
          targetWhatsappId: 'A1',
          fromMe: false,
          chat: group,
          by: alice.jid,
          text: 'Hello',
          at: AT,
        },
      },
    ]))

  const revoke = { protocolMessage: { type: Type.REVOKE, key: { id: 'A1' } } }
  const revoked = { message: null, messageStubType: StubType.REVOKE }
  test('is a deletion, told once by message and event', () =>
    expect(
      factsOf({
        ...upsert([waMessage(dm('D1'), revoke)]),
        'messages.update': [{ key: dm('A1'), update: { ...revoked, key: dm('D1') } }],
      }),
    ).toEqual([
      {
        kind: 'change',
        change: { targetWhatsappId: 'A1', fromMe: false, chat: alice.jid, by: alice.jid, at: AT },
      },
    ]))
  test('is a deletion, as Baileys tells of it', () =>
    expect(factsOf({ 'messages.update': [{ key: dm('A1'), update: revoked }] })).toMatchObject([
      { change: { targetWhatsappId: 'A1', fromMe: false, by: alice.jid } },
    ]))
  test('is a deletion by an admin of the group, in which it counts', () =>
    expect(
      factsOf(upsert([waMessage(inGroup('D1'), revoke)]), {
        isAdmin: (chat, jid) => chat === group && jid === alice.jid,
      }),
    ).toMatchObject([{ change: { targetWhatsappId: 'A1', by: alice.jid, chat: group, asAdmin: true } }]))
  test('is an edit that an admin makes only of what is their own', () =>
    expect(factsOf(upsert([waMessage(inGroup('E1'), edit)]), { isAdmin: () => true })).toMatchObject([
      { change: expect.not.objectContaining({ asAdmin: true }) },
    ]))

  test.each([
    [Status.SERVER_ACK, 'sent'],
    [Status.DELIVERY_ACK, 'delivered'],
    [Status.READ, 'read'],
    [Status.PLAYED, 'played'],
  ] as const)('is a receipt: %i is %s', (status, name) =>
    expect(
      factsOf({
        'messages.update': [{ key: dm('A1', true), update: { status, messageTimestamp: SECONDS } }],
      }),
    ).toEqual([{ kind: 'receipt', receipt: { whatsappId: 'A1', chat: alice.jid, status: name, at: AT } }]),
  )
  test.each([Status.ERROR, Status.PENDING, null])('is no receipt with the status %s', (status) =>
    expect(factsOf({ 'messages.update': [{ key: dm('A1', true), update: { status } }] })).toEqual([]),
  )
  test('is no receipt where the account itself has read', () =>
    expect(factsOf({ 'messages.update': [{ key: dm('A1'), update: { status: Status.READ } }] })).toEqual([]))
  test('is a receipt of a group once the first member has given it', () =>
    expect(
      factsOf({
        'message-receipt.update': [
          { key: inGroup('A1', true), receipt: { userJid: alice.lid, receiptTimestamp: SECONDS } },
          { key: inGroup('A1', true), receipt: { userJid: bob.jid, receiptTimestamp: SECONDS + 1 } },
          { key: inGroup('A1', true), receipt: { userJid: bob.jid, readTimestamp: SECONDS } },
          { key: inGroup('A2', true), receipt: { userJid: me.lid, readTimestamp: SECONDS } },
        ],
      }),
    ).toEqual([
      { kind: 'receipt', receipt: { whatsappId: 'A1', chat: group, status: 'delivered', at: AT } },
      { kind: 'receipt', receipt: { whatsappId: 'A1', chat: group, status: 'read', at: AT } },
    ]))

  describe('folded into the message by Baileys', () => {
    test('tells of an edit', () =>
      expect(
        factsOf(
          folded(
            ['messages.upsert', { messages: [waMessage(dm('A1'), hi)], type: 'append' }],
            [
              'messages.update',
              [
                {
                  key: dm('A1'),
                  update: { message: { editedMessage: { message: { conversation: 'Hello' } } } },
                },
              ],
            ],
          ),
        ),
      ).toEqual([
        message({ kind: 'text', text: 'Hello' }),
        {
          kind: 'change',
          change: {
            targetWhatsappId: 'A1',
            fromMe: false,
            chat: alice.jid,
            by: alice.jid,
            text: 'Hello',
            at: AT,
          },
        },
      ]))
    test('tells of a deletion alone: nothing is left of the message', () => {
      const batch = folded(
        ['messages.upsert', { messages: [waMessage(dm('A1'), hi)], type: 'append' }],
        ['messages.upsert', { messages: [waMessage(dm('D1'), revoke)], type: 'append' }],
        ['messages.update', [{ key: dm('A1'), update: { ...revoked, key: dm('D1') } }]],
      )
      expect(factsOf(batch)).toEqual([
        {
          kind: 'change',
          change: { targetWhatsappId: 'A1', fromMe: false, chat: alice.jid, by: alice.jid, at: AT },
        },
      ])
    })
    test('tells of reactions and receipts to what was typed on the phone', () => {
      const key = dm('R1')
      const reaction = { key, text: '🔥', senderTimestampMs: SECONDS * 1000 }
      expect(
        factsOf(
          folded(
            [
              'messages.upsert',
              { messages: [waMessage(dm('A1', true), hi, { status: Status.PENDING })], type: 'append' },
            ],
            ['messages.update', [{ key: dm('A1', true), update: { status: Status.DELIVERY_ACK } }]],
            ['messages.reaction', [{ key: dm('A1', true), reaction }]],
          ),
        ),
      ).toMatchObject([
        { kind: 'message', incoming: { whatsappId: 'A1', fromMe: true } },
        { kind: 'receipt', receipt: { whatsappId: 'A1', status: 'delivered' } },
        { kind: 'reaction', reaction: { targetWhatsappId: 'A1', ...fromAlice, emoji: '🔥', at: AT } },
      ])
    })
    test('tells of receipts of a group', () =>
      expect(
        factsOf(
          folded(
            ['messages.upsert', { messages: [waMessage(inGroup('A1', true), hi)], type: 'append' }],
            [
              'message-receipt.update',
              [{ key: inGroup('A1', true), receipt: { userJid: alice.lid, readTimestamp: SECONDS } }],
            ],
          ),
        ),
      ).toMatchObject([
        { kind: 'message', incoming: { whatsappId: 'A1', fromMe: true } },
        { kind: 'receipt', receipt: { whatsappId: 'A1', status: 'read', at: AT } },
      ]))
  })

  test('is told as past if it was said before the pairing, oldest first, and only if it is wanted', () => {
    const batch = {
      'messaging-history.set': {
        chats: [{ id: group, name: 'Friends' }],
        contacts: [
          { id: alice.jid, lid: alice.lid, name: 'Alice Doe' },
          { id: group, name: 'Friends' },
        ],
        messages: [
          waMessage(inGroup('A2'), hi, { messageTimestamp: SECONDS + 1 }),
          waMessage(dm('A1'), hi, { reactions: [{ key: dm('R1'), text: '👍' }], status: Status.READ }),
        ],
        syncType: proto.HistorySync.HistorySyncType.RECENT,
      },
    }
    expect(factsOf(batch)).toEqual([])
    expect(factsOf(batch, { past: true })).toEqual([
      { kind: 'contact', news: { jid: alice.jid, savedName: 'Alice Doe', at: '2026-02-01T00:00:00.000Z' } },
      message(text, { past: true }),
      message(text, {
        whatsappId: 'A2',
        chat: group,
        chatName: 'Friends',
        at: '2026-01-01T00:00:01.000Z',
        past: true,
      }),
    ])
  })
})

describe('what is not told', () => {
  const { dm, inGroup } = byNumber
  test.each<[string, WAMessage]>([
    ['what could not be decrypted', waMessage(dm('A1'), undefined, { messageStubType: StubType.CIPHERTEXT })],
    [
      'changes of groups',
      waMessage(inGroup('A1'), undefined, {
        messageStubType: StubType.GROUP_PARTICIPANT_ADD,
        messageStubParameters: [],
      }),
    ],
    ['keys', waMessage(inGroup('A1'), { senderKeyDistributionMessage: { groupId: group } })],
    [
      'settings of the chat',
      waMessage(dm('A1'), { protocolMessage: { type: Type.EPHEMERAL_SETTING, key: {} } }),
    ],
    ['pins', waMessage(dm('A1'), { pinInChatMessage: { key: dm('A0') } })],
    ['statuses', waMessage({ remoteJid: 'status@broadcast', participant: alice.jid, id: 'A1' }, hi)],
    ['channels', waMessage({ remoteJid: '123456789@newsletter', id: 'A1' }, hi)],
    ['messages without an id', waMessage({ remoteJid: alice.jid }, hi)],
    ['group messages of nobody', waMessage({ remoteJid: group, id: 'A1' }, hi)],
  ])('%s', (_name, given) => expect(factsOf(upsert([given]))).toEqual([]))
})

test('the content of a message supersedes the word that it could not be read', () => {
  const key = byHiddenId.dm('A1')
  expect(
    factsOf(
      folded(
        [
          'messages.upsert',
          { messages: [waMessage(key, undefined, { messageStubType: StubType.CIPHERTEXT })], type: 'notify' },
        ],
        ['messages.upsert', { messages: [waMessage(key, hi)], type: 'notify' }],
      ),
    ),
  ).toEqual([message(text)])
})

test('what the phone gave when it was asked is in no journal, also where the library folds it into what is', () => {
  const peer = waMessage({ ...byHiddenId.dm('P1', true) }, { protocolMessage: {} }, { category: 'peer' })
  const given = waMessage(byHiddenId.dm('A1'), hi)
  const batch = folded(
    ['messages.upsert', { messages: [peer], type: 'notify' }],
    ['messages.upsert', { messages: [given], type: 'notify', requestId: 'R1' }],
  )
  expect(factsOf(batch)).toEqual([message(text)])
  expect(journalledIn(batch)).toEqual([peer])
})

test('who writes to a list writes to each of its members', () =>
  expect(
    factsOf(upsert([waMessage({ remoteJid: '1700000000@broadcast', participant: alice.jid, id: 'A1' }, hi)])),
  ).toEqual([message(text)]))

test.each([
  ['text', String(SECONDS), AT],
  ['halves', { low: SECONDS, high: 0, unsigned: true }, AT],
  ['nothing', undefined, '2026-02-01T00:00:00.000Z'],
  ['a far future', 9_999_999_999, '2026-02-01T00:00:00.000Z'],
])('the time may be given as %s', (_name, messageTimestamp, at) => {
  const given = { ...waMessage(byNumber.dm('A1'), hi), messageTimestamp } as WAMessage
  expect(factsOf(upsert([given]))).toMatchObject([{ incoming: { at } }])
})

describe('two addresses of one person', () => {
  const at = '2026-02-01T00:00:00.000Z'
  const link = { from: alice.lid, to: alice.jid, at }
  const nothing: Partial<Known> = { pnOf: () => undefined }
  test('are learnt from messages, once in a batch and before them', () => {
    const batch = upsert([waMessage(byHiddenId.dm('A1'), hi), waMessage(byHiddenId.inGroup('A2'), hi)])
    expect(linksOf(batch, nothing)).toEqual([link])
    expect(toldOf(batch, nothing)[0]).toEqual({ kind: 'addressLink', link })
  })
  test('are learnt also where the number comes first', () =>
    expect(
      linksOf(upsert([waMessage({ ...byNumber.dm('A1'), remoteJidAlt: alice.lid }, hi)]), nothing),
    ).toEqual([link]))
  test('are told where the number was known already, since nobody may have been told', () =>
    expect(linksOf(upsert([waMessage({ remoteJid: alice.lid, id: 'A1' }, hi)]))).toEqual([link]))
  test('are told when WhatsApp tells them', () =>
    expect(linksOf({ 'lid-mapping.update': { lid: alice.lid, pn: alice.jid } }, nothing)).toEqual([link]))
  test('are learnt from the address book', () =>
    expect(linksOf({ 'contacts.upsert': [{ id: alice.jid, lid: alice.lid, name: 'A' }] }, nothing)).toEqual([
      link,
    ]))
  test('are never those of the account itself', () => {
    expect(linksOf(upsert([waMessage(byHiddenId.inGroup('A1', true), hi)]), nothing)).toEqual([])
    expect(linksOf(upsert([waMessage(byHiddenId.dm('A1', true), hi)]), nothing)).toEqual([])
  })
  test('are one: without a number the person is known by the hidden id', () =>
    expect(factsOf(upsert([waMessage({ remoteJid: alice.lid, id: 'A1' }, hi)]), nothing)).toEqual([
      message(text, { chat: alice.lid, sender: alice.lid }),
    ]))
  test('are asked for where one of them is needed', () =>
    expect(
      lidsIn({
        ...upsert([
          waMessage(byHiddenId.dm('A1', true), {
            extendedTextMessage: { text: '@2', contextInfo: { mentionedJid: [bob.lid.replace('@', ':3@')] } },
          }),
        ]),
      }),
    ).toEqual([alice.lid, bob.lid]))
})

describe('people', () => {
  const at = '2026-02-01T00:00:00.000Z'
  test('have the names that they give themselves, and those of the address book', () =>
    expect(
      factsOf({
        'contacts.upsert': [{ id: alice.lid, phoneNumber: alice.jid, name: 'Alice Doe' }],
        'contacts.update': [
          { id: bob.lid, notify: 'Bob' },
          { id: me.jid, notify: 'Bot' },
          { id: group, imgUrl: 'changed' },
          { id: '5511666666666@s.whatsapp.net', verifiedName: 'Shop', imgUrl: 'removed' },
        ],
      }),
    ).toEqual([
      { kind: 'contact', news: { jid: alice.jid, savedName: 'Alice Doe', at } },
      { kind: 'contact', news: { jid: bob.jid, pushName: 'Bob', at } },
      { kind: 'contact', news: { jid: group, pictureChanged: true, at } },
      {
        kind: 'contact',
        news: {
          jid: '5511666666666@s.whatsapp.net',
          pushName: 'Shop',
          isBusiness: true,
          pictureChanged: true,
          at,
        },
      },
    ]))
  test('have no news in the name that stands in their message', () =>
    expect(
      factsOf({
        ...upsert([waMessage(byHiddenId.dm('A1'), hi)]),
        'contacts.update': [{ id: alice.lid, notify: 'Alice' }],
      }),
    ).toEqual([message(text)]))
})
