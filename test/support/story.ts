import type { AutomationRunEvent } from '../../src/domain/automation-run.ts'
import type { ZapiniEvent } from '../../src/domain/catalogue.ts'
import type { GroupEvent } from '../../src/domain/group.ts'
import {
  addressId,
  contactId,
  conversationId,
  defaultWebhookId,
  groupId,
  messageId,
  runId,
  userId,
} from '../../src/domain/ids.ts'
import { NO_STREAM, type EventStore, type Position } from '../../src/ports/event-store.ts'
import {
  incoming,
  INSTANCE,
  JOHN,
  later,
  MARY,
  messageStream,
  outgoing,
  placeIn,
  TEAM,
  TENANT,
  toAppend,
} from './facts.ts'

export const ANN = '5511666666666@s.whatsapp.net'
const OTHER_INSTANCE = '550e8400-e29b-41d4-a716-446655440099'
export const TOKEN = '550e8400-e29b-41d4-a716-446655440011'
export const HIDDEN = '171234567890123@lid'
export const ZOE = '5511555555555@s.whatsapp.net'
export const HIDDEN_MEDIA = '550e8400-e29b-41d4-a716-446655440023'
export const VIP = '550e8400-e29b-41d4-a716-446655440001'
const GONE_TAG = '550e8400-e29b-41d4-a716-446655440002'
export const ERASED = '5511666666666@s.whatsapp.net'
export const KEPT_TOKEN = '550e8400-e29b-41d4-a716-446655440013'
export const AUTOMATION = '550e8400-e29b-41d4-a716-446655440013'
const DELETED_AUTOMATION = '550e8400-e29b-41d4-a716-446655440014'
export const REVOKED_TOKEN = '550e8400-e29b-41d4-a716-446655440012'

type Told = readonly [stream: string, event: ZapiniEvent]
type MessageStep = 'MessageDelivered' | 'MessageRead' | 'MessagePlayed'

