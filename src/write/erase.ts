import { Address, forget } from '../domain/address.ts'
import type { ZapiniEvent } from '../domain/catalogue.ts'
import { Contact, removeAgain as removeContactAgain } from '../domain/contact.ts'
import { Conversation, removeAgain as removeConversationAgain } from '../domain/conversation.ts'
import { idOfStream, streamOf, type Decider } from '../domain/decider.ts'
import { takeBack } from '../domain/message-changes.ts'
import { Message } from '../domain/message.ts'
import { causedBy, type Context } from '../domain/metadata.ts'
import { ERASED } from '../domain/values.ts'
import type { Erasures } from '../ports/erasures.ts'
import type { EventStore, Position, Recorded } from '../ports/event-store.ts'
import type { Scrub } from '../ports/scrub.ts'
import { DESTROYED, type SealingKeys } from '../ports/sealing-keys.ts'
import { findStragglers, isStartAfter, keysOf, type Deleted } from './stragglers.ts'
import type { Load, Transact } from './transact.ts'

/** The events by which something is deleted for good. */
export const deletionTypes = ['ConversationDeleted', 'ContactDeleted', 'AddressForgotten'] as const
export type DeletionType = (typeof deletionTypes)[number]

type Parts = {
  readonly transact: Transact
  readonly load: Load
  readonly store: EventStore
  /** The log as it is stored: sealed. */
  readonly stored: EventStore
  readonly keys: SealingKeys
  readonly scrubs: readonly Scrub[]
  readonly erasures: Pick<Erasures, 'tell'>
}

type Deletion = Deleted & { readonly type: DeletionType }

/**
 * Carries out deletions: what was deleted can then be read nowhere. The deletion itself is the event in the log; each step
 * from there can be done again, by whomever, and whoever comes second finds less to do.
 */
