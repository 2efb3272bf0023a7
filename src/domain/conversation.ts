import { Type, type Static } from 'typebox'
import { eventSchema, type Decide, type Decider, type EventOf } from './decider.ts'
import { notFound, Refusal } from './errors.ts'
import { isGroup, PersonalText, SerialNumber, Time, Uuid } from './values.ts'

const At = Type.Object({ at: Time })
/** A file that is in our own store. */
const Picture = Type.Object({
  mediaId: Uuid,
  /** The part of its public address that nobody can guess. */
  key: Type.String(),
  mimeType: Type.String(),
})
export type Picture = Readonly<Static<typeof Picture>>

export const conversationEvents = {
  ConversationStarted: eventSchema(
    Type.Object({
      number: SerialNumber,
      instanceId: Uuid,
      chat: PersonalText,
      isGroup: Type.Boolean(),
      /** Automation answers in it, until somebody takes over. */
      automated: Type.Optional(Type.Boolean()),
      /** What else it answers to: ids and numbers of those that became part of it before it was deleted. */
      aliases: Type.Optional(Type.Array(Type.String())),
      at: Time,
    }),
  ),
  /** Everything up to and including this message number has been seen. */
  ConversationRead: eventSchema(
    Type.Object({
      upTo: SerialNumber,
      /** What was seen before; missing if nothing was. */
      after: Type.Optional(SerialNumber),
      /** Missing in what was stored before WhatsApp was told. */
      instanceId: Type.Optional(Uuid),
      at: Time,
    }),
  ),
  /** WhatsApp shows this picture of the person or group from now on; none, if it is missing. */
  ConversationPictured: eventSchema(Type.Object({ picture: Type.Optional(Picture), at: Time })),
  ConversationArchived: eventSchema(At),
  ConversationRestored: eventSchema(At),
  /** Its messages went with it. The next message in the chat starts it again, under its number. */
  ConversationDeleted: eventSchema(Type.Object({ instanceId: Uuid, at: Time })),
  ConversationTagged: eventSchema(
    Type.Object({ added: Type.Array(Uuid), removed: Type.Array(Uuid), at: Time }),
  ),
  /** A person took over, or automation handed over. */
  AutomationPaused: eventSchema(Type.Object({ reason: Type.Optional(PersonalText), at: Time })),
  AutomationResumed: eventSchema(At),
  /**
   * The other side turned out to be that of another chat: everything said here belongs there. `gathered` is the message
   * or file that was on its way here meanwhile, and for which this is told again.
   */
  ConversationMerged: eventSchema(
    Type.Object({
      instanceId: Uuid,
      into: Uuid,
      intoNumber: SerialNumber,
      /** JID of the chat that it is part of now. */
      chat: PersonalText,
      gathered: Type.Optional(Uuid),
      at: Time,
    }),
  ),
  /** On the stream of the one that goes on: what comes with the other one. */
  ConversationUnited: eventSchema(
    Type.Object({ with: Uuid, aliases: Type.Array(Type.String()), tags: Type.Array(Uuid), at: Time }),
  ),
}
export type ConversationEvent = EventOf<typeof conversationEvents>

/** `none`: automation never had a part in it. */
export type AutomationState = 'none' | 'active' | 'paused'

export type Conversation = {
  readonly exists: boolean
  /** Stays when it is deleted. */
  readonly number?: number
  readonly instanceId?: string
  readonly readUpTo: number
  readonly archived: boolean
  readonly tags: readonly string[]
  readonly picture?: Picture
  readonly automation: AutomationState
  readonly pauseReason?: string
  /** The one that it is part of now. */
  readonly mergedInto?: { readonly id: string; readonly number: number; readonly chat: string }
  /** What was on its way here when it was merged, and followed it. */
  readonly gathered: readonly string[]
  /** Conversations that became part of this one. */
  readonly united: readonly string[]
  /** Ids and numbers that it answers to besides its own. */
  readonly aliases: readonly string[]
}

const initial: Conversation = {
  exists: false,
  readUpTo: 0,
  archived: false,
  tags: [],
  automation: 'none',
  gathered: [],
  united: [],
  aliases: [],
}

/** A chat of an instance. Its messages have streams of their own, so that this one stays short. */
export const Conversation: Decider<Conversation, ConversationEvent> = {
  category: 'conversation',
  events: conversationEvents,
  initial,
  evolve: (state, event) => {
    switch (event.type) {
      case 'ConversationStarted': {
        const { number, instanceId, automated } = event.data
        return { ...state, exists: true, number, instanceId, automation: automated ? 'active' : 'none' }
      }
      case 'ConversationRead':
        return { ...state, readUpTo: event.data.upTo }
      case 'ConversationPictured': {
        const { picture: _before, ...rest } = state
        return { ...rest, ...(event.data.picture && { picture: event.data.picture }) }
      }
      case 'ConversationArchived':
        return { ...state, archived: true }
      case 'ConversationRestored':
        return { ...state, archived: false }
      case 'ConversationDeleted':
        return {
          ...initial,
          readUpTo: state.readUpTo,
          united: state.united,
          aliases: state.aliases,
          ...(state.number && { number: state.number }),
          ...(state.instanceId && { instanceId: state.instanceId }),
        }
      case 'ConversationTagged':
        return { ...state, tags: retagged(state.tags, event.data) }
      case 'AutomationPaused':
        return paused(state, event.data.reason)
      case 'AutomationResumed':
        return { ...state, automation: 'active' }
      case 'ConversationMerged': {
        const { into: id, intoNumber: number, chat, gathered } = event.data
        const followed = gathered === undefined ? state.gathered : [...state.gathered, gathered]
        return { ...state, exists: false, mergedInto: { id, number, chat }, gathered: followed }
      }
      case 'ConversationUnited': {
        const { with: other, aliases, tags } = event.data
        return {
          ...state,
          // Of what came with the other one, some may be unread.
          readUpTo: 0,
          tags: [...state.tags, ...tags],
          united: [...state.united, other],
          aliases: [...state.aliases, ...aliases],
        }
      }
    }
  },
}

