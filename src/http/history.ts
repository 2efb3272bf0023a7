import { automationRunEvents, type AutomationRunEvent } from '../domain/automation-run.ts'
import { isMedia, textOf } from '../domain/content.ts'
import { conversationEvents, type ConversationEvent } from '../domain/conversation.ts'
import { idOfStream } from '../domain/decider.ts'
import { groupEvents, type GroupEvent, type ParticipantResult } from '../domain/group.ts'
import { mediaEvents, type MediaEvent } from '../domain/media.ts'
import { messageEvents, type MessageEvent } from '../domain/message.ts'
import { numberOf } from '../domain/values.ts'

type TimelineEvent = ConversationEvent | AutomationRunEvent | MessageEvent | MediaEvent | GroupEvent
type DataOf<T extends TimelineEvent['type']> = Extract<TimelineEvent, { type: T }>['data']

/** What the timeline of a conversation is made of. */
export const timelineTypes = Object.keys({
  ...conversationEvents,
  ...automationRunEvents,
  ...messageEvents,
  ...mediaEvents,
  ...groupEvents,
})

/** What has to be known beside an event. */
type Beside = {
  /** Names of what a line speaks of, by id; null for what is gone. */
  readonly nameOf: (id: string) => string | null
  /** Whether a message was taken back, and its words with it. */
  readonly isTakenBack: (messageId: string) => boolean
}
/** The id of its stream, too. */
type Known = Beside & { readonly id: string }
type Line = { readonly type: string; readonly data: Record<string, unknown> }

const named = (ids: readonly string[], { nameOf }: Known) => ids.map((id) => ({ id, name: nameOf(id) }))

type Said = DataOf<'MessageQueued' | 'MessageReceived' | 'MessageSentFromPhone'>
const saying = ({ number, whatsappId, content, ...data }: Said, { id, isTakenBack }: Known) => ({
  message_id: id,
  id: number,
  whatsapp_message_id: whatsappId,
  kind: content.kind,
  text: isTakenBack(id) ? null : textOf(content),
  media_id: isMedia(content) ? (content.mediaId ?? null) : null,
  ...('sender' in data && { sender_number: numberOf(data.sender), sender_name: data.senderName ?? null }),
  imported: 'importedAt' in data && data.importedAt !== undefined,
})

const step =
  (type: string) =>
  (_data: object, { id }: Known) => ({ type, data: { message_id: id } })

const aboutRun = (
  data: { readonly runId: string; readonly automationId: string; readonly messageId?: string },
  { nameOf }: Known,
) => ({
  run_id: data.runId,
  automation: { id: data.automationId, name: nameOf(data.automationId) },
  message_id: data.messageId ?? null,
})

const people = (participants: readonly ParticipantResult[]) =>
  participants.map(({ jid, status }) => ({ number: numberOf(jid), status }))

const lines: { readonly [T in TimelineEvent['type']]: (data: DataOf<T>, known: Known) => Line } = {
  ConversationStarted: ({ automated = false }) => ({ type: 'conversation.started', data: { automated } }),
  ConversationRead: ({ upTo }) => ({ type: 'conversation.read', data: { up_to_id: upTo } }),
  ConversationPictured: () => ({ type: 'conversation.pictured', data: {} }),
  ConversationArchived: () => ({ type: 'conversation.archived', data: {} }),
  ConversationRestored: () => ({ type: 'conversation.restored', data: {} }),
  ConversationDeleted: () => ({ type: 'conversation.deleted', data: {} }),
  ConversationTagged: ({ added, removed }, known) => ({
    type: 'conversation.tagged',
    data: { added: named(added, known), removed: named(removed, known) },
  }),
  ConversationMerged: ({ into }) => ({ type: 'conversation.merged', data: { into } }),
  ConversationUnited: ({ with: other, tags }, known) => ({
    type: 'conversation.united',
    data: { with: other, added: named(tags, known) },
  }),
  AutomationPaused: ({ reason = null }) => ({ type: 'automation.paused', data: { reason } }),
  AutomationResumed: () => ({ type: 'automation.resumed', data: {} }),
  AutomationRunStarted: (data, known) => ({ type: 'run.started', data: aboutRun(data, known) }),
  AutomationRunAdvanced: (data, known) => {
    const variables = Object.fromEntries(data.variables.map(({ name, value }) => [name, value]))
    return { type: 'run.waiting', data: { ...aboutRun(data, known), variables } }
  },
  AutomationRunEnded: ({ outcome, reason = null, ...data }, known) => ({
    type: 'run.ended',
    data: { ...aboutRun(data, known), outcome, reason },
  }),
  MessageQueued: (data, known) => ({ type: 'message.queued', data: saying(data, known) }),
  MessageReceived: (data, known) => ({ type: 'message.received', data: saying(data, known) }),
  MessageSentFromPhone: (data, known) => ({
    type: 'message.sent',
    data: { ...saying(data, known), source: 'phone' },
  }),
  MessageSent: ({ kind }, { id }) => ({
    type: 'message.sent',
    data: { message_id: id, kind, source: 'api' },
  }),
  MessageDelivered: step('message.delivered'),
  MessageRead: step('message.read'),
  MessagePlayed: step('message.played'),
  MessageFailed: ({ reason }, { id }) => ({ type: 'message.failed', data: { message_id: id, reason } }),
  MessageReacted: ({ by, byName, fromMe, emoji }, { id }) => ({
    type: 'message.reaction',
    data: {
      message_id: id,
      sender_number: numberOf(by),
      sender_name: byName ?? null,
      from_me: fromMe,
      emoji,
    },
  }),
  MessageEdited: ({ number, text, fromMe }, { id, isTakenBack }) => ({
    type: 'message.edited',
    data: { message_id: id, id: number, text: isTakenBack(id) ? null : text, from_me: fromMe },
  }),
  MessageDeleted: ({ number, fromMe }, { id }) => ({
    type: 'message.deleted',
    data: { message_id: id, id: number, from_me: fromMe },
  }),
  MediaStored: ({ type, size, messageId = null }, { id }) => ({
    type: 'media.stored',
    data: { media_id: id, media_type: type, size, message_id: messageId },
  }),
  MediaDeleted: ({ reason, messageId = null }, { id }) => ({
    type: 'media.deleted',
    data: { media_id: id, reason, message_id: messageId },
  }),
  GroupCreated: ({ subject, participants }) => ({
    type: 'group.created',
    data: { subject, participants: people(participants) },
  }),
  GroupChanged: ({ subject = null, description = null }) => ({
    type: 'group.changed',
    data: { subject, description },
  }),
  GroupParticipantsChanged: ({ action, participants }) => ({
    type: 'group.participants_changed',
    data: { action, participants: people(participants) },
  }),
  GroupInviteRevoked: () => ({ type: 'group.invite_revoked', data: {} }),
  GroupLeft: () => ({ type: 'group.left', data: {} }),
}

type Told = { readonly type: string; readonly stream: string; readonly data: object }

/** What happened, in the words of the API; for a type of the timeline. */
export const lineOf = ({ type, stream, data }: Told, beside: Beside): Line => {
  // The catalogue ties each type to its data, which the compiler cannot follow through a lookup by name.
  const line = (lines as Readonly<Record<string, (data: object, known: Known) => Line>>)[type]
  if (!line) throw new Error(`${type} is not of the timeline of a conversation`)
  return line(data, { ...beside, id: idOfStream(stream) })
}
