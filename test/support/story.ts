import { contactId, conversationId, messageId, runId } from '../../src/domain/ids.ts'
import { NO_STREAM, type EventStore, type Position } from '../../src/ports/event-store.ts'
import { incoming, INSTANCE, JOHN, later, MARY, placeIn, TEAM, toAppend } from './facts.ts'
import {
  aboutTag,
  automated,
  changed,
  created,
  greeting,
  issued,
  merged,
  ofAddress,
  ofAnn,
  ofAutomation,
  ofContact,
  ofConversation,
  ofInstance,
  ofMessage,
  ofRun,
  ofTeam,
  ofTenant,
  ofWebhook,
  person,
  pictured,
  queued,
  reacted,
  said,
  sent,
  started,
  step,
  stored,
  tagged,
  type Told,
} from './story-events.ts'

export const ANN = '5511666666666@s.whatsapp.net'
export const ERASED = '5511666666666@s.whatsapp.net'
export const HIDDEN = '171234567890123@lid'
export const ZOE = '5511555555555@s.whatsapp.net'
const OTHER_INSTANCE = '550e8400-e29b-41d4-a716-446655440099'
export const TOKEN = '550e8400-e29b-41d4-a716-446655440011'
export const REVOKED_TOKEN = '550e8400-e29b-41d4-a716-446655440012'
export const KEPT_TOKEN = '550e8400-e29b-41d4-a716-446655440013'
export const AUTOMATION = '550e8400-e29b-41d4-a716-446655440013'
const DELETED_AUTOMATION = '550e8400-e29b-41d4-a716-446655440014'
const OTHER_AUTOMATION = '550e8400-e29b-41d4-a716-446655440015'
export const VIP = '550e8400-e29b-41d4-a716-446655440001'
const GONE_TAG = '550e8400-e29b-41d4-a716-446655440002'
/** An upload of the shop, and the file of a message that was deleted. */
export const UPLOAD = '550e8400-e29b-41d4-a716-446655440021'
const DELETED_MEDIA = '550e8400-e29b-41d4-a716-446655440022'
export const HIDDEN_MEDIA = '550e8400-e29b-41d4-a716-446655440023'
export const PICTURE = {
  mediaId: '550e8400-e29b-41d4-a716-446655440077',
  key: 'of-john-as-he-is',
  mimeType: 'image/jpeg',
}
const OWN = '5511777777777@s.whatsapp.net'

const endpoint = { instanceId: INSTANCE, url: 'https://example.com/hook', secret: 's', active: true }
const inTeam = { ...placeIn(TEAM), chat: TEAM, chatName: 'Marketing Team', conversationNumber: 2 }

const accounts: readonly Told[] = [
  ofTenant({ type: 'TenantCreated', data: { number: 1, name: 'Acme', timeZone: 'UTC', at: later(0) } }),
  ofAnn({
    type: 'UserCreated',
    data: {
      number: 1,
      email: 'ann@example.com',
      name: 'Ann',
      role: 'admin',
      passwordHash: 'x',
      at: later(1),
    },
  }),
  ofAnn({ type: 'UserDisabled', data: { at: later(1) } }),
  ofAnn({ type: 'UserChanged', data: { role: 'agent', at: later(1) } }),
  ofAnn({ type: 'UserEnabled', data: { at: later(2) } }),
  ofAnn({
    type: 'UserPasswordSet',
    data: { passwordHash: 'y', keptTokenId: KEPT_TOKEN, at: later(2) },
  }),
]