const step = (whatsappId: string, type: MessageStep, seconds: number, chat = JOHN): Told => [
  messageStream(whatsappId),
  { type, data: { ...placeIn(chat), at: later(seconds) } },
]
const sent = (whatsappId: string, seconds: number, kind = 'text', chat = JOHN): Told => [
  messageStream(whatsappId),
  { type: 'MessageSent', data: { ...placeIn(chat), at: later(seconds), kind } },
]
const reacted = (whatsappId: string, by: string, emoji: string, seconds: number, fromMe = false): Told => [
  messageStream(whatsappId),
  {
    type: 'MessageReacted',
    data: {
      ...placeIn(JOHN),
      conversationNumber: 1,
      targetWhatsappId: whatsappId,
      by,
      fromMe,
      emoji,
      at: later(seconds),
    },
  },
]
const started = (number: number, chat: string, seconds: number): Told => [
  `conversation-${conversationId(INSTANCE, chat)}`,
  {
    type: 'ConversationStarted',
    data: { number, instanceId: INSTANCE, chat, isGroup: chat === TEAM, at: later(seconds) },
  },
]
const person = (
  number: number,
  jid: string,
  event: 'ContactCreated' | 'ContactLearned',
  seconds: number,
  said = {},
): Told => [
  `contact-${contactId(INSTANCE, jid)}`,
  { type: event, data: { number, instanceId: INSTANCE, jid, ...said, at: later(seconds) } },
]
export const PICTURE = {
  mediaId: '550e8400-e29b-41d4-a716-446655440077',
  key: 'of-john-as-he-is',
  mimeType: 'image/jpeg',
}
const pictured = (picture: typeof PICTURE | undefined, seconds: number): Told => [
  `conversation-${conversationId(INSTANCE, JOHN)}`,
  { type: 'ConversationPictured', data: { ...(picture && { picture }), at: later(seconds) } },
]
const created = (id: string, number: number): Told => [
  `instance-${id}`,
  {
    type: 'InstanceCreated',
    data: { number, name: `Shop ${number}`, provider: 'sandbox', hookSecret: 's', at: later(number) },
  },
]
const issued = (id: string, number: number): Told => [
  `token-${id}`,
  {
    type: 'TokenIssued',
    data: {
      number,
      holder: { kind: 'instance', instanceId: INSTANCE },
      name: 'CRM',
      hash: `hash ${number}`,
      at: later(3),
    },
  },
]
const aboutTag = (
  type: 'TagCreated' | 'TagChanged',
  id: string,
  name: string,
  color: string,
  seconds: number,
): Told => [`tag-${id}`, { type, data: { name, color, at: later(seconds) } }]
const tagged = (chat: string, added: string[], removed: string[], seconds: number): Told => [
  `conversation-${conversationId(INSTANCE, chat)}`,
  { type: 'ConversationTagged', data: { added, removed, at: later(seconds) } },
]
const changed = (
  type: 'ConversationArchived' | 'ConversationRestored' | 'AutomationResumed',
  chat: string,
  seconds: number,
): Told => [`conversation-${conversationId(INSTANCE, chat)}`, { type, data: { at: later(seconds) } }]
/** An upload of the shop, and the file of a message that was deleted. */
export const UPLOAD = '550e8400-e29b-41d4-a716-446655440021'
const DELETED_MEDIA = '550e8400-e29b-41d4-a716-446655440022'
const stored = (id: string, seconds: number, fields: object): Told => [
  `media-${id}`,
  {
    type: 'MediaStored',
    data: {
      type: 'image',
      mimeType: 'image/png',
      size: 70,
      sha256: 'hash of the content',
      key: `key of ${id}`,
      instanceId: INSTANCE,
      at: later(seconds),
      ...fields,
    },
  },
]
const greeting = {
  name: 'Greeting',
  enabled: true,
  definition: { trigger: { type: 'any' as const }, steps: [{ type: 'reply' as const, text: 'hi' }] },
}
const automated = (id: string, number: number, instanceId: string): Told => [
  `automation-${id}`,
  {
    type: 'AutomationCreated',
    data: { number, instanceId, kind: 'flow', ...greeting, at: later(number) },
  },
]
const said = (
  whatsappId: string,
  number: number,
  conversationNumber: number,
  chat: string,
  seconds: number,
  more = {},
): Told => [
  messageStream(whatsappId),
  {
    type: 'MessageReceived',
    data: incoming(whatsappId, {
      chat,
      sender: chat,
      number,
      conversationNumber,
      at: later(seconds),
      ...more,
    }),
  },
]
const merged = (chat: string, into: string, intoNumber: number, seconds: number, gathered?: string): Told => [
  `conversation-${conversationId(INSTANCE, chat)}`,
  {
    type: 'ConversationMerged',
    data: {
      instanceId: INSTANCE,
      into: conversationId(INSTANCE, into),
      intoNumber,
      chat: into,
      ...(gathered !== undefined && { gathered }),
      at: later(seconds),
    },
  },
]
const endpoint = { instanceId: INSTANCE, url: 'https://example.com/hook', secret: 's', active: true }
const group = { ...placeIn(TEAM), chat: TEAM, chatName: 'Marketing Team', conversationNumber: 2 }

