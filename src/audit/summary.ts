import type { EventType, ZapiniEvent } from '../domain/catalogue.ts'
import { textOf, type Content } from '../domain/content.ts'
import { isDone, type ParticipantResult } from '../domain/group.ts'
import { numberOf } from '../domain/values.ts'

/** Names of what an event speaks of, by id; null for what has none, or is gone. */
export type NameOf = (id: string) => string | null

/** Characters of a text that are shown. */
const TEXT_MAX = 80

const quoted = (text: string) => {
  const characters = Array.from(
    text
      .slice(0, 4 * TEXT_MAX)
      .replace(/\s+/g, ' ')
      .trim(),
  )
  const isLong = characters.length > TEXT_MAX || text.length > 4 * TEXT_MAX
  return `“${isLong ? `${characters.slice(0, TEXT_MAX).join('')}…` : characters.join('')}”`
}
const because = (reason: string | undefined) => (reason === undefined ? '' : `: ${quoted(reason)}`)
const when = (condition: boolean | undefined, words: string) => (condition ? words : '')
const short = (id: string) => id.slice(0, 8)
const list = (ids: readonly string[], nameOf: NameOf) => ids.map((id) => nameOf(id) ?? short(id)).join(', ')

const one = (kind: string) => (/^[aeiou]/.test(kind) ? `an ${kind}` : `a ${kind}`)

/** `a text: “hello”` */
const content = (content: Content) => {
  const text = textOf(content)
  return text === null ? one(content.kind) : `${one(content.kind)}: ${quoted(text)}`
}
const people = (participants: readonly ParticipantResult[]) => {
  const done = participants.filter(isDone)
  const refused = participants.length - done.length
  return `${done.map(({ jid }) => numberOf(jid)).join(', ') || 'nobody'}${when(refused > 0, `, ${refused} refused`)}`
}
const past = (data: { readonly past?: true }) => when(data.past, ' before it was imported')
const signal = (data: { readonly signal?: string }) => data.signal ?? 'message'

type DataOf<T extends EventType> = Extract<ZapiniEvent, { type: T }>['data']
type Sentences = { readonly [T in EventType]: (data: DataOf<T>, nameOf: NameOf) => string }