const shop: readonly Told[] = [
  created(INSTANCE, 1),
  created(OTHER_INSTANCE, 2),
  issued(TOKEN, 1),
  issued(REVOKED_TOKEN, 2),
  [`token-${REVOKED_TOKEN}`, { type: 'TokenRevoked', data: { at: later(4) } }],
  ofInstance(INSTANCE, {
    type: 'InstanceQrIssued',
    data: { qr: '2@a', expiresAt: later(60), at: later(5) },
  }),
  ofInstance(INSTANCE, {
    type: 'InstanceConnected',
    data: { phoneNumber: '5511777777777', profileName: 'Shop', at: later(6) },
  }),
  ofInstance(INSTANCE, { type: 'InstanceRenamed', data: { name: 'Shop', at: later(7) } }),
  ofInstance(INSTANCE, { type: 'InstanceDailyLimitSet', data: { dailyLimit: 500, at: later(7) } }),
  ofInstance(OTHER_INSTANCE, { type: 'InstanceQrIssued', data: { qr: '2@b', at: later(7) } }),
  ofWebhook({ type: 'WebhookConfigured', data: { ...endpoint, events: null, at: later(8) } }),
  automated(AUTOMATION, 1, INSTANCE),
  automated(DELETED_AUTOMATION, 2, INSTANCE),
  automated(OTHER_AUTOMATION, 3, OTHER_INSTANCE),
  ofAutomation(AUTOMATION, {
    type: 'AutomationChanged',
    data: { ...greeting, name: 'Hello', enabled: false, at: later(9) },
  }),
  ofAutomation(DELETED_AUTOMATION, { type: 'AutomationDeleted', data: { at: later(9) } }),
]

const talkWithJohn: readonly Told[] = [
  started(1, JOHN, 10),
  said('hi', 1, 10),
  said('photo', 2, 11, {
    senderName: 'John D.',
    content: { kind: 'image', url: 'https://example.com/a.jpg', mimeType: 'image/jpeg', caption: 'Look' },
  }),
  person(1, JOHN, 'ContactLearned', 11, { pushName: 'John D.' }),
  person(1, JOHN, 'ContactCreated', 12, { name: 'João Doe', email: 'john@example.com', notes: 'VIP' }),
  reacted('hi', MARY, '👍', 12),
  reacted('hi', JOHN, '❤️', 13),
  reacted('hi', MARY, '', 14),
  queued('answer', 3, 15, { content: { kind: 'text', text: 'answer', replyTo: 'hi', mentions: [MARY] } }),
  sent('answer', 16),
  step('answer', 'MessageDelivered', 17),
  ofConversation(JOHN, {
    type: 'ConversationRead',
    data: { upTo: 2, instanceId: INSTANCE, at: later(18) },
  }),
  pictured({ mediaId: UPLOAD, key: 'of-john-as-he-was', mimeType: 'image/png' }, 18),
  pictured(undefined, 18),
  pictured(PICTURE, 19),
  step('answer', 'MessageRead', 19),
  queued('voice', 4, 20, { content: { kind: 'audio', url: 'https://example.com/a.ogg' } }),
  sent('voice', 21, 'audio'),
  step('voice', 'MessagePlayed', 22),
]

const contacts: readonly Told[] = [
  person(2, MARY, 'ContactLearned', 23),
  person(2, MARY, 'ContactLearned', 24, { pushName: 'Mary' }),
  person(2, MARY, 'ContactLearned', 25, { bookName: 'Mary of Acme', business: true }),
  person(3, ANN, 'ContactCreated', 25, { name: 'Ann' }),
  ofContact(ANN, { type: 'ContactDeleted', data: { at: later(26) } }),
  ofContact(JOHN, {
    type: 'ContactChanged',
    data: { name: 'João Doe', company: 'Acme Inc', at: later(27) },
  }),
]

