import { Type } from 'typebox'
import { eventSchema, type Decide, type Decider, type EventOf } from './decider.ts'
import { isGroup, PersonalText, SerialNumber, Time, Uuid } from './values.ts'

export const conversationEvents = {
  ConversationStarted: eventSchema(
    Type.Object({
      number: SerialNumber,
      instanceId: Uuid,
      chat: PersonalText,
      isGroup: Type.Boolean(),
      at: Time,
    }),
  ),
  /** Everything up to and including this message number has been seen. */
  ConversationRead: eventSchema(Type.Object({ upTo: SerialNumber, at: Time })),
}
export type ConversationEvent = EventOf<typeof conversationEvents>

export type Conversation = {
  readonly number?: number
  readonly instanceId?: string
  readonly readUpTo: number
}

/** A chat of an instance. Its messages have streams of their own, so that this one stays short. */
export const Conversation: Decider<Conversation, ConversationEvent> = {
  category: 'conversation',
  events: conversationEvents,
  initial: { readUpTo: 0 },
  evolve: (state, event) => {
    switch (event.type) {
      case 'ConversationStarted':
        return { ...state, number: event.data.number, instanceId: event.data.instanceId }
      case 'ConversationRead':
        return { ...state, readUpTo: event.data.upTo }
    }
  },
}

type Decision = Decide<Conversation, ConversationEvent>

export const start =
  (command: { number: number; instanceId: string; chat: string; at: string }): Decision =>
  ({ number }) =>
    number === undefined
      ? [{ type: 'ConversationStarted', data: { ...command, isGroup: isGroup(command.chat) } }]
      : []

export const markRead =
  (upTo: number, at: string): Decision =>
  ({ readUpTo }) =>
    upTo > readUpTo ? [{ type: 'ConversationRead', data: { upTo, at } }] : []
