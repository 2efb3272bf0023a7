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
  userId,
} from '../../src/domain/ids.ts'
import type { QueuedMessage, WhatsAppMessage } from '../../src/domain/message.ts'
import { incoming, INSTANCE, JOHN, later, messageStream, outgoing, placeIn, TEAM, TENANT } from './facts.ts'

/** Events as the story tells them: each with its stream, at so many seconds from its beginning. */
export type Told = readonly [stream: string, event: ZapiniEvent]

// --- Of one aggregate ----------------------------------------------------------------------------

export const ofTenant = (event: ZapiniEvent): Told => [`tenant-${TENANT}`, event]
export const ofAnn = (event: ZapiniEvent): Told => [`user-${userId('ann@example.com')}`, event]
export const ofInstance = (id: string, event: ZapiniEvent): Told => [`instance-${id}`, event]
export const ofWebhook = (event: ZapiniEvent): Told => [`webhook-${defaultWebhookId(INSTANCE)}`, event]
export const ofAutomation = (id: string, event: ZapiniEvent): Told => [`automation-${id}`, event]
export const ofConversation = (chat: string, event: ZapiniEvent): Told => [
  `conversation-${conversationId(INSTANCE, chat)}`,
  event,
]
export const ofMessage = (whatsappId: string, event: ZapiniEvent): Told => [messageStream(whatsappId), event]
export const ofContact = (jid: string, event: ZapiniEvent): Told => [
  `contact-${contactId(INSTANCE, jid)}`,
  event,
]
export const ofAddress = (jid: string, event: ZapiniEvent): Told => [
  `address-${addressId(INSTANCE, jid)}`,
  event,
]
export const ofRun = (event: AutomationRunEvent): Told => [`run-${conversationId(INSTANCE, JOHN)}`, event]
export const ofTeam = (event: GroupEvent): Told => [`group-${groupId(INSTANCE, TEAM)}`, event]

// --- Instances, and what belongs to them ---------------------------------------------------------

export const created = (id: string, number: number) =>
  ofInstance(id, {
    type: 'InstanceCreated',
    data: { number, name: `Shop ${number}`, provider: 'sandbox', hookSecret: 's', at: later(number) },
  })
export const issued = (id: string, number: number): Told => [
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
export const greeting = {
  name: 'Greeting',
  enabled: true,
  definition: { trigger: { type: 'any' as const }, steps: [{ type: 'reply' as const, text: 'hi' }] },
}
export const automated = (id: string, number: number, instanceId: string) =>
  ofAutomation(id, {
    type: 'AutomationCreated',
    data: { number, instanceId, kind: 'flow', ...greeting, at: later(number) },
  })
export const stored = (id: string, seconds: number, fields: object): Told => [
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
export const aboutTag = (
  type: 'TagCreated' | 'TagChanged',
  id: string,
  name: string,
  color: string,
  seconds: number,
): Told => [`tag-${id}`, { type, data: { name, color, at: later(seconds) } }]

// --- Messages ------------------------------------------------------------------------------------

/** Somebody writes: whoever the chat is with, unless `more` says otherwise. */
export const said = (
  whatsappId: string,
  number: number,
  seconds: number,
  { chat = JOHN, ...more }: Partial<WhatsAppMessage> = {},
) =>
  ofMessage(whatsappId, {
    type: 'MessageReceived',
    data: incoming(whatsappId, { chat, sender: chat, number, at: later(seconds), ...more }),
  })
export const queued = (
  whatsappId: string,
  number: number,
  seconds: number,
  more: Partial<QueuedMessage> = {},
) =>
  ofMessage(whatsappId, {
    type: 'MessageQueued',
    data: outgoing(whatsappId, { number, at: later(seconds), ...more }),
  })
export const sent = (whatsappId: string, seconds: number, kind = 'text') =>
  ofMessage(whatsappId, { type: 'MessageSent', data: { ...placeIn(JOHN), at: later(seconds), kind } })
export const step = (
  whatsappId: string,
  type: 'MessageDelivered' | 'MessageRead' | 'MessagePlayed',
  seconds: number,
) => ofMessage(whatsappId, { type, data: { ...placeIn(JOHN), at: later(seconds) } })
export const reacted = (whatsappId: string, by: string, emoji: string, seconds: number, fromMe = false) =>
  ofMessage(whatsappId, {
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
  })

// --- Conversations and contacts ------------------------------------------------------------------

export const started = (number: number, chat: string, seconds: number) =>
  ofConversation(chat, {
    type: 'ConversationStarted',
    data: { number, instanceId: INSTANCE, chat, isGroup: chat === TEAM, at: later(seconds) },
  })
export const tagged = (chat: string, added: string[], removed: string[], seconds: number) =>
  ofConversation(chat, { type: 'ConversationTagged', data: { added, removed, at: later(seconds) } })
export const changed = (
  type: 'ConversationArchived' | 'ConversationRestored' | 'AutomationResumed',
  chat: string,
  seconds: number,
) => ofConversation(chat, { type, data: { at: later(seconds) } })
type Picture = { readonly mediaId: string; readonly key: string; readonly mimeType: string }
export const pictured = (picture: Picture | undefined, seconds: number) =>
  ofConversation(JOHN, {
    type: 'ConversationPictured',
    data: { ...(picture && { picture }), at: later(seconds) },
  })
/** `gathered`: the message that was on its way meanwhile. */
export const merged = (chat: string, into: string, intoNumber: number, seconds: number, gathered?: string) =>
  ofConversation(chat, {
    type: 'ConversationMerged',
    data: {
      instanceId: INSTANCE,
      into: conversationId(INSTANCE, into),
      intoNumber,
      chat: into,
      ...(gathered !== undefined && { gathered: messageId(INSTANCE, gathered) }),
      at: later(seconds),
    },
  })
export const person = (
  number: number,
  jid: string,
  type: 'ContactCreated' | 'ContactLearned',
  seconds: number,
  known = {},
) => ofContact(jid, { type, data: { number, instanceId: INSTANCE, jid, ...known, at: later(seconds) } })