/** What happened, in one sentence without its subject: who did it stands beside it. */
const sentences: Sentences = {
  AddressLinked: ({ from, to }) => `${numberOf(from)} turned out to be ${numberOf(to)}`,
  AddressForgotten: () => 'Forgot an address of somebody',
  AutomationChanged: ({ name, enabled }) =>
    `Changed automation ${quoted(name)}, ${enabled ? 'enabled' : 'disabled'}`,
  AutomationCreated: ({ name, kind }) => `Made automation ${quoted(name)}, ${one(kind)}`,
  AutomationDeleted: () => 'Deleted an automation',
  AutomationPaused: ({ reason }) => `Paused automation in the conversation${because(reason)}`,
  AutomationResumed: () => 'Resumed automation in the conversation',
  AutomationRunAdvanced: ({ automationId }, nameOf) =>
    `Run of ${list([automationId], nameOf)} asked, and waits for an answer`,
  AutomationRunEnded: ({ automationId, outcome, reason }, nameOf) =>
    `Run of ${list([automationId], nameOf)} ended, ${outcome.replace('_', ' ')}${because(reason)}`,
  AutomationRunStarted: ({ automationId }, nameOf) => `Run of ${list([automationId], nameOf)} started`,
  ContactChanged: ({ name }) => `Changed the contact${name === undefined ? '' : ` ${quoted(name)}`}`,
  ContactCreated: ({ jid, name }) =>
    `Saved the contact ${numberOf(jid)}${name === undefined ? '' : ` as ${quoted(name)}`}`,
  ContactDeleted: () => 'Deleted the contact',
  ContactLearned: ({ jid, pushName, bookName }) => {
    const name = bookName ?? pushName
    return `Learned of ${numberOf(jid)}${name === undefined ? '' : `, called ${quoted(name)}`}`
  },
  ContactMerged: ({ jid }) => `The contact became part of ${numberOf(jid)}`,
  ContactUnited: ({ jid }) => `Another contact became part of ${numberOf(jid)}`,
  ConversationArchived: () => 'Archived the conversation',
  ConversationDeleted: () => 'Deleted the conversation',
  ConversationMerged: ({ intoNumber, gathered }) =>
    gathered === undefined
      ? `The conversation became part of number ${intoNumber}`
      : `What was on its way here went to conversation number ${intoNumber}`,
  ConversationPictured: ({ picture }) =>
    picture ? 'WhatsApp shows another picture' : 'WhatsApp shows no picture any more',
  ConversationRead: ({ upTo }) => `Read the conversation, up to message ${upTo}`,
  ConversationRestored: () => 'Restored the conversation from the archive',
  ConversationStarted: ({ number, chat, isGroup, automated }) =>
    `Conversation ${number} with ${isGroup ? 'group ' : ''}${numberOf(chat)} began${when(automated, ', automated')}`,
  ConversationTagged: ({ added, removed }, nameOf) =>
    [
      ...(added.length > 0 ? [`Tagged the conversation ${list(added, nameOf)}`] : []),
      ...(removed.length > 0 ? [`Took off the tags ${list(removed, nameOf)}`] : []),
    ].join('; ') || 'Tagged the conversation as before',
  ConversationUnited: ({ with: other }) => `Conversation ${short(other)} became part of this one`,
  GroupChanged: ({ chat, subject, description }) =>
    `Changed group ${numberOf(chat)}${when(subject !== undefined, `, now called ${quoted(subject ?? '')}`)}${when(description !== undefined, ', with another description')}`,
  GroupCreated: ({ chat, subject, participants }) =>
    `Made group ${numberOf(chat)} ${quoted(subject)} with ${people(participants)}`,
  GroupInviteRevoked: ({ chat }) => `Revoked the invite link of group ${numberOf(chat)}`,
  GroupLeft: ({ chat }) => `Left group ${numberOf(chat)}`,
  GroupParticipantsChanged: ({ chat, action, participants }) =>
    `Group ${numberOf(chat)}: ${action} ${people(participants)}`,
  InstanceAssigned: ({ node, term }) => `Node ${node} took over the session, in term ${term}`,
  InstanceClosed: () => 'Disconnected the instance',
  InstanceConnected: ({ phoneNumber }) => `Connected to WhatsApp as ${phoneNumber}`,
  InstanceCreated: ({ number, name, provider }) => `Made instance ${number} ${quoted(name)} (${provider})`,
  InstanceDailyLimitSet: ({ dailyLimit }) =>
    `Set the daily limit to ${dailyLimit === null ? 'the default' : dailyLimit === 0 ? 'none' : String(dailyLimit)}`,
  InstanceDeleted: () => 'Deleted the instance',
  InstanceDisconnected: ({ status, reason }) => `Lost WhatsApp, ${status}${because(reason)}`,
  InstanceOpened: () => 'Opened the connection to WhatsApp',
  InstanceQrIssued: () => 'A QR code waits to be scanned',
  InstanceRenamed: ({ name }) => `Renamed the instance to ${quoted(name)}`,
  MediaDeleted: ({ reason }) => `Deleted a file: ${reason.replace('_', ' ')}`,
  MediaStored: ({ mimeType, size, filename }) =>
    `Stored a file, ${mimeType}, ${size} bytes${filename === undefined ? '' : ` ${quoted(filename)}`}`,
  MessageDeleted: ({ number, fromMe }) => `Message ${number} was taken back${when(fromMe, ' by us')}`,
  MessageDelivered: (data) => `The ${signal(data)} was delivered${past(data)}`,
  MessageEdited: ({ number, text, fromMe }) =>
    `Message ${number} was edited${when(fromMe, ' by us')}: ${quoted(text)}`,
  MessageFailed: ({ reason, ...data }) => `The ${signal(data)} failed${because(reason)}`,
  MessagePlayed: (data) => `The ${signal(data)} was played${past(data)}`,
  MessageQueued: (data) =>
    `Queued message ${data.number} to ${numberOf(data.chat)}, ${content(data.content)}`,
  MessageReacted: ({ by, emoji, fromMe }) =>
    `${fromMe ? 'We' : numberOf(by)} ${emoji === '' ? 'took a reaction back' : `reacted with ${emoji}`}`,
  MessageRead: (data) => `The ${signal(data)} was read${past(data)}`,
  MessageReceived: (data) =>
    `Message ${data.number} came from ${numberOf(data.sender)}, ${content(data.content)}`,
  MessageSent: ({ kind }) => `WhatsApp took the ${kind}`,
  MessageSentFromPhone: (data) =>
    `Message ${data.number} was sent from the phone to ${numberOf(data.chat)}, ${content(data.content)}`,
  TagChanged: ({ name, color }) => `Changed tag ${quoted(name)} (${color})`,
  TagCreated: ({ name, color }) => `Made tag ${quoted(name)} (${color})`,
  TagDeleted: () => 'Deleted a tag',
  TenantCreated: ({ number, name }) => `Made tenant ${number} ${quoted(name)}`,
  TenantDisabled: () => 'Disabled the tenant',
  TenantEnabled: () => 'Enabled the tenant',
  TokenIssued: ({ number, name, holder }) =>
    `Issued token ${number} ${quoted(name)} for ${holder.kind === 'user' ? 'a user' : 'an instance'}`,
  TokenRevoked: () => 'Revoked a token',
  UserChanged: ({ name, role }) =>
    `Changed the user${when(name !== undefined, `, now called ${quoted(name ?? '')}`)}${when(role !== undefined, `, now ${role ?? ''}`)}`,
  UserCreated: ({ number, name, role }) => `Made user ${number} ${quoted(name)}, ${role}`,
  UserDisabled: () => 'Disabled the user',
  UserEnabled: () => 'Enabled the user',
  UserPasswordSet: () => 'Set the password of the user',
  WebhookConfigured: ({ url, active }) => `Set the webhook to ${url}${when(!active, ', not active')}`,
}

type Told = { readonly type: string; readonly data: object }

/** One sentence about an event; its type in words where there is none, or the event does not hold to its schema. */
export const summaryOf = ({ type, data }: Told, nameOf: NameOf): string => {
  // The catalogue ties each type to its data, which the compiler cannot follow through a lookup by name.
  const sentence = (sentences as Readonly<Record<string, (data: object, nameOf: NameOf) => string>>)[type]
  const words = type.replace(/(?<=.)[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
  if (!sentence) return words
  try {
    return sentence(data, nameOf)
  } catch {
    return words
  }
}
