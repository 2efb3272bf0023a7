import type { BaileysEventMap } from '@whiskeysockets/baileys'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { journalledIn } from '../../../src/adapters/baileys/hearing.ts'
import { createInbox, type Batch } from '../../../src/adapters/baileys/inbox.ts'
import { lidsIn, translate } from '../../../src/adapters/baileys/translate.ts'
import type { Told } from '../../../src/adapters/baileys/told.ts'
import { storable } from '../../../src/domain/storable.ts'
import { toJid } from '../../../src/domain/values.ts'
import { validateEvent } from '../../../src/write/validate-event.ts'
import { alice, bob, byHiddenId, byNumber, group, me, upsert, waMessage as said } from './payloads.ts'

/** What nobody should send, and somebody will. */
const anything = fc.oneof(
  fc.anything({ maxDepth: 2 }),
  fc.string({ unit: 'binary' }),
  fc.constantFrom(null, undefined, '', 0, -1, NaN, [], {}, '\ud800', 'a\0', { low: 1, high: -1 }),
)
const jid = fc.constantFrom(
  ...[
    alice.jid,
    alice.lid,
    bob.jid,
    bob.lid,
    me.jid,
    me.lid,
    group,
    'status@broadcast',
    '1700000000@broadcast',
  ],
  ...[
    '0@c.us',
    '5511999999999:7@s.whatsapp.net',
    '222222222222222:3@hosted.lid',
    '1@newsletter',
    '@',
    'x@lid',
  ],
)
const text = fc.oneof(fc.string({ unit: 'binary' }), fc.constant('x'.repeat(70_000)))
const either = <T>(sane: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 5, arbitrary: sane }, { weight: 1, arbitrary: anything })
const record = (fields: Record<string, fc.Arbitrary<unknown>>) =>
  fc.record(Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, either(value)])), {
    requiredKeys: [],
  })