const paused = (
  { pauseReason: _before, ...state }: Conversation,
  reason: string | undefined,
): Conversation => ({
  ...state,
  automation: 'paused',
  ...(reason !== undefined && { pauseReason: reason }),
})

export type ConversationDecision = Decide<Conversation, ConversationEvent>
type Decision = ConversationDecision

const existing = ({ exists }: Conversation) => {
  if (!exists) throw notFound('Conversation')
}

/** Starts it under `command.number`, or once more under the number that it had. */
export const start =
  (command: {
    number: number
    instanceId: string
    chat: string
    automated?: boolean
    at: string
  }): Decision =>
  ({ exists, mergedInto, aliases, number = command.number }) => {
    if (exists || mergedInto) return []
    const data = {
      ...command,
      number,
      isGroup: isGroup(command.chat),
      ...(aliases.length > 0 && { aliases: [...aliases] }),
    }
    return [{ type: 'ConversationStarted', data }]
  }

export const markRead =
  (upTo: number, at: string): Decision =>
  ({ readUpTo, instanceId }) => {
    if (upTo <= readUpTo) return []
    const from = { ...(readUpTo > 0 && { after: readUpTo }), ...(instanceId !== undefined && { instanceId }) }
    return [{ type: 'ConversationRead', data: { upTo, ...from, at } }]
  }

/** Has another picture from now on, or none. */
export const show =
  (picture: Picture | undefined, at: string): Decision =>
  ({ exists, picture: before }) =>
    exists && picture?.mediaId !== before?.mediaId
      ? [{ type: 'ConversationPictured', data: { ...(picture && { picture }), at } }]
      : []

export const archive =
  (at: string): Decision =>
  (conversation) => {
    existing(conversation)
    return conversation.archived ? [] : [{ type: 'ConversationArchived', data: { at } }]
  }

/** Refuses with NOT_FOUND unless it is archived, as the reference has it. */
export const restore =
  (at: string): Decision =>
  ({ archived }) => {
    if (!archived) throw notFound('Archived conversation')
    return [{ type: 'ConversationRestored', data: { at } }]
  }

export const remove =
  (at: string): Decision =>
  ({ exists, instanceId }) => {
    if (!exists || instanceId === undefined) throw notFound('Conversation')
    return [{ type: 'ConversationDeleted', data: { instanceId, at } }]
  }

/**
 * Takes away what was written into it while it was being deleted, started again or not. One that is part of another one
 * by now has nothing of its own.
 */
export const removeAgain =
  (at: string): Decision =>
  ({ instanceId, mergedInto }) =>
    mergedInto || instanceId === undefined ? [] : [{ type: 'ConversationDeleted', data: { instanceId, at } }]

const retagged = (tags: readonly string[], { added, removed }: { added: string[]; removed: string[] }) => [
  ...tags.filter((tag) => !removed.includes(tag)),
  ...added,
]

/** Sets the tags that it carries. */
export const tag =
  (wanted: readonly string[], at: string): Decision =>
  (conversation) => {
    existing(conversation)
    const added = [...new Set(wanted)].filter((id) => !conversation.tags.includes(id))
    const removed = conversation.tags.filter((id) => !wanted.includes(id))
    return added.length + removed.length === 0
      ? []
      : [{ type: 'ConversationTagged', data: { added, removed, at } }]
  }

export const pause =
  (reason: string | undefined, at: string): Decision =>
  (conversation) => {
    existing(conversation)
    return conversation.automation === 'paused'
      ? []
      : [{ type: 'AutomationPaused', data: { ...(reason !== undefined && { reason }), at } }]
  }

/** Gives it back to automation. Only once it is archived, which ends the service by people; that restores it, too. */
export const resume =
  (at: string): Decision =>
  (conversation) => {
    existing(conversation)
    if (conversation.automation === 'active') return []
    if (!conversation.archived)
      throw new Refusal(
        'CONVERSATION_NOT_ARCHIVED',
        'Archive the conversation first: automation can be resumed only once the manual service is closed.',
      )
    return [
      { type: 'AutomationResumed', data: { at } },
      { type: 'ConversationRestored', data: { at } },
    ]
  }

/** Refuses while automation answers in the conversation. */
export const mustBeManual = ({ automation, number }: Conversation) => {
  if (automation === 'active')
    throw new Refusal(
      'AUTOMATION_ACTIVE',
      'Cannot send messages. This conversation has active automation. Pause the automation first to send messages manually.',
      { conversation_id: number },
    )
}