const moreMessages: readonly Told[] = [
  started(2, TEAM, 30),
  said('all', 5, 30, { ...inTeam, sender: MARY, senderName: 'Mary' }),
  ofMessage('typed', {
    type: 'MessageSentFromPhone',
    data: incoming('typed', { ...inTeam, number: 6, at: later(31), sender: OWN }),
  }),
  said('poll', 7, 32, { content: { kind: 'other', description: 'poll' } }),
  queued('thumb', 8, 33, { content: { kind: 'reaction', targetWhatsappId: 'photo', emoji: '👍' } }),
  sent('thumb', 34, 'reaction'),
  ofMessage('thumb', {
    type: 'MessageDelivered',
    data: { ...placeIn(JOHN), signal: 'reaction', at: later(34) },
  }),
  reacted('photo', OWN, '👍', 34, true),
  reacted('early', MARY, '🎉', 34),
  said('early', 9, 33, {
    content: { kind: 'contact', contacts: [{ displayName: 'early', vcard: 'BEGIN:VCARD' }] },
  }),
  stored(UPLOAD, 34, { filename: 'logo.png', expiresAt: later(7 * 86_400) }),
  stored(DELETED_MEDIA, 34, { conversationId: conversationId(INSTANCE, JOHN) }),
  [`media-${DELETED_MEDIA}`, { type: 'MediaDeleted', data: { reason: 'requested', at: later(35) } }],
  queued('lost', 10, 35),
  ofMessage('lost', {
    type: 'MessageFailed',
    data: { ...placeIn(JOHN), reason: 'no such number', at: later(36) },
  }),
  queued('waits', 11, 37, {
    content: { kind: 'location', latitude: -23.5, longitude: -46.6, name: 'waits' },
  }),
]

const changes: readonly Told[] = [
  ofWebhook({
    type: 'WebhookConfigured',
    data: { ...endpoint, events: ['message.incoming'], active: false, at: later(38) },
  }),
  started(3, ERASED, 37),
  said('secret', 12, 37, { chat: ERASED, conversationNumber: 3 }),
  queued('unsent', 13, 37, {
    chat: ERASED,
    conversationNumber: 3,
    content: { kind: 'poll', question: 'unsent', options: ['a', 'b'], selectable: 1 },
  }),
  aboutTag('TagCreated', VIP, 'VIP', '#f59e0b', 37),
  aboutTag('TagChanged', VIP, 'Very important', '#dc2626', 37),
  aboutTag('TagCreated', GONE_TAG, 'Old', '#000000', 37),
  tagged(JOHN, [VIP, GONE_TAG], [], 37),
  tagged(TEAM, [VIP], [], 37),
  tagged(TEAM, [], [VIP], 37),
  tagged(ERASED, [VIP], [], 37),
  [`tag-${GONE_TAG}`, { type: 'TagDeleted', data: { at: later(37) } }],
  ofConversation(ERASED, { type: 'ConversationDeleted', data: { instanceId: INSTANCE, at: later(37) } }),
  ofConversation(JOHN, { type: 'AutomationPaused', data: { reason: 'VIP client', at: later(37) } }),
  changed('ConversationArchived', TEAM, 37),
  changed('AutomationResumed', TEAM, 37),
  changed('ConversationRestored', TEAM, 37),
  changed('ConversationArchived', TEAM, 38),
  ofMessage('all', {
    type: 'MessageEdited',
    data: { ...placeIn(TEAM), number: 5, text: 'all of you', fromMe: false, at: later(38) },
  }),
  ofMessage('typed', {
    type: 'MessageDeleted',
    data: { ...placeIn(TEAM), number: 6, fromMe: true, at: later(38) },
  }),
  ofInstance(INSTANCE, { type: 'InstanceAssigned', data: { node: 'node-2', term: 2, at: later(38) } }),
  ofInstance(INSTANCE, {
    type: 'InstanceDisconnected',
    data: { status: 'offline', reason: 'no network', at: later(39) },
  }),
  ofInstance(OTHER_INSTANCE, { type: 'InstanceClosed', data: { at: later(40) } }),
  ofInstance(OTHER_INSTANCE, { type: 'InstanceOpened', data: { at: later(41) } }),
  ofInstance(OTHER_INSTANCE, { type: 'InstanceDeleted', data: { at: later(40) } }),
]