const id = fc.constantFrom('A1', 'A2', '3EB0AAAAAAAAAAAAAAAAAA')
const key = fc.oneof(
  fc.constantFrom(
    ...[byNumber, byHiddenId].flatMap(({ dm, inGroup }) => [
      dm('A1'),
      dm('A1', true),
      inGroup('A2'),
      inGroup('A2', true),
    ]),
  ),
  record({
    remoteJid: jid,
    remoteJidAlt: jid,
    participant: jid,
    participantAlt: jid,
    fromMe: fc.boolean(),
    id: either(id),
  }),
)
const contextInfo = record({ stanzaId: text, mentionedJid: fc.array(either(jid), { maxLength: 3 }) })
const media = record({
  url: text,
  mimetype: text,
  caption: text,
  fileName: text,
  fileLength: fc.nat(),
  contextInfo,
})
const { message } = fc.letrec<{ message: unknown }>((tie) => ({
  message: record({
    conversation: text,
    extendedTextMessage: record({ text, contextInfo }),
    imageMessage: media,
    documentMessage: media,
    locationMessage: record({
      degreesLatitude: fc.double(),
      degreesLongitude: fc.double(),
      name: text,
      contextInfo,
    }),
    contactMessage: record({ displayName: text, vcard: text }),
    contactsArrayMessage: record({
      contacts: fc.array(either(record({ displayName: text, vcard: text })), { maxLength: 3 }),
    }),
    pollCreationMessageV3: record({
      name: text,
      options: fc.array(either(record({ optionName: text })), { maxLength: 3 }),
      selectableOptionsCount: fc.integer(),
    }),
    reactionMessage: record({ key, text }),
    protocolMessage: record({
      type: fc.constantFrom(0, 3, 14),
      key,
      editedMessage: fc.option(tie('message'), { maxDepth: 2 }),
    }),
    ephemeralMessage: record({ message: fc.option(tie('message'), { maxDepth: 2 }) }),
    editedMessage: record({ message: fc.option(tie('message'), { maxDepth: 2 }) }),
    pollUpdateMessage: record({}),
    buttonsResponseMessage: record({ selectedButtonId: text, selectedDisplayText: text, contextInfo }),
    listResponseMessage: record({ title: text, singleSelectReply: record({ selectedRowId: text }) }),
    interactiveMessage: record({ header: record({ title: text }), body: record({ text }), contextInfo }),
    templateMessage: record({ hydratedTemplate: record({ hydratedContentText: text }) }),
    eventMessage: record({ name: text, location: record({ name: text }) }),
  }),
}))
const seconds = fc.oneof(fc.integer(), fc.double(), fc.record({ low: fc.integer(), high: fc.integer() }))
const waMessage = record({
  key,
  message,
  messageTimestamp: seconds,
  pushName: text,
  participant: jid,
  category: fc.constantFrom(undefined, 'peer'),
  status: fc.integer({ min: -1, max: 7 }),
  messageStubType: fc.constantFrom(1, 2, 27),
  userReceipt: fc.array(either(record({ userJid: jid, receiptTimestamp: seconds, readTimestamp: seconds }))),
  reactions: fc.array(either(record({ key, text, senderTimestampMs: seconds }))),
})
const contact = record({
  id: jid,
  lid: jid,
  phoneNumber: jid,
  name: text,
  notify: text,
  verifiedName: text,
  imgUrl: text,
})
const several = (item: fc.Arbitrary<unknown>) => fc.array(either(item), { maxLength: 4 })
const batches = record({
  'messages.upsert': record({ messages: several(waMessage), type: fc.constantFrom('notify', 'append') }),
  'messages.update': several(record({ key, update: waMessage })),
  'messages.reaction': several(record({ key, reaction: record({ key, text, senderTimestampMs: seconds }) })),
  'message-receipt.update': several(
    record({ key, receipt: record({ userJid: jid, readTimestamp: seconds }) }),
  ),
  'messaging-history.set': record({
    chats: several(contact),
    contacts: several(contact),
    messages: several(waMessage),
    lidPnMappings: several(record({ lid: jid, pn: jid })),
  }),
  'contacts.upsert': several(contact),
  'contacts.update': several(contact),
  'groups.update': several(record({ id: jid, subject: text })),
  'lid-mapping.update': record({ lid: jid, pn: jid }),
}).map((batch) => batch as Partial<BaileysEventMap>)

const place = {
  instanceId: '550e8400-e29b-41d4-a716-446655440000',
  conversationId: '550e8400-e29b-41d4-a716-446655440001',
}
const numbers = { number: 1, conversationNumber: 1 }
const known = {
  account: me,
  pnOf: (lid: string) => (lid === bob.lid ? bob.jid : undefined),
  past: true,
  isAdmin: () => true,
  now: new Date('2026-02-01'),
}

/** The event that the log would keep. */
const storedOf = (told: Told) => {
  switch (told.kind) {
    case 'message': {
      const { fromMe: _fromMe, past: _past, ...data } = told.incoming
      return { type: 'MessageReceived', data: { ...place, ...numbers, ...data } }
    }
    case 'reaction': {
      const { targetWhatsappId, sender: by, fromMe, emoji, at } = told.reaction
      return {
        type: 'MessageReacted',
        data: { ...place, conversationNumber: 1, targetWhatsappId, by, fromMe, emoji, at },
      }
    }
    case 'change': {
      const { fromMe, text, at } = told.change
      return text === undefined
        ? { type: 'MessageDeleted', data: { ...place, number: 1, fromMe, at } }
        : { type: 'MessageEdited', data: { ...place, number: 1, fromMe, text, at } }
    }
    case 'receipt':
      return { type: 'MessageRead', data: { ...place, at: told.receipt.at } }
    case 'contact':
    case 'addressLink':
      return undefined
  }
}

