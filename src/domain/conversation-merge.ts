import {
  archive,
  Conversation,
  pause,
  start,
  type ConversationDecision,
  type ConversationEvent,
} from './conversation.ts'

/** How a conversation becomes part of another one, when both turn out to be with the same person. */

/** Starts it as the going on of another one, under its number; it stays in the archive, and in the hands that it was in. */
export const goOn =
  (
    other: Conversation,
    command: { number: number; instanceId: string; chat: string; at: string },
  ): ConversationDecision =>
  (conversation) => {
    const events = start({ ...command, ...(other.automation !== 'none' && { automated: true }) })(
      conversation,
    )
    if (events.length === 0) return []
    const { at } = command
    return [
      ...events,
      ...(other.automation === 'paused' ? pause(other.pauseReason, at)(afterStart) : []),
      ...(other.archived ? archive(at)(afterStart) : []),
    ]
  }
const afterStart: Conversation = { ...Conversation.initial, exists: true }

type Place = {
  readonly instanceId: string
  readonly id: string
  readonly number: number
  readonly chat: string
}

const merged = (
  { id: into, number: intoNumber, ...place }: Place,
  at: string,
): ConversationEvent & { type: 'ConversationMerged' } => ({
  type: 'ConversationMerged',
  data: { ...place, into, intoNumber, at },
})

/** It is part of another one from now on, for good. One that never was anything is no part either. */
export const merge =
  (into: Place, at: string): ConversationDecision =>
  ({ number, mergedInto }) =>
    number === undefined || mergedInto ? [] : [merged(into, at)]

/** What was written here although it was merged follows it. */
export const gather =
  (instanceId: string, what: string, at: string): ConversationDecision =>
  ({ mergedInto, gathered }) => {
    if (!mergedInto || gathered.includes(what)) return []
    const { type, data } = merged({ instanceId, ...mergedInto }, at)
    return [{ type, data: { ...data, gathered: what } }]
  }

/** Takes in what another one, which is part of this one now, leaves. */
export const unite =
  (id: string, other: Conversation, at: string): ConversationDecision =>
  ({ exists, united, tags, number }) => {
    if (!exists || united.includes(id)) return []
    const own = other.number === undefined || other.number === number ? [] : [String(other.number)]
    return [
      {
        type: 'ConversationUnited',
        data: {
          with: id,
          aliases: [id, ...own, ...other.aliases],
          tags: other.tags.filter((tag) => !tags.includes(tag)),
          at,
        },
      },
    ]
  }
