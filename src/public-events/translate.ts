import { LRUCache } from 'lru-cache'
import { upcast } from '../domain/catalogue.ts'
import { Contact } from '../domain/contact.ts'
import { Conversation, type ConversationEvent } from '../domain/conversation.ts'
import { idOfStream, streamOf, type Decider, type DomainEvent } from '../domain/decider.ts'
import { Instance } from '../domain/instance.ts'
import { Message } from '../domain/message.ts'
import type { PublicEvent } from '../domain/public-events.ts'
import { tellOfContact, tellOfInstance, tellOfMessage } from '../domain/telling.ts'
import { NO_STREAM, type EventStore, type Position, type Recorded } from '../ports/event-store.ts'

const STATES_KEPT = 10_000

/** What each stored event tells the outside, by its id. */
export type Told = ReadonlyMap<string, readonly PublicEvent[]>

/**
 * Makes public events of stored ones. A batch holds every event of its streams, in order, from the first one in it.
 * `remember` is for when a batch has been told: one that comes again starts where it started. `forget` is for when
 * something was erased. Of what is erased, and of messages whose conversation was deleted, nothing more is told.
 */
export const createTranslator = (store: EventStore) => {
  const kinds = [
    ofKind(store, Message, tellOfMessage, createPresent(store)),
    ofKind(store, Instance, tellOfInstance),
    ofKind(store, Contact, tellOfContact),
  ]
  const translate = async (
    batch: readonly Recorded[],
  ): Promise<{ readonly told: Told; remember(): void }> => {
    const parts = await Promise.all(kinds.map((kind) => kind.translate(batch)))
    return {
      told: new Map(parts.flatMap(({ told }) => [...told])),
      remember: () => {
        for (const { remember } of parts) remember()
      },
    }
  }
  const forget = () => {
    for (const kind of kinds) kind.forget()
  }
  return { translate, forget }
}

/**
 * A message under the number of the conversation that it is part of by the time of an event: that which is told of it
 * from then on names the one that goes on. One that was deleted with its conversation is not there any more.
 */
const createPresent = (store: EventStore): Present<Message> => {
  type Merge = { readonly position: Position; readonly into: string; readonly number: number }
  type Course = { readonly merge: Merge | undefined; readonly deletions: readonly Position[] }
  const courses = new LRUCache<string, Course>({ max: STATES_KEPT })

  const mergeIn = (event: Recorded): Merge | undefined => {
    // The type of an event says what is in it.
    const { mergedInto } = Conversation.evolve(
      Conversation.initial,
      upcast(event) as unknown as ConversationEvent,
    )
    return mergedInto && { position: event.position, into: mergedInto.id, number: mergedInto.number }
  }

  const goOn = ({ merge, deletions }: Course, event: Recorded): Course => ({
    merge: merge ?? (event.type === 'ConversationMerged' ? mergeIn(event) : undefined),
    deletions: event.type === 'ConversationDeleted' ? [...deletions, event.position] : deletions,
  })
  const beginning: Course = { merge: undefined, deletions: [] }

  /** How a batch merges and deletes conversations, for what it tells of messages. */
  const note = (batch: readonly Recorded[]) => {
    for (const event of batch) {
      if (!isTurn(event)) continue
      const id = idOfStream(event.stream)
      const known = courses.get(id) ?? (event.revision === 0 ? beginning : undefined)
      const isNews = known && !known.deletions.includes(event.position)
      if (isNews) courses.set(id, goOn(known, event))
    }
  }

  const courseOf = async (id: string): Promise<Course> => {
    const known = courses.get(id)
    if (known) return known
    const course = (await store.readStream(streamOf(Conversation, id))).filter(isTurn).reduce(goOn, beginning)
    courses.set(id, course)
    return course
  }

  const present = async (message: Message, { position }: Recorded, since: Position) => {
    const { body } = message
    if (!body) return message
    let { conversationId: id, conversationNumber } = body
    for (;;) {
      const { merge, deletions } = await courseOf(id)
      if (deletions.some((deletion) => since < deletion && deletion < position)) return undefined
      if (!merge || merge.position > position) break
      ;[id, conversationNumber] = [merge.into, merge.number]
    }
    return id === body.conversationId ? message : { ...message, body: { ...body, conversationNumber } }
  }
  return { note, present, hasBegun: ({ body }) => body !== undefined }
}
const isTurn = ({ type }: Recorded) =>
  type === 'ConversationStarted' || type === 'ConversationMerged' || type === 'ConversationDeleted'

type Present<S> = {
  readonly note: (batch: readonly Recorded[]) => void
  /** As it is by the time of an event; undefined if it is not there any more. */
  readonly present: (state: S, event: Recorded, since: Position) => Promise<S | undefined>
  /** Whether there is more of it than what others say of it. */
  readonly hasBegun: (state: S) => boolean
}
const always = {
  note: () => {},
  present: <S>(state: S) => Promise.resolve(state),
  hasBegun: () => true,
}

/** Translates the events of one kind of aggregate, keeping the state that each stream is in before the next event. */
const ofKind = <S extends object, E extends DomainEvent>(
  store: EventStore,
  decider: Decider<S, E>,
  tell: (before: S, event: Recorded<E>) => PublicEvent[],
  { note, present, hasBegun }: Present<S> = always,
) => {
  /** `since`: place of the event that it began with. */
  type Known = { readonly state: S; readonly revision: number; readonly since?: Position }
  const states = new LRUCache<string, Known>({ max: STATES_KEPT })
  const belongs = ({ stream }: Recorded) => stream.startsWith(`${decider.category}-`)
  // The category of a stream says which events are on it.
  const asOwn = (event: Recorded) => upcast(event) as unknown as Recorded<E>

  const goOn = ({ state: before, since }: Known, event: Recorded): Known => {
    const state = decider.evolve(before, asOwn(event))
    const begun = since ?? (hasBegun(state) ? event.position : undefined)
    return { state, revision: event.revision, ...(begun !== undefined && { since: begun }) }
  }
  const nothing: Known = { state: decider.initial, revision: NO_STREAM }

  /** What a stream was just before an event, which may have been told before. */
  const knownBefore = async ({ stream, revision }: Recorded): Promise<Known> => {
    const known = states.get(stream)
    if (known?.revision === revision - 1) return known
    const past = revision === 0 ? [] : await store.readStream(stream)
    return past.filter((event) => event.revision < revision).reduce(goOn, nothing)
  }

  const translate = async (batch: readonly Recorded[]) => {
    note(batch)
    const own = batch.filter(belongs)
    const first = new Map<string, Recorded>()
    for (const event of own) if (!first.has(event.stream)) first.set(event.stream, event)
    const known = new Map<string, Known>()
    await Promise.all(
      [...first].map(async ([stream, event]) => {
        known.set(stream, await knownBefore(event))
      }),
    )
    const told = new Map<string, readonly PublicEvent[]>()
    for (const event of own) {
      const before = known.get(event.stream) ?? nothing
      const state = await present(before.state, event, before.since ?? event.position)
      told.set(event.id, state && !event.erased ? tell(state, asOwn(event)) : [])
      known.set(event.stream, goOn(before, event))
    }
    const remember = () => {
      for (const [stream, state] of known) states.set(stream, state)
    }
    return { told, remember }
  }
  return { translate, forget: () => states.clear() }
}
