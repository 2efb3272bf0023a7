import { LRUCache } from 'lru-cache'
import { upcast } from '../domain/catalogue.ts'
import { Contact } from '../domain/contact.ts'
import { Conversation, type ConversationEvent } from '../domain/conversation.ts'
import { fold, idOfStream, streamOf, type Decider, type DomainEvent } from '../domain/decider.ts'
import { Instance } from '../domain/instance.ts'
import { Message } from '../domain/message.ts'
import type { PublicEvent } from '../domain/public-events.ts'
import { tellOfContact, tellOfInstance, tellOfMessage } from '../domain/telling.ts'
import type { EventStore, Position, Recorded } from '../ports/event-store.ts'

const STATES_KEPT = 10_000

/** What each stored event tells the outside, by its id. */
export type Told = ReadonlyMap<string, readonly PublicEvent[]>

/**
 * Makes public events of stored ones. A batch holds every event of its streams, in order, from the first one in it.
 * `remember` is for when a batch has been told: one that comes again starts where it started.
 */
export const createTranslator = (store: EventStore) => {
  const kinds = [
    ofKind(store, Message, tellOfMessage, createPresent(store)),
    ofKind(store, Instance, tellOfInstance),
    ofKind(store, Contact, tellOfContact),
  ]
  return async (batch: readonly Recorded[]): Promise<{ readonly told: Told; remember(): void }> => {
    const parts = await Promise.all(kinds.map((translate) => translate(batch)))
    return {
      told: new Map(parts.flatMap(({ told }) => [...told])),
      remember: () => {
        for (const { remember } of parts) remember()
      },
    }
  }
}

/**
 * A message under the number of the conversation that it is part of by the time of an event: that which is told of it
 * from then on names the one that goes on.
 */
const createPresent = (store: EventStore) => {
  type Merge = { readonly position: Position; readonly into: string; readonly number: number }
  const merges = new LRUCache<string, { readonly merge: Merge | undefined }>({ max: STATES_KEPT })

  const mergeIn = (events: readonly Recorded[]): Merge | undefined => {
    const event = events.find(isMerge)
    // The type of an event says what is in it.
    const own = event && (upcast(event) as unknown as ConversationEvent)
    const { mergedInto } = own ? Conversation.evolve(Conversation.initial, own) : Conversation.initial
    return event && mergedInto && { position: event.position, into: mergedInto.id, number: mergedInto.number }
  }

  /** How a batch merges conversations, for what it tells of messages. */
  const note = (batch: readonly Recorded[]) => {
    for (const event of batch) {
      const id = idOfStream(event.stream)
      if (event.type === 'ConversationStarted' && !merges.has(id)) merges.set(id, { merge: undefined })
      if (isMerge(event) && !merges.get(id)?.merge) merges.set(id, { merge: mergeIn([event]) })
    }
  }

  const mergeOf = async (id: string): Promise<Merge | undefined> => {
    const known = merges.get(id)
    if (known) return known.merge
    const merge = mergeIn(await store.readStream(streamOf(Conversation, id)))
    merges.set(id, { merge })
    return merge
  }

  const present = async (message: Message, { position }: Recorded): Promise<Message> => {
    const { body } = message
    if (!body) return message
    let { conversationId: id, conversationNumber } = body
    for (let merge = await mergeOf(id); merge && merge.position < position; merge = await mergeOf(id))
      [id, conversationNumber] = [merge.into, merge.number]
    return id === body.conversationId ? message : { ...message, body: { ...body, conversationNumber } }
  }
  return { note, present }
}
const isMerge = ({ type }: Recorded) => type === 'ConversationMerged'
type Present<S> = {
  readonly note: (batch: readonly Recorded[]) => void
  readonly present: (state: S, event: Recorded) => Promise<S>
}

/** Translates the events of one kind of aggregate, keeping the state that each stream is in before the next event. */
const ofKind = <S extends object, E extends DomainEvent>(
  store: EventStore,
  decider: Decider<S, E>,
  tell: (before: S, event: Recorded<E>) => PublicEvent[],
  { note, present }: Present<S> = { note: () => {}, present: (state) => Promise.resolve(state) },
) => {
  type Known = { readonly state: S; readonly revision: number }
  const states = new LRUCache<string, Known>({ max: STATES_KEPT })
  const belongs = ({ stream }: Recorded) => stream.startsWith(`${decider.category}-`)
  // The category of a stream says which events are on it.
  const asOwn = (event: Recorded) => upcast(event) as unknown as Recorded<E>

  /** The state that a stream was in just before an event, which may have been told before. */
  const stateBefore = async ({ stream, revision }: Recorded): Promise<S> => {
    const known = states.get(stream)
    if (known?.revision === revision - 1) return known.state
    const past = revision === 0 ? [] : await store.readStream(stream)
    return fold(decider, past.filter((event) => event.revision < revision).map(asOwn))
  }

  return async (batch: readonly Recorded[]) => {
    note(batch)
    const own = batch.filter(belongs)
    const first = new Map<string, Recorded>()
    for (const event of own) if (!first.has(event.stream)) first.set(event.stream, event)
    const known = new Map<string, Known>()
    await Promise.all(
      [...first].map(async ([stream, event]) => {
        known.set(stream, { state: await stateBefore(event), revision: event.revision - 1 })
      }),
    )
    const told = new Map<string, PublicEvent[]>()
    for (const event of own) {
      const before = known.get(event.stream)?.state ?? decider.initial
      told.set(event.id, tell(await present(before, event), asOwn(event)))
      known.set(event.stream, { state: decider.evolve(before, asOwn(event)), revision: event.revision })
    }
    const remember = () => {
      for (const [stream, state] of known) states.set(stream, state)
    }
    return { told, remember }
  }
}