/** Whose other name the hidden one is, and one that was forgotten. */
const linked: readonly Told[] = [
  [
    `address-${addressId(INSTANCE, HIDDEN)}`,
    { type: 'AddressLinked', data: { instanceId: INSTANCE, from: HIDDEN, to: ZOE, at: later(41) } },
  ],
  [
    `address-${addressId(INSTANCE, HIDDEN)}`,
    { type: 'AddressForgotten', data: { instanceId: INSTANCE, at: later(41) } },
  ],
]
const run = (whatsappId: string) => ({
  runId: runId(AUTOMATION, messageId(INSTANCE, 'hi')),
  automationId: AUTOMATION,
  messageId: messageId(INSTANCE, whatsappId),
  heardAt: later(10),
  at: later(42),
})
const inRun = (event: AutomationRunEvent): Told => [`run-${conversationId(INSTANCE, JOHN)}`, event]
/** A run that asks something, and is answered. */
const asked = [
  inRun({ type: 'AutomationRunStarted', data: run('hi') }),
  inRun({
    type: 'AutomationRunAdvanced',
    data: { ...run('hi'), waitingAt: [0], variables: [{ name: 'age', value: '42' }] },
  }),
  inRun({ type: 'AutomationRunEnded', data: { ...run('photo'), outcome: 'completed' } }),
]
const ofGroup = (event: GroupEvent): Told => [`group-${groupId(INSTANCE, TEAM)}`, event]
const team = { instanceId: INSTANCE, chat: TEAM, at: later(42) }
const mary = { jid: MARY, status: 200 }
const inGroup = [
  ofGroup({ type: 'GroupCreated', data: { ...team, subject: 'Marketing', participants: [mary] } }),
  ofGroup({ type: 'GroupChanged', data: { ...team, subject: 'Marketing Team' } }),
  ofGroup({
    type: 'GroupParticipantsChanged',
    data: { ...team, action: 'remove', participants: [mary] },
  }),
  ofGroup({ type: 'GroupInviteRevoked', data: team }),
  ofGroup({ type: 'GroupLeft', data: team }),
]

