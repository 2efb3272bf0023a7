import { gather, goOn, merge, unite } from '../domain/conversation-merge.ts'
import { Conversation, start } from '../domain/conversation.ts'
import { conversationId } from '../domain/ids.ts'
import type { Context } from '../domain/metadata.ts'
import { ERASED, isGroup } from '../domain/values.ts'
import type { Position } from '../ports/event-store.ts'
import type { Numbers } from '../ports/numbers.ts'
import { createAddresses, type Addresses } from './addresses.ts'
import type { Load, Recall, Transact } from './transact.ts'

type Parts = {
  readonly transact: Transact
  readonly load: Load
  readonly recall: Recall
  readonly numbers: Numbers
  /** Whether an automation of the instance is enabled. */
  readonly hasAutomation: (instanceId: string) => Promise<boolean>
  readonly addresses?: Addresses
  /** Nobody else writes to this log: what is remembered of a conversation holds. */
  readonly alone?: boolean
}

export type StartedConversation = {
  readonly id: string
  readonly number: number
  /** JID of the chat that it is, which may be known by others, too. */
  readonly chat: string
}
/** What was written into a conversation, which may have been merged meanwhile. */
export type Wrote = { readonly id: string; readonly conversationId: string; readonly position?: Position }
type StartOptions = {
  /** The other side speaks first, so that automation answers where there is one. */
  readonly incoming?: boolean
  /** What other nodes wrote until now has to be known; else a deletion of a moment ago may be overlooked. */
  readonly surely?: boolean
}
export type StartConversation = (
  instanceId: string,
  chat: string,
  context: Context,
  options?: StartOptions & {
    /** What has been written into it just now, and belongs where it goes on. */
    readonly wrote?: Wrote
  },
) => Promise<StartedConversation>

/** Follows a conversation to the one that it is part of now. */
export const createFollowConversation =
  (load: Load, recall: Recall = () => undefined) =>
  async (id: string): Promise<{ readonly id: string; readonly state: Conversation }> => {
    const recalled = recall(Conversation, id)
    const state = recalled?.mergedInto ? recalled : (await load(Conversation, id)).state
    return state.mergedInto ? createFollowConversation(load, recall)(state.mergedInto.id) : { id, state }
  }
export type FollowConversation = ReturnType<typeof createFollowConversation>

/** The conversations of instances: one for each chat, whatever JIDs it goes by. */
export const createConversations = (parts: Parts) => {
  const { transact, load, recall, numbers, hasAutomation, alone = true } = parts
  const { addresses = createAddresses(parts) } = parts
  const follow = createFollowConversation(load, recall)
  const now = () => new Date().toISOString()

  const known = async (id: string, surely: boolean): Promise<Conversation> => {
    const recalled = surely && !alone ? undefined : recall(Conversation, id)
    return recalled?.exists || recalled?.mergedInto ? recalled : (await load(Conversation, id)).state
  }

  /** The conversation of a chat as it is, under the name that it goes by; nothing is started. */
  const find = async (instanceId: string, chat: string, surely = false): Promise<Found> => {
    const id = conversationId(instanceId, chat)
    const state = await known(id, surely)
    if (state.mergedInto) return findMerged(instanceId, chat, state.mergedInto, surely)
    // One that goes on needs no look whether it goes by another name: it would have been merged.
    const name = state.exists ? chat : await addresses.nameOf(instanceId, chat)
    return name === chat ? { id, chat, state } : find(instanceId, name, surely)
  }

  /** Where a chat goes on that is part of another one: by name, or if that was erased, by what else is known of it. */
  const findMerged = async (
    instanceId: string,
    chat: string,
    into: NonNullable<Conversation['mergedInto']>,
    surely: boolean,
  ): Promise<Found> => {
    if (into.chat !== ERASED) return find(instanceId, into.chat, surely)
    const name = await addresses.nameOf(instanceId, chat)
    if (name !== chat) return find(instanceId, name, surely)
    const state = await known(into.id, surely)
    return state.mergedInto
      ? findMerged(instanceId, chat, state.mergedInto, surely)
      : { id: into.id, chat, state }
  }

  const begin = async (
    { id, chat, state }: Found,
    instanceId: string,
    context: Context,
    incoming: boolean,
  ) => {
    const command = {
      number: state.number ?? (await numbers('conversation')),
      instanceId,
      chat,
      // Automation answers people, not groups.
      ...(incoming && !isGroup(chat) && (await hasAutomation(instanceId)) && { automated: true }),
      at: now(),
    }
    await transact(Conversation, id, start(command), context, { expectNew: true })
    // Whoever links it now finds it started; whoever did so before is seen here.
    const name = await addresses.nameOf(instanceId, chat)
    if (name !== chat) await mergeInto({ instanceId, from: chat, to: name }, context)
  }

  /** What was on its way into a conversation when that was merged goes where it belongs. */
  const gatherFor = async (
    instanceId: string,
    { id, conversationId: of, position }: Wrote,
    context: Context,
  ) => {
    const merged = await load(Conversation, of)
    if (position === undefined || position > merged.position)
      await transact(Conversation, of, gather(instanceId, id, now()), context)
  }

  /** The conversation of an instance and a chat, started when it is new or was deleted. Its number never changes. */
  const startConversation: StartConversation = async (instanceId, chat, context, options = {}) => {
    const { incoming = false, surely = false, wrote } = options
    let found = await find(instanceId, chat, surely)
    if (!found.state.exists) {
      await begin(found, instanceId, context, incoming)
      found = await find(instanceId, chat)
    }
    const { id, state } = found
    if (state.number === undefined) throw new Error(`Conversation ${id} has not started`)
    if (wrote && wrote.conversationId !== id) await gatherFor(instanceId, wrote, context)
    return { id, number: state.number, chat: found.chat }
  }

  /** Makes the conversation of one JID part of that of another. Done in part, it is completed. */
  const mergeInto = async (
    { instanceId, from, to }: { instanceId: string; from: string; to: string },
    context: Context,
    into = conversationId(instanceId, to),
  ): Promise<void> => {
    const id = conversationId(instanceId, from)
    const before = (await load(Conversation, id)).state
    if (before.number === undefined) return
    if (!before.mergedInto) {
      const command = { number: before.number, instanceId, chat: to, at: now() }
      const { state } = await transact(Conversation, into, goOn(before, command), context, {
        expectNew: true,
      })
      if (state.mergedInto) {
        const { id, chat } = await findMerged(instanceId, to, state.mergedInto, true)
        return mergeInto({ instanceId, from, to: chat }, context, id)
      }
      const { number } = state
      if (number === undefined) throw new Error(`Conversation ${into} has not started`)
      await transact(Conversation, id, merge({ instanceId, id: into, number, chat: to }, now()), context)
    }
    const merged = (await load(Conversation, id)).state
    if (!merged.mergedInto) return
    const goesOn = await follow(merged.mergedInto.id)
    await transact(Conversation, goesOn.id, unite(id, merged, now()), context)
    // That one may have been merged at the same moment, and have gone without this one.
    if (goesOn.id !== merged.mergedInto.id)
      await transact(Conversation, merged.mergedInto.id, gather(instanceId, id, now()), context)
  }

  return { startConversation, find, follow, mergeInto }
}
export type Conversations = ReturnType<typeof createConversations>
type Found = { readonly id: string; readonly chat: string; readonly state: Conversation }