/** A customer who hid her number, and who she turned out to be; what was on its way meanwhile follows. */
const hiddenCustomer: readonly Told[] = [
  started(4, HIDDEN, 39),
  started(5, ZOE, 39),
  said('from-hidden', 14, 39, { chat: HIDDEN, conversationNumber: 4 }),
  said('from-zoe', 15, 39, { chat: ZOE, conversationNumber: 5 }),
  tagged(HIDDEN, [VIP], [], 39),
  stored(HIDDEN_MEDIA, 39, { conversationId: conversationId(INSTANCE, HIDDEN) }),
  queued('to-hidden', 16, 39, { chat: HIDDEN, conversationNumber: 4 }),
  person(4, HIDDEN, 'ContactCreated', 39, { name: 'Zoe (hidden)', notes: 'Pays late' }),
  person(5, ZOE, 'ContactLearned', 39, { pushName: 'Zoe' }),
  merged(HIDDEN, ZOE, 5, 40),
  ofConversation(ZOE, {
    type: 'ConversationUnited',
    data: {
      with: conversationId(INSTANCE, HIDDEN),
      aliases: [conversationId(INSTANCE, HIDDEN), '4'],
      tags: [VIP],
      at: later(40),
    },
  }),
  said('late', 17, 40, { chat: HIDDEN, conversationNumber: 4 }),
  merged(HIDDEN, ZOE, 5, 40, 'late'),
  ofContact(HIDDEN, {
    type: 'ContactMerged',
    data: { instanceId: INSTANCE, into: contactId(INSTANCE, ZOE), jid: ZOE, at: later(40) },
  }),
  ofContact(ZOE, {
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
  }),
  // What she had said before the phone was paired.
  said('long-ago', 18, -1000, { chat: ZOE, conversationNumber: 5, importedAt: later(41) }),
  ofMessage('long-ago', { type: 'MessageRead', data: { ...placeIn(ZOE), past: true, at: later(-999) } }),
  ofAddress(HIDDEN, {
    type: 'AddressLinked',
    data: { instanceId: INSTANCE, from: HIDDEN, to: ZOE, at: later(41) },
  }),
  ofAddress(HIDDEN, { type: 'AddressForgotten', data: { instanceId: INSTANCE, at: later(41) } }),
]

const run = (whatsappId: string) => ({
  runId: runId(AUTOMATION, messageId(INSTANCE, 'hi')),
  automationId: AUTOMATION,
  messageId: messageId(INSTANCE, whatsappId),
  heardAt: later(10),
  at: later(42),
})
/** A run that asks something, and is answered. */
const askedByAutomation: readonly Told[] = [
  ofRun({ type: 'AutomationRunStarted', data: run('hi') }),
  ofRun({
    type: 'AutomationRunAdvanced',
    data: { ...run('hi'), waitingAt: [0], variables: [{ name: 'age', value: '42' }] },
  }),
  ofRun({ type: 'AutomationRunEnded', data: { ...run('photo'), outcome: 'completed' } }),
]

const team = { instanceId: INSTANCE, chat: TEAM, at: later(42) }
const mary = { jid: MARY, status: 200 }
const group: readonly Told[] = [
  ofTeam({ type: 'GroupCreated', data: { ...team, subject: 'Marketing', participants: [mary] } }),
  ofTeam({ type: 'GroupChanged', data: { ...team, subject: 'Marketing Team' } }),
  ofTeam({ type: 'GroupParticipantsChanged', data: { ...team, action: 'remove', participants: [mary] } }),
  ofTeam({ type: 'GroupInviteRevoked', data: team }),
  ofTeam({ type: 'GroupLeft', data: team }),
]

/** A day of a small business: something of everything that can happen, in the order of the log. */
export const story: readonly Told[] = [
  ...accounts,
  ...shop,
  ...talkWithJohn,
  ...contacts,
  ...moreMessages,
  ...changes,
  ...hiddenCustomer,
  ...askedByAutomation,
  ...group,
  ofTenant({ type: 'TenantDisabled', data: { at: later(43) } }),
  ofTenant({ type: 'TenantEnabled', data: { at: later(44) } }),
  ofTenant({ type: 'TenantDisabled', data: { at: later(41) } }),
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