const textsIn = (value: unknown): string[] => {
  if (typeof value === 'string') return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsIn) : []
}
const jidsOf = (told: Told): string[] => {
  switch (told.kind) {
    case 'message': {
      const { chat, sender, content } = told.incoming
      return [chat, sender, ...('mentions' in content ? (content.mentions ?? []) : [])]
    }
    case 'reaction':
      return [told.reaction.chat, told.reaction.sender]
    case 'change':
      return told.change.by === undefined ? [] : [told.change.by]
    case 'contact':
      return [told.news.jid]
    case 'addressLink':
      return [told.link.from, told.link.to]
    case 'receipt':
      return []
  }
}

test('whatever a batch holds, what is told of it can be stored', () => {
  fc.assert(
    fc.property(batches, (batch) => {
      for (const told of translate(batch, known)) {
        const { raw: _raw, ...words } = { raw: undefined, ...told }
        const stored = storedOf(told)
        if (stored) validateEvent(stored)
        for (const address of jidsOf(told)) expect(toJid(address, 'jid')).toBe(address)
        for (const said of textsIn(words)) {
          expect(said.length).toBeLessThanOrEqual(2 * 65_536)
          expect(storable(said)).toBe(said)
        }
      }
    }),
    { numRuns: 300 },
  )
})

test('whatever a batch holds, what it needs to know of it can be asked', () => {
  fc.assert(
    fc.property(batches, (batch) => {
      for (const lid of lidsIn(batch)) expect(lid).toMatch(/^\d+@lid$/)
    }),
  )
})

test('whatever a batch holds, what comes after it is told', async () => {
  const last = upsert([said(byNumber.dm('LAST'), { conversation: 'Hi' }, { category: '' })])
  await fc.assert(
    fc.asyncProperty(batches, async (batch) => {
      const rows: Batch[] = []
      const heard: string[] = []
      const errors: unknown[] = []
      const done = async () => undefined
      const inbox = createInbox({
        journal: { settle: done },
        pending: async () => rows,
        messages: { remember: done },
        listener: {
          message: async ({ whatsappId }) => void heard.push(whatsappId),
          ...{ receipt: done, reaction: done, change: done, contact: done, addressLink: done },
          file: async ({ content }) => content,
        },
        download: async (_message, content) => content,
        closing: new AbortController().signal,
        onError: (error) => errors.push(error),
      })
      await inbox.drain()
      inbox.take(translate(batch, known), journalledIn(batch))
      rows.push({ told: translate(last, known), arrived: journalledIn(last) })
      inbox.take(translate(last, known), journalledIn(last))
      await inbox.idle()
      expect([heard.includes('LAST'), errors]).toEqual([true, []])
    }),
    { numRuns: 100 },
  )
})

const long = 'x'.repeat(60_000)
const many = <T>(count: number, one: T): T[] => Array.from({ length: count }, () => one)

test.each([
  ['contacts', { contactsArrayMessage: { contacts: many(5000, { displayName: long, vcard: long }) } }],
  ['empty contacts', { contactsArrayMessage: { contacts: many(200_000, { displayName: '', vcard: '' }) } }],
  ['a poll', { pollCreationMessage: { name: long, options: many(5000, { optionName: long }) } }],
  [
    'a file',
    { documentMessage: { mimetype: long, fileName: long, caption: long, contextInfo: { stanzaId: long } } },
  ],
  [
    'mentions',
    { extendedTextMessage: { text: long, contextInfo: { mentionedJid: many(100_000, alice.jid) } } },
  ],
])('a message with too much of everything is one of bounded size: %s', (_name, message) => {
  const batch = upsert([said(byNumber.dm('A1'), message)])
  const told = translate(batch, { account: me, pnOf: () => undefined, past: false })
  expect(told.map(({ kind }) => kind)).toEqual(['message'])
  const contents = told.map((one) => (one.kind === 'message' ? one.incoming.content : undefined))
  expect(JSON.stringify(contents).length).toBeLessThan(150_000)
})