/** A day of a small business: something of everything that can happen, in the order of the log. */
export const story: readonly Told[] = [
  [
    `tenant-${TENANT}`,
    { type: 'TenantCreated', data: { number: 1, name: 'Acme', timeZone: 'UTC', at: later(0) } },
  ],
  [
    `user-${userId('ann@example.com')}`,
    {
      type: 'UserCreated',
      data: {
        number: 1,
        email: 'ann@example.com',
        name: 'Ann',
        role: 'admin',
        passwordHash: 'x',
        at: later(1),
      },
    },
  ],
  [`user-${userId('ann@example.com')}`, { type: 'UserDisabled', data: { at: later(1) } }],
  [`user-${userId('ann@example.com')}`, { type: 'UserChanged', data: { role: 'agent', at: later(1) } }],
  [`user-${userId('ann@example.com')}`, { type: 'UserEnabled', data: { at: later(2) } }],
  [
    `user-${userId('ann@example.com')}`,
    { type: 'UserPasswordSet', data: { passwordHash: 'y', keptTokenId: KEPT_TOKEN, at: later(2) } },
  ],
  created(INSTANCE, 1),
  created(OTHER_INSTANCE, 2),
  issued(TOKEN, 1),
  issued(REVOKED_TOKEN, 2),
  [`token-${REVOKED_TOKEN}`, { type: 'TokenRevoked', data: { at: later(4) } }],
  [
    `instance-${INSTANCE}`,
    { type: 'InstanceQrIssued', data: { qr: '2@a', expiresAt: later(60), at: later(5) } },
  ],
  [
    `instance-${INSTANCE}`,
    { type: 'InstanceConnected', data: { phoneNumber: '5511777777777', profileName: 'Shop', at: later(6) } },
  ],
  [`instance-${INSTANCE}`, { type: 'InstanceRenamed', data: { name: 'Shop', at: later(7) } }],
  [`instance-${INSTANCE}`, { type: 'InstanceDailyLimitSet', data: { dailyLimit: 500, at: later(7) } }],
  [`instance-${OTHER_INSTANCE}`, { type: 'InstanceQrIssued', data: { qr: '2@b', at: later(7) } }],
  [
    `webhook-${defaultWebhookId(INSTANCE)}`,
    { type: 'WebhookConfigured', data: { ...endpoint, events: null, at: later(8) } },
  ],
  automated(AUTOMATION, 1, INSTANCE),
  automated(DELETED_AUTOMATION, 2, INSTANCE),
  automated('550e8400-e29b-41d4-a716-446655440015', 3, OTHER_INSTANCE),
  [
    `automation-${AUTOMATION}`,
    { type: 'AutomationChanged', data: { ...greeting, name: 'Hello', enabled: false, at: later(9) } },
  ],
  [`automation-${DELETED_AUTOMATION}`, { type: 'AutomationDeleted', data: { at: later(9) } }],
  started(1, JOHN, 10),
  [messageStream('hi'), { type: 'MessageReceived', data: incoming('hi', { number: 1, at: later(10) }) }],
  [
    messageStream('photo'),
    {
      type: 'MessageReceived',
      data: incoming('photo', {
        number: 2,
        at: later(11),
        senderName: 'John D.',
        content: { kind: 'image', url: 'https://example.com/a.jpg', mimeType: 'image/jpeg', caption: 'Look' },
      }),
    },
  ],
  person(1, JOHN, 'ContactLearned', 11, { pushName: 'John D.' }),
  person(1, JOHN, 'ContactCreated', 12, { name: 'João Doe', email: 'john@example.com', notes: 'VIP' }),
  reacted('hi', MARY, '👍', 12),
  reacted('hi', JOHN, '❤️', 13),
  reacted('hi', MARY, '', 14),
  [
    messageStream('answer'),
    {
      type: 'MessageQueued',
      data: outgoing('answer', {
        number: 3,
        at: later(15),
        content: { kind: 'text', text: 'answer', replyTo: 'hi', mentions: [MARY] },
      }),
    },
  ],
  sent('answer', 16),
  step('answer', 'MessageDelivered', 17),
  [
    `conversation-${conversationId(INSTANCE, JOHN)}`,
    { type: 'ConversationRead', data: { upTo: 2, instanceId: INSTANCE, at: later(18) } },
  ],
  pictured({ mediaId: UPLOAD, key: 'of-john-as-he-was', mimeType: 'image/png' }, 18),
  pictured(undefined, 18),
  pictured(PICTURE, 19),
  step('answer', 'MessageRead', 19),
  [
    messageStream('voice'),
    {
      type: 'MessageQueued',
      data: outgoing('voice', {
        number: 4,
        at: later(20),
        content: { kind: 'audio', url: 'https://example.com/a.ogg' },
      }),
    },
  ],
  sent('voice', 21, 'audio'),
  step('voice', 'MessagePlayed', 22),
  person(2, MARY, 'ContactLearned', 23),
  person(2, MARY, 'ContactLearned', 24, { pushName: 'Mary' }),
  person(2, MARY, 'ContactLearned', 25, { bookName: 'Mary of Acme', business: true }),
  person(3, ANN, 'ContactCreated', 25, { name: 'Ann' }),
  [`contact-${contactId(INSTANCE, ANN)}`, { type: 'ContactDeleted', data: { at: later(26) } }],
  [
    `contact-${contactId(INSTANCE, JOHN)}`,
    { type: 'ContactChanged', data: { name: 'João Doe', company: 'Acme Inc', at: later(27) } },
  ],
  started(2, TEAM, 30),
  [
    messageStream('all'),
    {
      type: 'MessageReceived',
      data: incoming('all', { ...group, number: 5, at: later(30), sender: MARY, senderName: 'Mary' }),
    },
  ],
  [
    messageStream('typed'),
    {
      type: 'MessageSentFromPhone',
      data: incoming('typed', { ...group, number: 6, at: later(31), sender: '5511777777777@s.whatsapp.net' }),
    },
  ],
  [
    messageStream('poll'),
    {
      type: 'MessageReceived',
      data: incoming('poll', { number: 7, at: later(32), content: { kind: 'other', description: 'poll' } }),
    },
  ],
  [
    messageStream('thumb'),
    {
      type: 'MessageQueued',
      data: outgoing('thumb', {
        number: 8,
        at: later(33),
        content: { kind: 'reaction', targetWhatsappId: 'photo', emoji: '👍' },
      }),
    },
  ],
  sent('thumb', 34, 'reaction'),
  [
    messageStream('thumb'),
    { type: 'MessageDelivered', data: { ...placeIn(JOHN), signal: 'reaction', at: later(34) } },
  ],
  reacted('photo', '5511777777777@s.whatsapp.net', '👍', 34, true),
  reacted('early', MARY, '🎉', 34),
  [
    messageStream('early'),
    {
      type: 'MessageReceived',
      data: incoming('early', {
        number: 9,
        at: later(33),
        content: { kind: 'contact', contacts: [{ displayName: 'early', vcard: 'BEGIN:VCARD' }] },
      }),
    },
  ],
  stored(UPLOAD, 34, { filename: 'logo.png', expiresAt: later(7 * 86_400) }),
  stored(DELETED_MEDIA, 34, { conversationId: conversationId(INSTANCE, JOHN) }),
  [`media-${DELETED_MEDIA}`, { type: 'MediaDeleted', data: { reason: 'requested', at: later(35) } }],
  [messageStream('lost'), { type: 'MessageQueued', data: outgoing('lost', { number: 10, at: later(35) }) }],
  [
    messageStream('lost'),
    { type: 'MessageFailed', data: { ...placeIn(JOHN), reason: 'no such number', at: later(36) } },
  ],
  [
    messageStream('waits'),
    {
      type: 'MessageQueued',
      data: outgoing('waits', {
        number: 11,
        at: later(37),
        content: { kind: 'location', latitude: -23.5, longitude: -46.6, name: 'waits' },
      }),
    },
  ],
  [
    `webhook-${defaultWebhookId(INSTANCE)}`,
    {
      type: 'WebhookConfigured',
      data: { ...endpoint, events: ['message.incoming'], active: false, at: later(38) },
    },
  ],
  started(3, ERASED, 37),
  [
    messageStream('secret'),
    {
      type: 'MessageReceived',
      data: incoming('secret', {
        ...placeIn(ERASED),
        chat: ERASED,
        sender: ERASED,
        conversationNumber: 3,
        number: 12,
        at: later(37),
      }),
    },
  ],
  [
    messageStream('unsent'),
    {
      type: 'MessageQueued',
      data: outgoing('unsent', {
        ...placeIn(ERASED),
        chat: ERASED,
        conversationNumber: 3,
        number: 13,
        at: later(37),
        content: { kind: 'poll', question: 'unsent', options: ['a', 'b'], selectable: 1 },
      }),
    },
  ],
  aboutTag('TagCreated', VIP, 'VIP', '#f59e0b', 37),
  aboutTag('TagChanged', VIP, 'Very important', '#dc2626', 37),
  aboutTag('TagCreated', GONE_TAG, 'Old', '#000000', 37),
  tagged(JOHN, [VIP, GONE_TAG], [], 37),
  tagged(TEAM, [VIP], [], 37),
  tagged(TEAM, [], [VIP], 37),
  tagged(ERASED, [VIP], [], 37),
  [`tag-${GONE_TAG}`, { type: 'TagDeleted', data: { at: later(37) } }],
  [
    `conversation-${conversationId(INSTANCE, ERASED)}`,
    { type: 'ConversationDeleted', data: { instanceId: INSTANCE, at: later(37) } },
  ],
  [
    `conversation-${conversationId(INSTANCE, JOHN)}`,
    { type: 'AutomationPaused', data: { reason: 'VIP client', at: later(37) } },
  ],
  changed('ConversationArchived', TEAM, 37),
  changed('AutomationResumed', TEAM, 37),
  changed('ConversationRestored', TEAM, 37),
  changed('ConversationArchived', TEAM, 38),
  [
    messageStream('all'),
    {
      type: 'MessageEdited',
      data: { ...placeIn(TEAM), number: 5, text: 'all of you', fromMe: false, at: later(38) },
    },
  ],
  [
    messageStream('typed'),
    { type: 'MessageDeleted', data: { ...placeIn(TEAM), number: 6, fromMe: true, at: later(38) } },
  ],
  [`instance-${INSTANCE}`, { type: 'InstanceAssigned', data: { node: 'node-2', term: 2, at: later(38) } }],
  [
    `instance-${INSTANCE}`,
    { type: 'InstanceDisconnected', data: { status: 'offline', reason: 'no network', at: later(39) } },
  ],
  [`instance-${OTHER_INSTANCE}`, { type: 'InstanceClosed', data: { at: later(40) } }],
  [`instance-${OTHER_INSTANCE}`, { type: 'InstanceOpened', data: { at: later(41) } }],
  [`instance-${OTHER_INSTANCE}`, { type: 'InstanceDeleted', data: { at: later(40) } }],
  // A customer who hid her number, and who she turned out to be; what was on its way meanwhile follows.
  started(4, HIDDEN, 39),
  started(5, ZOE, 39),
  said('from-hidden', 14, 4, HIDDEN, 39),
  said('from-zoe', 15, 5, ZOE, 39),
  tagged(HIDDEN, [VIP], [], 39),
  stored(HIDDEN_MEDIA, 39, { conversationId: conversationId(INSTANCE, HIDDEN) }),
  [
    messageStream('to-hidden'),
    {
      type: 'MessageQueued',
      data: outgoing('to-hidden', { chat: HIDDEN, conversationNumber: 4, number: 16, at: later(39) }),
    },
  ],
  person(4, HIDDEN, 'ContactCreated', 39, { name: 'Zoe (hidden)', notes: 'Pays late' }),
  person(5, ZOE, 'ContactLearned', 39, { pushName: 'Zoe' }),
  merged(HIDDEN, ZOE, 5, 40),
  [
    `conversation-${conversationId(INSTANCE, ZOE)}`,
    {
      type: 'ConversationUnited',
      data: {
        with: conversationId(INSTANCE, HIDDEN),
        aliases: [conversationId(INSTANCE, HIDDEN), '4'],
        tags: [VIP],
        at: later(40),
      },
    },
  ],
  said('late', 17, 4, HIDDEN, 40),
  merged(HIDDEN, ZOE, 5, 40, messageId(INSTANCE, 'late')),
  [
    `contact-${contactId(INSTANCE, HIDDEN)}`,
    {
      type: 'ContactMerged',
      data: { instanceId: INSTANCE, into: contactId(INSTANCE, ZOE), jid: ZOE, at: later(40) },
    },
  ],
  [
    `contact-${contactId(INSTANCE, ZOE)}`,
    {
      type: 'ContactUnited',
      data: {
        number: 5,
        instanceId: INSTANCE,
        jid: ZOE,
        name: 'Zoe (hidden)',
        notes: 'Pays late',
        pushName: 'Zoe',
        saved: true,
        with: contactId(INSTANCE, HIDDEN),
        aliases: [contactId(INSTANCE, HIDDEN), '4'],
        at: later(40),
      },
    },
  ],
  // What she had said before the phone was paired.
  said('long-ago', 18, 5, ZOE, -1000, { importedAt: later(41) }),
  [
    messageStream('long-ago'),
    { type: 'MessageRead', data: { ...placeIn(ZOE), past: true, at: later(-999) } },
  ],
  ...linked,
  ...asked,
  ...inGroup,
  [`tenant-${TENANT}`, { type: 'TenantDisabled', data: { at: later(43) } }],
  [`tenant-${TENANT}`, { type: 'TenantEnabled', data: { at: later(44) } }],
  [`tenant-${TENANT}`, { type: 'TenantDisabled', data: { at: later(41) } }],
]

/** Writes the story into an empty log; answers where it ends. */
export const tellStory = async (store: EventStore): Promise<Position> => {
  const revisions = new Map<string, number>()
  let end: Position | undefined
  for (const [stream, event] of story) {
    const revision = revisions.get(stream) ?? NO_STREAM
    end = await store.append(stream, revision, [toAppend(event, { at: event.data.at })])
    revisions.set(stream, revision + 1)
  }
  return end ?? (await store.head())
}