export const createErase = (parts: Parts) => {
  const { transact, load, store, stored, keys, scrubs, erasures } = parts
  const now = () => new Date().toISOString()

  const withUnited = async <S extends { readonly united: readonly string[] }, E extends ZapiniEvent>(
    decider: Decider<S, E>,
    id: string,
  ): Promise<readonly string[]> => {
    const { united } = (await load(decider, id)).state
    const parts = await Promise.all(united.map((other) => withUnited(decider, other)))
    return [id, ...parts.flat()]
  }

  const kinds = {
    ConversationDeleted: {
      category: Conversation.category,
      ownersOf: (id: string) => withUnited(Conversation, id),
      again: async (id: string, context: Context) =>
        (await transact(Conversation, id, removeConversationAgain(now()), context)).events.length > 0,
    },
    ContactDeleted: {
      category: Contact.category,
      ownersOf: (id: string) => withUnited(Contact, id),
      again: async (id: string, context: Context) =>
        (await transact(Contact, id, removeContactAgain(now()), context)).events.length > 0,
    },
    AddressForgotten: {
      category: Address.category,
      ownersOf: (id: string) => Promise.resolve([id]),
      again: async (id: string, context: Context, { data }: Recorded) =>
        'instanceId' in data &&
        (await transact(Address, id, forget(String(data.instanceId), now()), context)).events.length > 0,
    },
  } as const

  /** JIDs of conversations, as far as they can still be read. */
  const jidsOf = async (owners: readonly string[]): Promise<readonly string[]> => {
    const streams = await Promise.all(owners.map((id) => store.readStream(streamOf(Conversation, id))))
    const jids = streams.flat().flatMap(({ type, data }) => {
      const isStart = type === 'ConversationStarted' && 'chat' in data
      return isStart && data.chat !== ERASED ? [String(data.chat)] : []
    })
    return [...new Set(jids)]
  }

  /**
   * Ids of the keys of what was deleted. They were retired with the deletion, so that one that is in use belongs to what
   * began anew since then; unless something says otherwise, or that is deleted, too (`again`). One that was retired since,
   * as those of a backup are, may belong to what began anew as well.
   */
  const takeKeys = async (stream: string, position: Position, again: boolean): Promise<readonly string[]> => {
    const owner = idOfStream(stream)
    if (again) return keys.retire([owner])
    const own = (await stored.readStream(stream)).filter(({ data }) => !('into' in data))
    const before = own.filter((event) => event.position < position).flatMap(keysOf)
    const since = own.filter((event) => event.position > position).flatMap(keysOf)
    const [known, retired] = await Promise.all([keys.find(before), keys.retired([owner])])
    const isInUse = before.some((id) => known.has(id) && known.get(id) !== DESTROYED && !retired.includes(id))
    const taken = isInUse ? await keys.retire([owner]) : retired
    return taken.filter((id) => before.includes(id) || !since.includes(id))
  }

  /** Learns what has to be known while it can still be read. */
  const begin = async (type: DeletionType, id: string, again = false): Promise<Deletion> => {
    const { category, ownersOf } = kinds[type]
    const stream = streamOf({ category }, id)
    const own = await stored.readStream(stream)
    const event = own.findLast((one) => one.type === type)
    if (!event) throw new Error(`${stream} was not deleted`)
    const owners = await ownersOf(id)
    const { position } = event
    const taken = await Promise.all(
      owners.map((owner) => takeKeys(streamOf({ category }, owner), position, again)),
    )
    const isChat = type === 'ConversationDeleted' && 'instanceId' in event.data
    const chats = isChat && { instanceId: String(event.data.instanceId), jids: await jidsOf(owners) }
    const erased = { owners, position, at: event.meta.at, ...(chats && { chats }) }
    return {
      type,
      event,
      erased,
      keys: [...new Set(taken.flat())],
      isBegun: own.some(isStartAfter(position)),
    }
  }

  /** What arrived while it was being deleted goes with it. */
  const deleteAgain = async (deletion: Deletion, stragglers: readonly Recorded[]): Promise<Deletion> => {
    if (stragglers.length === 0) return deletion
    const { type, event } = deletion
    const id = idOfStream(event.stream)
    const context = causedBy(event)
    if (await kinds[type].again(id, context, event)) return begin(type, id, true)
    // It is part of another one by now, which stays: its late messages alone are taken back.
    for (const { stream } of stragglers)
      if (stream.startsWith(`${Message.category}-`)) {
        const { direction } = (await load(Message, idOfStream(stream))).state
        await transact(Message, idOfStream(stream), takeBack(direction === 'outgoing', now()), context)
      }
    const position = stragglers.at(-1)?.position ?? deletion.erased.position
    return { ...deletion, erased: { ...deletion.erased, position } }
  }

  const untilNothingCame = async (deletions: readonly Deletion[]): Promise<readonly Deletion[]> => {
    const stragglers = await findStragglers(stored, deletions)
    if (stragglers.size === 0) return deletions
    const again = deletions.map((deletion) => deleteAgain(deletion, stragglers.get(deletion) ?? []))
    return untilNothingCame(await Promise.all(again))
  }

  /** Carries out the deletions among some events of the log. */
  const erase = async (events: readonly Recorded[]): Promise<void> => {
    const deleted = new Map(events.filter(isDeletion).map((event) => [event.stream, event]))
    if (deleted.size === 0) return
    const begun = await Promise.all(
      [...deleted.values()].map(({ type, stream }) => begin(type, idOfStream(stream))),
    )
    const deletions = await untilNothingCame(begun)
    for (const scrub of scrubs) await scrub(deletions.map(({ erased }) => erased))
    await keys.destroy([...new Set(deletions.flatMap((deletion) => deletion.keys))])
    await erasures.tell()
  }

  return { erase, ownersOf: (type: DeletionType, id: string) => kinds[type].ownersOf(id) }
}
export type Erasing = ReturnType<typeof createErase>

type DeletionEvent = Recorded & { readonly type: DeletionType }
export const isDeletion = (event: Recorded): event is DeletionEvent =>
  deletionTypes.some((type) => type === event.type)
